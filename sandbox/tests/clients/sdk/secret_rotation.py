"""Rotation as Secrets Manager itself sets it up. The sandbox runs no Lambda function."""

import datetime

from sandbox import Case

LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:rotate"


class SecretRotation(Case):
    def test_rotation_is_set_up_and_cancelled(self):
        self.secrets.create_secret(Name="a", SecretString="one")
        errors = self.secrets.exceptions
        text = self.refused(errors.InvalidRequestException, self.secrets.rotate_secret, SecretId="a")
        self.assertEqual(text, "No Lambda rotation function ARN is associated with this secret.")
        self.refused(errors.InvalidRequestException, self.secrets.cancel_rotate_secret, SecretId="a")
        begun = self.secrets.rotate_secret(
            SecretId="a",
            RotationLambdaARN=LAMBDA,
            RotationRules={"ScheduleExpression": "rate(30 days)", "Duration": "3h"},
        )
        found = self.secrets.describe_secret(SecretId="a")
        self.assertTrue(found["RotationEnabled"])
        self.assertEqual(found["RotationLambdaARN"], LAMBDA)
        self.assertEqual(found["VersionIdsToStages"][begun["VersionId"]], ["AWSPENDING"])
        self.refused(errors.InvalidRequestException, self.secrets.rotate_secret, SecretId="a")
        self.secrets.put_secret_value(
            SecretId="a", ClientRequestToken=begun["VersionId"], SecretString="two", VersionStages=["AWSPENDING"]
        )
        self.secrets.cancel_rotate_secret(SecretId="a")
        self.assertFalse(self.secrets.list_secrets()["SecretList"][0]["RotationEnabled"])

    def test_a_schedule_has_a_next_date(self):
        self.secrets.create_secret(Name="a", SecretString="one")
        made = self.secrets.describe_secret(SecretId="a")
        for member in ("RotationEnabled", "RotationRules", "LastRotatedDate", "NextRotationDate"):
            self.assertNotIn(member, made)
        rules = {"ScheduleExpression": "rate(10 days)", "Duration": "3h"}
        self.secrets.rotate_secret(
            SecretId="a", RotationLambdaARN=LAMBDA, RotationRules=rules, RotateImmediately=False
        )
        found = self.secrets.describe_secret(SecretId="a")
        self.assertEqual(found["RotationRules"], rules)
        self.assertNotIn("LastRotatedDate", found)
        self.assertEqual(found["VersionIdsToStages"], made["VersionIdsToStages"])
        due = found["NextRotationDate"].astimezone(datetime.timezone.utc)
        self.assertEqual((due.hour, due.minute, due.second), (2, 59, 59))
        begun = made["CreatedDate"].astimezone(datetime.timezone.utc)
        self.assertIn((due.date() - begun.date()).days, (10, 11))
        self.assertEqual(self.secrets.list_secrets()["SecretList"][0]["NextRotationDate"], found["NextRotationDate"])
        self.secrets.cancel_rotate_secret(SecretId="a")
        found = self.secrets.describe_secret(SecretId="a")
        self.assertEqual((found["RotationEnabled"], found["RotationRules"]), (False, rules))
        self.assertNotIn("NextRotationDate", found)

    def test_a_rotation_that_is_finished_is_dated_and_no_longer_pending(self):
        first = self.secrets.create_secret(Name="a", SecretString="one")["VersionId"]
        second = self.secrets.rotate_secret(
            SecretId="a", RotationLambdaARN=LAMBDA, RotationRules={"AutomaticallyAfterDays": 30}
        )["VersionId"]
        valueless = self.refused(
            self.secrets.exceptions.ResourceNotFoundException,
            self.secrets.get_secret_value,
            SecretId="a",
            VersionId=second,
            VersionStage="AWSPENDING",
        )
        self.assertIn("staging label: AWSPENDING", valueless)
        self.secrets.put_secret_value(
            SecretId="a", ClientRequestToken=second, SecretString="two", VersionStages=["AWSPENDING"]
        )
        self.assertNotIn("LastRotatedDate", self.secrets.describe_secret(SecretId="a"))
        self.secrets.update_secret_version_stage(
            SecretId="a", VersionStage="AWSCURRENT", MoveToVersionId=second, RemoveFromVersionId=first
        )
        found = self.secrets.describe_secret(SecretId="a")
        self.assertEqual(found["VersionIdsToStages"], {first: ["AWSPREVIOUS"], second: ["AWSCURRENT"]})
        self.assertLess(found["LastRotatedDate"], found["NextRotationDate"])
        self.assertEqual(found["RotationRules"], {"AutomaticallyAfterDays": 30})
        third = self.secrets.rotate_secret(SecretId="a")["VersionId"]
        self.assertEqual(self.secrets.describe_secret(SecretId="a")["VersionIdsToStages"][third], ["AWSPENDING"])

    def test_a_rotation_is_abandoned_when_a_value_is_put_meanwhile(self):
        first = self.secrets.create_secret(Name="a", SecretString="one")["VersionId"]
        begun = self.secrets.rotate_secret(SecretId="a", RotationLambdaARN=LAMBDA)["VersionId"]
        self.secrets.put_secret_value(
            SecretId="a", ClientRequestToken=begun, SecretString="two", VersionStages=["AWSPENDING"]
        )
        put = self.secrets.put_secret_value(SecretId="a", SecretString="by hand")["VersionId"]
        found = self.secrets.describe_secret(SecretId="a")
        self.assertEqual(found["VersionIdsToStages"], {first: ["AWSPREVIOUS"], put: ["AWSCURRENT"]})
        self.assertNotIn("LastRotatedDate", found)
        again = self.secrets.rotate_secret(SecretId="a")["VersionId"]
        self.assertEqual(self.secrets.describe_secret(SecretId="a")["VersionIdsToStages"][again], ["AWSPENDING"])

    def test_schedules_that_there_are_not_are_refused(self):
        self.secrets.create_secret(Name="a", SecretString="one")
        invalid = self.secrets.exceptions.InvalidParameterException
        for rules in (
            {"ScheduleExpression": "rate(3 hours)"},
            {"ScheduleExpression": "cron(5 8 * * ? *)"},
            {"ScheduleExpression": "rate(10 days)", "Duration": "25h"},
            {"ScheduleExpression": "rate(10 days)", "AutomaticallyAfterDays": 10},
            {"AutomaticallyAfterDays": 1001},
        ):
            self.refused(
                invalid, self.secrets.rotate_secret, SecretId="a", RotationLambdaARN=LAMBDA, RotationRules=rules
            )
        self.assertNotIn("RotationEnabled", self.secrets.describe_secret(SecretId="a"))

    def test_what_a_partner_holds_is_rotated_without_a_function(self):
        self.secrets.create_secret(Name="a", SecretString="one", Type="Partner")
        role = "arn:aws:iam::123456789012:role/rotation"
        metadata = [{"Key": "client", "Value": "one"}]
        self.secrets.rotate_secret(
            SecretId="a", ExternalSecretRotationRoleArn=role, ExternalSecretRotationMetadata=metadata
        )
        found = self.secrets.describe_secret(SecretId="a")
        self.assertEqual(found["ExternalSecretRotationRoleArn"], role)
        self.assertEqual(found["ExternalSecretRotationMetadata"], metadata)
        self.assertNotIn("RotationLambdaARN", found)
