#!/bin/sh
# The `aws` command line against a sandbox: a user with a password, and the secret that holds it.
#
#   rekeyd-sandbox &
#   AWS_ENDPOINT_URL=http://127.0.0.1:4566 sh aws.sh
set -eu
: "${AWS_ENDPOINT_URL:=http://127.0.0.1:4566}"
export AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1

aws sts get-caller-identity --query Account --output text
password=$(aws secretsmanager get-random-password --password-length 32 --exclude-punctuation \
    --query RandomPassword --output text)
arn=$(aws elasticache create-user --user-id bob --user-name bob --engine redis --access-string 'on ~* +@read' \
    --passwords "$password" --query ARN --output text)
aws secretsmanager create-secret --name app/bob \
    --secret-string "{\"user_arn\": \"$arn\", \"username\": \"bob\", \"password\": \"$password\"}" \
    --query Name --output text
