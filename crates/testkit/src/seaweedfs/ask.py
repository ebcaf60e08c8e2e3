"""Puts a note and reads it, then asks with a key that nobody issued."""

import sys

import boto3
from botocore.exceptions import ClientError

endpoint, access_key, secret_key = sys.argv[1:]


def client(access_key, secret_key):
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
    )


admin = client(access_key, secret_key)
admin.create_bucket(Bucket="some-notes")
admin.put_object(Bucket="some-notes", Key="a.md", Body=b"kept")
print(admin.get_object(Bucket="some-notes", Key="a.md")["Body"].read().decode())
try:
    client("nobody", "nothing").list_buckets()
except ClientError as error:
    print(error.response["Error"]["Code"])
