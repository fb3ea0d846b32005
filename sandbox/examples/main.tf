# A user, its group and the secret with the user's credentials, made in a sandbox:
#
#   rekeyd-sandbox --state sandbox.json &
#   terraform init && terraform apply
#
# The password is in Terraform's state: outside of a sandbox let rekeyd, or another rotation, set it.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true

  endpoints {
    elasticache    = "http://127.0.0.1:4566"
    secretsmanager = "http://127.0.0.1:4566"
    sts            = "http://127.0.0.1:4566"
  }
}

resource "aws_elasticache_user" "carol" {
  user_id       = "carol"
  user_name     = "carol"
  engine        = "redis"
  access_string = "on ~* +@read"

  authentication_mode {
    type      = "password"
    passwords = ["a-password-for-the-sandbox"]
  }
}

resource "aws_elasticache_user_group" "app" {
  user_group_id = "app"
  engine        = "redis"
  user_ids      = ["default", aws_elasticache_user.carol.user_id]
}

resource "aws_secretsmanager_secret" "carol" {
  name = "app/carol"
}

resource "aws_secretsmanager_secret_version" "carol" {
  secret_id = aws_secretsmanager_secret.carol.id
  secret_string = jsonencode({
    user_arn = aws_elasticache_user.carol.arn
    username = "carol"
    password = "a-password-for-the-sandbox"
  })
}
