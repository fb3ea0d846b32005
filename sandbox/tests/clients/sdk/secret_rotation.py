"""Rotation as Secrets Manager itself sets it up. The sandbox runs no Lambda function."""

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
