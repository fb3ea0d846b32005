"""The checker of replies itself: it passes a good reply, and finds what is wrong with each bad one."""

import json
import sys
import unittest

import boto3

from strict import examine

GOOD_USER = (
    "<UserId>user1</UserId><UserName>user1</UserName><Status>active</Status><UserGroupIds><member>g</member>"
    "</UserGroupIds><Authentication><Type>password</Type><PasswordCount>1</PasswordCount></Authentication>"
)
ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:a-AbCdEf"
GOOD_VALUE = {"ARN": ARN, "Name": "a", "VersionId": "v" * 32, "SecretString": "x", "CreatedDate": 1795390217.078}


def findings(service, operation, body, status=200, headers=None):
    client = boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    kinds = {"secretsmanager": "application/x-amz-json-1.1", "elasticache": "text/xml"}
    headers = {"Content-Type": kinds[service], "x-amzn-requestid": "r"} | (headers or {})
    model = client.meta.service_model.operation_model(operation)
    return list(examine(model, {"status_code": status, "headers": headers, "body": body.encode()}))


def value(**changes):
    """The findings in a reply to GetSecretValue; a member that is None is left out."""
    body = {name: found for name, found in (GOOD_VALUE | changes).items() if found is not None}
    return findings("secretsmanager", "GetSecretValue", json.dumps(body))


def user(content, operation="ModifyUser", end="<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"):
    """The findings in a reply to ModifyUser."""
    space = "http://elasticache.amazonaws.com/doc/2015-02-02/"
    body = f'<ModifyUserResponse xmlns="{space}"><ModifyUserResult>{content}</ModifyUserResult>{end}</ModifyUserResponse>'
    return findings("elasticache", operation, body)


class Strict(unittest.TestCase):
    def finds(self, part, found):
        self.assertEqual(len(found), 1, found)
        self.assertIn(part, found[0])

    def test_good_replies_pass(self):
        self.assertEqual(value(), [])
        self.assertEqual(user(GOOD_USER), [])

    def test_members_of_a_json_reply_are_checked(self):
        self.finds("has no member Extra in the model", value(Extra=1))
        self.finds("is a bool; the model has a string", value(Name=True))
        self.finds("is a NoneType", findings("secretsmanager", "GetSecretValue", '{"Name": null}'))

    def test_values_of_a_json_reply_are_checked(self):
        self.finds("the least is 1", value(Name=""))
        self.finds("the least is 32", value(VersionId="short"))
        self.finds("the most is 20", value(VersionStages=[f"label{number}" for number in range(21)]))
        self.finds("no time of these days", value(CreatedDate=1795390217078))
        self.finds("is a str; the model has a timestamp", value(CreatedDate="2026-11-22T21:21:00Z"))
        self.finds("is not base64", value(SecretString=None, SecretBinary="?"))
        described = {"ReplicationStatus": [{"Region": "us-east-1", "Status": "Fine"}]}
        self.finds("none of", findings("secretsmanager", "DescribeSecret", json.dumps(described)))
        described = {"ReplicationStatus": [{"Region": "somewhere"}]}
        self.finds("does not match", findings("secretsmanager", "DescribeSecret", json.dumps(described)))

    def test_members_of_an_xml_reply_are_checked(self):
        self.finds("has no member Extra in the model", user(GOOD_USER + "<Extra>x</Extra>"))
        self.finds("UserId more than once", user("<UserId>a</UserId><UserId>b</UserId>"))
        self.finds("is called", user("<UserGroupIds><UserGroupId>g</UserGroupId></UserGroupIds>"))
        self.finds("is a string and holds elements", user("<Status><b>active</b></Status>"))
        self.finds("is a structure and holds text", user("<Authentication>password</Authentication>"))

    def test_values_of_an_xml_reply_are_checked(self):
        self.finds("not a whole number", user("<Authentication><PasswordCount>one</PasswordCount></Authentication>"))
        self.finds("none of", user("<Authentication><Type>no_password</Type></Authentication>"))

    def test_the_wrapper_of_an_xml_reply_is_checked(self):
        self.finds("the root holds", user(GOOD_USER, end=""))
        self.finds("no RequestId", user(GOOD_USER, end="<ResponseMetadata/>"))
        self.assertIn("the root is", user(GOOD_USER, operation="CreateUser")[0])

    def test_headers_are_checked(self):
        body = json.dumps(GOOD_VALUE)
        for headers in ({"Content-Type": "application/json"}, {"x-amzn-requestid": ""}):
            self.assertEqual(len(findings("secretsmanager", "GetSecretValue", body, headers=headers)), 1)

    def test_errors_are_checked(self):
        def json_error(code, status):
            body = json.dumps({"__type": code, "message": "text"})
            return findings("secretsmanager", "DescribeSecret", body, status)

        self.assertEqual(json_error("ResourceNotFoundException", 400), [])
        self.finds("comes with 400", json_error("ResourceNotFoundException", 404))
        self.finds("comes with 500", json_error("InternalServiceError", 400))
        # DescribeSecret works on secrets that are marked for deletion: its model has no such error.
        self.finds("has no error InvalidRequestException", json_error("InvalidRequestException", 400))
        bare = '<ErrorResponse xmlns="http://elasticache.amazonaws.com/doc/2015-02-02/"><Error><Code>UserNotFound</Code>'
        whole = bare + "<Type>Sender</Type><Message>m</Message></Error><RequestId>r</RequestId></ErrorResponse>"
        self.assertEqual(findings("elasticache", "DescribeUsers", whole, 404), [])
        self.finds("comes with 404", findings("elasticache", "DescribeUsers", whole, 400))
        bare += "</Error><RequestId>r</RequestId></ErrorResponse>"
        self.assertIn("an error consists of ['Code']", findings("elasticache", "DescribeUsers", bare, 404))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
