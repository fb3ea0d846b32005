//! The table as a template of others.

use super::{EXPIRES, PARTITION_KEY, SORT_KEY};

/// The table as a CloudFormation template, in YAML. A name of a table needs no escaping.
pub fn cloudformation(table: &str) -> String {
    format!(
        r#"# Made by `rekeyd state init-table --print cloudformation`.
AWSTemplateFormatVersion: "2010-09-09"
Description: "The table that the replicas of rekeyd share"
Resources:
  RekeydTable:
    Type: "AWS::DynamoDB::Table"
    DeletionPolicy: "Retain"
    UpdateReplacePolicy: "Retain"
    Properties:
      TableName: "{table}"
      BillingMode: "PAY_PER_REQUEST"
      DeletionProtectionEnabled: true
      AttributeDefinitions:
        - AttributeName: "{PARTITION_KEY}"
          AttributeType: "S"
        - AttributeName: "{SORT_KEY}"
          AttributeType: "S"
      KeySchema:
        - AttributeName: "{PARTITION_KEY}"
          KeyType: "HASH"
        - AttributeName: "{SORT_KEY}"
          KeyType: "RANGE"
      TimeToLiveSpecification:
        AttributeName: "{EXPIRES}"
        Enabled: true
      PointInTimeRecoverySpecification:
        PointInTimeRecoveryEnabled: true
"#
    )
}

/// The table as Terraform, for the AWS provider.
pub fn terraform(table: &str) -> String {
    format!(
        r#"# Made by `rekeyd state init-table --print terraform`.

resource "aws_dynamodb_table" "rekeyd" {{
  name                        = "{table}"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "{PARTITION_KEY}"
  range_key                   = "{SORT_KEY}"
  deletion_protection_enabled = true

  attribute {{
    name = "{PARTITION_KEY}"
    type = "S"
  }}

  attribute {{
    name = "{SORT_KEY}"
    type = "S"
  }}

  ttl {{
    attribute_name = "{EXPIRES}"
    enabled        = true
  }}

  point_in_time_recovery {{
    enabled = true
  }}
}}
"#
    )
}
