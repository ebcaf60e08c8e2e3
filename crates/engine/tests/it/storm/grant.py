"""Gives a user of the store what a policy says, by a managed one."""

import sys

import boto3

endpoint, access_key, secret_key, user, document = sys.argv[1:]
iam = boto3.client(
    "iam",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id=access_key,
    aws_secret_access_key=secret_key,
)
policy = iam.create_policy(PolicyName=user, PolicyDocument=document)["Policy"]
iam.attach_user_policy(UserName=user, PolicyArn=policy["Arn"])
