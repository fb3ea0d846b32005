"""Resource policies of secrets."""

import json

from sandbox import Case

ROOT = "arn:aws:iam::123456789012:root"
SYNTAX = "This resource policy contains a syntax error."


def policy(effect="Allow", principal=None, action="secretsmanager:GetSecretValue", **more):
    """A policy of one statement."""
    statement = {"Effect": effect, "Principal": principal or {"AWS": ROOT}, "Action": action, "Resource": "*"} | more
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class SecretPolicies(Case):
    def setUp(self):
        super().setUp()
        self.secrets.create_secret(Name="a", SecretString="one")
        self.errors = self.secrets.exceptions

    def put(self, text, **more):
        return self.secrets.put_resource_policy(SecretId="a", ResourcePolicy=text, **more)

    def names(self):
        pages = self.secrets.get_paginator("list_resource_policies").paginate(SecretId="a")
        return [found["PolicyName"] for page in pages for found in page["ResourcePolicies"]]

    def test_a_policy_is_kept_as_it_was_given_until_it_is_deleted(self):
        before = self.secrets.describe_secret(SecretId="a")["LastChangedDate"]
        text = "\n " + policy()
        made = self.put(text)
        del made["ResponseMetadata"]
        self.assertEqual(set(made), {"ARN", "Name"})
        self.assertGreaterEqual(self.secrets.describe_secret(SecretId="a")["LastChangedDate"], before)
        found = self.secrets.get_resource_policy(SecretId=made["ARN"])
        self.assertEqual((found["Name"], found["ResourcePolicy"]), ("a", text))
        self.assertEqual(self.names(), ["default"])
        named = self.secrets.get_resource_policy(SecretId="a", PolicyName="default")
        self.assertEqual((named["PolicyName"], named["ResourcePolicy"]), ("default", text))
        self.secrets.delete_resource_policy(SecretId="a")
        self.assertNotIn("ResourcePolicy", self.secrets.get_resource_policy(SecretId="a"))
        self.assertEqual(self.names(), [])
        self.secrets.delete_resource_policy(SecretId="a")

    def test_what_is_no_policy_is_refused_and_nothing_is_changed(self):
        self.put(policy())
        malformed = self.errors.MalformedPolicyDocumentException
        for text in ("not json", "[]", "{}", policy(effect="AllowSomething"), policy(action=[])):
            self.assertEqual(self.refused(malformed, self.put, text=text), SYNTAX)
            validate = self.secrets.validate_resource_policy
            self.assertEqual(self.refused(malformed, validate, ResourcePolicy=text), SYNTAX)
        unsupported = self.refused(malformed, self.put, text=policy(principal={"AWS": "somebody"}))
        self.assertEqual(unsupported, "This resource policy contains an unsupported principal.")
        service = self.refused(malformed, self.put, text=policy(principal={"Service": "somebody"}))
        self.assertEqual(service, "This resource policy contains an invalid service principal.")
        lockout = self.refused(malformed, self.put, text=policy("Deny", "*", "secretsmanager:*"))
        self.assertIn("will not allow you to manage this secret", lockout)
        self.assertEqual(self.secrets.get_resource_policy(SecretId="a")["ResourcePolicy"], policy())

    def test_policies_have_a_size_and_one_name(self):
        longest = policy()
        self.put(longest + " " * (20_480 - len(longest)))
        self.refused(self.errors.InvalidParameterException, self.put, text=longest + " " * (20_481 - len(longest)))
        for call in (self.secrets.delete_resource_policy, self.put):
            arguments = {"text": policy()} if call == self.put else {"SecretId": "a"}
            self.refused(self.errors.InvalidParameterException, call, PolicyName="mine", **arguments)
        get = self.secrets.get_resource_policy
        self.refused(self.errors.ResourceNotFoundException, get, SecretId="a", PolicyName="mine")

    def test_a_public_policy_is_refused_on_request_only(self):
        text = policy(principal="*")
        self.put(text)
        self.put(text, BlockPublicPolicy=False)
        refusal = self.refused(self.errors.PublicPolicyException, self.put, text=text, BlockPublicPolicy=True)
        self.assertIn("broad access", refusal)
        narrow = policy(principal="*", Condition={"StringEquals": {"aws:SourceAccount": "123456789012"}})
        self.put(narrow, BlockPublicPolicy=True)

    def test_a_policy_is_validated_without_being_kept(self):
        validate = self.secrets.validate_resource_policy
        good = validate(SecretId="a", ResourcePolicy=policy())
        self.assertEqual((good["PolicyValidationPassed"], good["ValidationErrors"]), (True, []))
        bad = validate(ResourcePolicy=policy(principal={"AWS": ["*", "somebody"]}))
        self.assertFalse(bad["PolicyValidationPassed"])
        texts = [error["ErrorMessage"] for error in bad["ValidationErrors"]]
        self.assertEqual(len(texts), 2)
        self.assertIn("unsupported principal", texts[0])
        self.assertIn("broad access", texts[1])
        self.assertNotIn("ResourcePolicy", self.secrets.get_resource_policy(SecretId="a"))
        self.refused(self.errors.ResourceNotFoundException, validate, SecretId="none", ResourcePolicy=policy())

    def test_a_deleted_secret_has_no_policy_to_see_or_change(self):
        self.secrets.delete_secret(SecretId="a")
        for call in (self.secrets.get_resource_policy, self.secrets.list_resource_policies):
            self.refused(self.errors.InvalidRequestException, call, SecretId="a")
        self.refused(self.errors.InvalidRequestException, self.put, text=policy())
