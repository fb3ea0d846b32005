"""Secrets, their versions and the labels on them."""

import uuid

from sandbox import Case, token_pages

NAME = "production/ec/user1"


def token():
    return str(uuid.uuid4())


class SecretValues(Case):
    def secret(self, value="one", **more):
        """Makes a secret, and gives its first version."""
        return self.secrets.create_secret(Name=NAME, SecretString=value, **more)["VersionId"]

    def labels(self):
        return self.secrets.describe_secret(SecretId=NAME)["VersionIdsToStages"]

    def test_a_secret_is_made_read_changed_and_deleted(self):
        first = self.secret(Description="of user1", KmsKeyId="alias/k", Tags=[{"Key": "team", "Value": "orders"}])
        made = self.secrets.describe_secret(SecretId=NAME)
        self.assertRegex(made["ARN"], rf"^arn:aws:secretsmanager:us-east-1:123456789012:secret:{NAME}-\w{{6}}$")
        self.assertEqual(made["Description"], "of user1")
        read = self.secrets.get_secret_value(SecretId=made["ARN"])
        self.assertEqual((read["SecretString"], read["VersionStages"]), ("one", ["AWSCURRENT"]))
        second = self.secrets.update_secret(SecretId=NAME, Description="changed", SecretString="two")["VersionId"]
        self.assertEqual(self.labels(), {first: ["AWSPREVIOUS"], second: ["AWSCURRENT"]})
        gone = self.secrets.delete_secret(SecretId=NAME, RecoveryWindowInDays=7)
        self.assertEqual((gone["DeletionDate"] - made["CreatedDate"]).days, 7)
        self.assertIn("DeletedDate", self.secrets.describe_secret(SecretId=NAME))
        self.assertEqual(self.secrets.restore_secret(SecretId=NAME)["Name"], NAME)
        self.assertNotIn("DeletedDate", self.secrets.describe_secret(SecretId=NAME))
        self.secrets.delete_secret(SecretId=NAME, ForceDeleteWithoutRecovery=True)
        self.refused(self.secrets.exceptions.ResourceNotFoundException, self.secrets.describe_secret, SecretId=NAME)
        again = self.secrets.delete_secret(SecretId=NAME, ForceDeleteWithoutRecovery=True)
        self.assertEqual(again["Name"], NAME)

    def test_a_rotation_by_hand_moves_the_labels_as_aws_does(self):
        first, second = self.secret(), token()
        put = self.secrets.put_secret_value(
            SecretId=NAME, ClientRequestToken=second, SecretString="two", VersionStages=["AWSPENDING"]
        )
        self.assertEqual((put["VersionId"], put["VersionStages"]), (second, ["AWSPENDING"]))
        pending = self.secrets.get_secret_value(SecretId=NAME, VersionStage="AWSPENDING")
        self.assertEqual((pending["VersionId"], pending["SecretString"]), (second, "two"))
        move = {"SecretId": NAME, "VersionStage": "AWSCURRENT", "MoveToVersionId": second}
        errors = self.secrets.exceptions
        self.refused(errors.InvalidParameterException, self.secrets.update_secret_version_stage, **move)
        self.secrets.update_secret_version_stage(**move, RemoveFromVersionId=first)
        self.assertEqual(self.labels(), {first: ["AWSPREVIOUS"], second: ["AWSCURRENT", "AWSPENDING"]})
        self.secrets.update_secret_version_stage(
            SecretId=NAME, VersionStage="AWSPENDING", RemoveFromVersionId=second
        )
        self.assertEqual(self.labels(), {first: ["AWSPREVIOUS"], second: ["AWSCURRENT"]})

    def test_versions_without_labels_are_listed_on_request(self):
        versions = [self.secret()]
        for value in ("two", "three"):
            versions.append(self.secrets.put_secret_value(SecretId=NAME, SecretString=value)["VersionId"])

        def listed(**more):
            pages = token_pages(self.secrets.list_secret_version_ids, SecretId=NAME, MaxResults=2, **more)
            return {v["VersionId"]: v.get("VersionStages") for page in pages for v in page["Versions"]}

        labelled = {versions[2]: ["AWSCURRENT"], versions[1]: ["AWSPREVIOUS"]}
        self.assertEqual(listed(), labelled)
        self.assertEqual(listed(IncludeDeprecated=True), labelled | {versions[0]: None})

    def test_bytes_come_back_as_they_were(self):
        self.secrets.create_secret(Name="bytes", SecretBinary=b"\x00\xff\x10")
        read = self.secrets.get_secret_value(SecretId="bytes")
        self.assertEqual(read["SecretBinary"], b"\x00\xff\x10")
        self.assertNotIn("SecretString", read)

    def test_errors_are_the_models(self):
        secrets, errors = self.secrets, self.secrets.exceptions
        first = self.secret()
        missing = self.refused(errors.ResourceNotFoundException, secrets.get_secret_value, SecretId="none")
        self.assertEqual(missing, "Secrets Manager can't find the specified secret.")
        self.refused(
            errors.ResourceNotFoundException, secrets.get_secret_value, SecretId=NAME, VersionStage="AWSPENDING"
        )
        self.refused(
            errors.InvalidRequestException,
            secrets.get_secret_value,
            SecretId=NAME,
            VersionId=first,
            VersionStage="AWSPREVIOUS",
        )
        self.refused(errors.ResourceExistsException, secrets.create_secret, Name=NAME, SecretString="other")
        self.refused(
            errors.ResourceExistsException,
            secrets.put_secret_value,
            SecretId=NAME,
            ClientRequestToken=first,
            SecretString="other",
        )
        valueless = self.refused(errors.InvalidRequestException, secrets.put_secret_value, SecretId=NAME)
        self.assertEqual(valueless, "You must provide either SecretString or SecretBinary.")
        self.refused_with("ValidationException", secrets.create_secret, Name="what a name?", SecretString="x")
        for call in (secrets.describe_secret, secrets.delete_secret, secrets.restore_secret):
            self.refused(errors.ResourceNotFoundException, call, SecretId="none")
        self.refused(errors.InvalidParameterException, secrets.delete_secret, SecretId=NAME, RecoveryWindowInDays=3)
        secrets.delete_secret(SecretId=NAME)
        for call in (secrets.get_secret_value, secrets.update_secret):
            self.refused(errors.InvalidRequestException, call, SecretId=NAME)
        self.refused(errors.InvalidRequestException, secrets.create_secret, Name=NAME, SecretString="new")
