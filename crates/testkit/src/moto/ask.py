"""Asks moto for buckets: as its admin, and as a user without a policy."""

import sys

import boto3
from botocore.exceptions import ClientError

endpoint, access_key, secret_key = sys.argv[1:]


def client(name, access_key, secret_key):
    return boto3.client(
        name,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
    )


iam = client("iam", access_key, secret_key)
iam.create_user(UserName="nobody")
key = iam.create_access_key(UserName="nobody")["AccessKey"]
client("s3", access_key, secret_key).list_buckets()
print("allowed")
try:
    client("s3", key["AccessKeyId"], key["SecretAccessKey"]).list_buckets()
    print("allowed")
except ClientError as error:
    print(error.response["Error"]["Code"])
