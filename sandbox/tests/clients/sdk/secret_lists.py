"""What is about many secrets, about their tags, or about no secret at all."""

import string

from sandbox import Case, control, token_pages


class SecretLists(Case):
    def make(self, *names):
        for name in names:
            self.secrets.create_secret(Name=name, SecretString=f"value of {name}")

    def test_pages_hold_every_secret_once(self):
        names = [f"production/ec/user{number}" for number in range(5)]
        self.make(*names, "elsewhere")
        pages = self.secrets.get_paginator("list_secrets").paginate(
            Filters=[{"Key": "name", "Values": ["production/ec/"]}], SortOrder="asc", PaginationConfig={"PageSize": 2}
        )
        pages = [[secret["Name"] for secret in page["SecretList"]] for page in pages]
        self.assertEqual([len(page) for page in pages], [2, 2, 1])
        self.assertEqual(sorted(sum(pages, [])), names)

    def test_deleted_secrets_are_listed_on_request(self):
        self.make("stays", "goes")
        self.secrets.delete_secret(SecretId="goes")

        def listed(**more):
            return sorted(secret["Name"] for secret in self.secrets.list_secrets(**more)["SecretList"])

        self.assertEqual(listed(), ["stays"])
        self.assertEqual(listed(IncludePlannedDeletion=True), ["goes", "stays"])

    def test_values_are_read_in_batches(self):
        self.make("a", "b")
        batch = self.secrets.batch_get_secret_value(SecretIdList=["a", "none", "b"])
        values = {value["Name"]: value["SecretString"] for value in batch["SecretValues"]}
        self.assertEqual(values, {"a": "value of a", "b": "value of b"})
        (error,) = batch["Errors"]
        self.assertEqual((error["SecretId"], error["ErrorCode"]), ("none", "ResourceNotFoundException"))
        both = [{"Key": "name", "Values": ["a", "b"]}]
        pages = token_pages(self.secrets.batch_get_secret_value, Filters=both, MaxResults=1)
        self.assertEqual([len(page["SecretValues"]) for page in pages], [1, 1])
        errors = self.secrets.exceptions
        self.refused(errors.InvalidParameterException, self.secrets.batch_get_secret_value)

    def test_tags_select_secrets(self):
        self.make("a", "b")
        self.secrets.tag_resource(SecretId="a", Tags=[{"Key": "team", "Value": "orders"}, {"Key": "x", "Value": ""}])
        tagged = [{"Key": "tag-key", "Values": ["team"]}, {"Key": "tag-value", "Values": ["orders"]}]
        (found,) = self.secrets.list_secrets(Filters=tagged)["SecretList"]
        self.assertEqual(found["Tags"], [{"Key": "team", "Value": "orders"}, {"Key": "x", "Value": ""}])
        self.secrets.untag_resource(SecretId="a", TagKeys=["team", "x"])
        self.assertEqual(self.secrets.list_secrets(Filters=tagged)["SecretList"], [])

    def test_a_replicated_secret_is_described_with_its_replicas(self):
        self.make("a")
        replicas = {"replicated_to": ["eu-west-1"], "primary_region": "us-east-1"}
        control("POST", "seed", {"secret": "a", "owning_service": "rds"} | replicas)
        found = self.secrets.describe_secret(SecretId="a")
        self.assertEqual(found["OwningService"], "rds")
        self.assertEqual(found["PrimaryRegion"], "us-east-1")
        self.assertEqual(found["ReplicationStatus"], [{"Region": "eu-west-1", "Status": "InSync"}])
        (found,) = self.secrets.list_secrets()["SecretList"]
        self.assertEqual((found["OwningService"], found["PrimaryRegion"]), ("rds", "us-east-1"))

    def test_random_passwords_are_as_asked_for(self):
        password = self.secrets.get_random_password(PasswordLength=40, ExcludeCharacters='/@"\',')["RandomPassword"]
        self.assertEqual(len(password), 40)
        self.assertFalse(set(password) & set('/@"\','))
        for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits, string.punctuation):
            self.assertTrue(set(password) & set(kind))
