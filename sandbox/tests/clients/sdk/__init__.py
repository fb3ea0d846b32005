"""What a program does with boto3, service by service."""
