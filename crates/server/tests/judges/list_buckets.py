"""Lists the buckets that S3 knows, one a line in the order of names, with the state of versioning."""

import sys

import boto3

endpoint, access_key, secret_key = sys.argv[1:]
s3 = boto3.client(
    "s3",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id=access_key,
    aws_secret_access_key=secret_key,
)
for name in sorted(bucket["Name"] for bucket in s3.list_buckets()["Buckets"]):
    print(name, s3.get_bucket_versioning(Bucket=name).get("Status"))
