"""Lists the access keys that AWS's IAM knows, one a line, but for that of the user `admin`."""

import sys

import boto3

endpoint, access_key, secret_key = sys.argv[1:]
iam = boto3.client(
    "iam",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id=access_key,
    aws_secret_access_key=secret_key,
)
for user in iam.list_users()["Users"]:
    if user["UserName"] != "admin":
        for key in iam.list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"]:
            print(key["AccessKeyId"])
