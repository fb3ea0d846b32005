"""What secrets, versions, labels, tags and passwords can and cannot be."""

import string
import uuid

from sandbox import WATCH, Case, client

KINDS = (string.ascii_lowercase, string.ascii_uppercase, string.digits, string.punctuation)


def token():
    return str(uuid.uuid4())


class SecretLimits(Case):
    def setUp(self):
        super().setUp()
        # botocore has minima of its own, and would not let such requests go.
        self.secrets = WATCH.over(client("secretsmanager", validates=False))
        self.errors = self.secrets.exceptions
        self.invalid = self.errors.InvalidParameterException

    def password(self, **rules):
        return self.secrets.get_random_password(**rules)["RandomPassword"]

    def test_values_have_up_to_64_kib(self):
        self.secrets.create_secret(Name="a", SecretString="x" * 65_536)
        put = self.secrets.put_secret_value
        self.secrets.put_secret_value(SecretId="a", SecretBinary=b"\x00" * 65_536)
        for value in ({"SecretString": "x" * 65_537}, {"SecretString": ""}, {"SecretBinary": b"\x00" * 65_537}):
            self.refused(self.invalid, put, SecretId="a", **value)
        self.refused(self.invalid, put, SecretId="a", SecretString="x", SecretBinary=b"x")
        self.refused(self.invalid, put, SecretId="a", SecretString="x", ClientRequestToken="x" * 31)
        self.refused(self.invalid, put, SecretId="a", SecretString="x", ClientRequestToken="x" * 65)

    def test_names_have_up_to_512_characters_of_those_that_there_are(self):
        # In replies the model has 256 only.
        unwatched = client("secretsmanager")
        for name in ("n" * 512, "Valid/_+=.@-Name-a1b2c3-"):
            made = unwatched.create_secret(Name=name, SecretString="x")
            self.assertEqual(unwatched.describe_secret(SecretId=made["ARN"])["Name"], name)
        for name in ("n" * 513, "", "Inv Name", " Inv*Name? ", "Inv\\Name", "é"):
            self.refused_with("ValidationException", self.secrets.create_secret, Name=name, SecretString="x")
        for call in (self.secrets.describe_secret, self.secrets.get_secret_value, self.secrets.delete_secret):
            self.refused_with("ValidationException", call, SecretId=" Inv*Name? ")

    def test_a_partial_arn_that_looks_whole_is_taken_for_whole(self):
        made = self.secrets.create_secret(Name="orders-abc123", SecretString="x")
        self.assertRegex(made["ARN"], "orders-abc123-[0-9A-Za-z]{6}$")
        self.secrets.describe_secret(SecretId=made["ARN"])
        self.secrets.describe_secret(SecretId="orders-abc123")
        self.refused(self.errors.ResourceNotFoundException, self.secrets.describe_secret, SecretId=made["ARN"][:-7])
        plain = self.secrets.create_secret(Name="orders-abc", SecretString="x")
        self.assertEqual(self.secrets.describe_secret(SecretId=plain["ARN"][:-7])["Name"], "orders-abc")

    def test_a_secret_has_20_labels(self):
        first = self.secrets.create_secret(Name="a", SecretString="x")["VersionId"]
        labels = [f"label{number}" for number in range(20)]
        put = {"SecretId": "a", "SecretString": "y"}
        self.refused(self.errors.LimitExceededException, self.secrets.put_secret_value, **put, VersionStages=labels)
        self.refused(self.invalid, self.secrets.put_secret_value, **put, VersionStages=[*labels, "more"])
        self.secrets.put_secret_value(**put, VersionStages=labels[:19])
        move = {"SecretId": "a", "VersionStage": "more", "MoveToVersionId": first}
        self.refused(self.errors.LimitExceededException, self.secrets.update_secret_version_stage, **move)

    def test_a_secret_has_about_100_versions(self):
        self.secrets.create_secret(Name="a", SecretString="x")
        for number in range(99):
            self.secrets.put_secret_value(SecretId="a", SecretString=f"value {number}")
        # None of them is a day old.
        put = self.secrets.put_secret_value
        self.refused(self.errors.LimitExceededException, put, SecretId="a", SecretString="one more")
        pages = self.secrets.list_secret_version_ids(SecretId="a", IncludeDeprecated=True, MaxResults=100)
        self.assertEqual(len(pages["Versions"]), 100)
        self.refused(self.invalid, self.secrets.list_secret_version_ids, SecretId="a", MaxResults=101)
        listed = self.secrets.list_secret_version_ids
        self.refused(self.errors.InvalidNextTokenException, listed, SecretId="a", NextToken="x")

    def test_a_secret_has_50_tags_of_certain_lengths(self):
        tags = [{"Key": f"key{number}", "Value": "v" * 256} for number in range(50)]
        self.secrets.create_secret(Name="a", SecretString="x", Tags=tags)
        tag = self.secrets.tag_resource
        self.secrets.tag_resource(SecretId="a", Tags=[{"Key": "key1", "Value": "changed"}])
        self.refused(self.invalid, tag, SecretId="a", Tags=[{"Key": "more", "Value": "v"}])
        self.secrets.untag_resource(SecretId="a", TagKeys=["key1", "none"])
        self.secrets.tag_resource(SecretId="a", Tags=[{"Key": "k" * 128, "Value": ""}])
        self.secrets.untag_resource(SecretId="a", TagKeys=["k" * 128])
        for key, value in (("k" * 129, "v"), ("", "v"), ("k", "v" * 257), ("aws:k", "v"), ("AWS:k", "v")):
            wrong = [{"Key": key, "Value": value}]
            self.refused(self.invalid, tag, SecretId="a", Tags=wrong)
            self.refused(self.invalid, self.secrets.create_secret, Name="b", SecretString="x", Tags=wrong)
        self.assertEqual(len(self.secrets.describe_secret(SecretId="a")["Tags"]), 49)

    def test_texts_have_their_lengths(self):
        for wrong in ({"Description": "d" * 2049}, {"KmsKeyId": "k" * 2049}, {"Type": "t" * 257}):
            self.refused(self.invalid, self.secrets.create_secret, Name="a", SecretString="x", **wrong)
        self.secrets.create_secret(Name="a", SecretString="x", Description="d" * 2048, Type="Partner")
        self.assertEqual(self.secrets.describe_secret(SecretId="a")["Type"], "Partner")
        for wrong in ({"Description": "d" * 2049}, {"KmsKeyId": "k" * 2049}, {"Type": "t" * 257}):
            self.refused(self.invalid, self.secrets.update_secret, SecretId="a", **wrong)
        self.refused_with("ValidationException", self.secrets.describe_secret)
        self.refused_with("ValidationException", self.secrets.tag_resource, SecretId="a")

    def test_a_secrets_key_is_that_of_its_labelled_versions(self):
        def keys():
            listed = self.secrets.list_secret_version_ids(SecretId="a", IncludeDeprecated=True)["Versions"]
            return {version["VersionId"]: version["KmsKeyIds"] for version in listed}

        made = [self.secrets.create_secret(Name="a", SecretString="0")["VersionId"]]
        made += [self.secrets.put_secret_value(SecretId="a", SecretString=v)["VersionId"] for v in "12"]
        self.assertEqual(keys(), {version: ["DefaultEncryptionKey"] for version in made})
        self.secrets.update_secret(SecretId="a", KmsKeyId="alias/mine")
        self.assertEqual(keys(), {made[0]: ["DefaultEncryptionKey"], made[1]: ["alias/mine"], made[2]: ["alias/mine"]})
        self.secrets.update_secret(SecretId="a", KmsKeyId="")
        self.assertNotIn("KmsKeyId", self.secrets.describe_secret(SecretId="a"))

    def test_deletion_has_a_window_or_none(self):
        self.secrets.create_secret(Name="a", SecretString="x")
        delete = self.secrets.delete_secret
        for days in (0, 6, 31):
            self.refused(self.invalid, delete, SecretId="a", RecoveryWindowInDays=days)
        both = {"RecoveryWindowInDays": 7, "ForceDeleteWithoutRecovery": True}
        text = self.refused(self.invalid, delete, SecretId="a", **both)
        self.assertIn("ForceDeleteWithoutRecovery", text)
        gone = self.secrets.delete_secret(SecretId="a", RecoveryWindowInDays=30)
        self.assertEqual(self.secrets.describe_secret(SecretId="a")["DeletedDate"], gone["DeletionDate"])
        self.refused(self.errors.InvalidRequestException, delete, SecretId="a")
        self.secrets.restore_secret(SecretId="a")
        self.assertEqual(self.secrets.get_secret_value(SecretId="a")["SecretString"], "x")

    def test_passwords_are_of_the_kinds_that_are_left(self):
        password = self.password()
        self.assertEqual(len(password), 32)
        for kind in KINDS:
            self.assertTrue(set(password) & set(kind))
        for rule, kind in zip(("Lowercase", "Uppercase", "Numbers", "Punctuation"), KINDS):
            self.assertFalse(set(self.password(**{f"Exclude{rule}": True, "PasswordLength": 500})) & set(kind))
        self.assertIn(" ", self.password(IncludeSpace=True, PasswordLength=20))
        self.assertNotIn(" ", self.password(PasswordLength=4096))
        self.assertEqual(len(self.password(PasswordLength=1, RequireEachIncludedType=False)), 1)
        self.assertEqual(len(self.password(PasswordLength=4)), 4)
        only = self.password(ExcludeCharacters=string.ascii_letters + string.punctuation)
        self.assertTrue(set(only) <= set(string.digits))

    def test_passwords_that_cannot_be_made_are_refused(self):
        make = self.secrets.get_random_password
        text = self.refused(self.invalid, make, PasswordLength=3)
        self.assertEqual(text, "Password length is too short based on the required types.")
        for rules in (
            {"PasswordLength": 0},
            {"PasswordLength": 4097},
            {"PasswordLength": 4, "IncludeSpace": True},
            {"ExcludeCharacters": "x" * 4097},
            {"ExcludeCharacters": "".join(KINDS)},
            {f"Exclude{rule}": True for rule in ("Lowercase", "Uppercase", "Numbers", "Punctuation")},
        ):
            self.refused(self.invalid, make, **rules)
