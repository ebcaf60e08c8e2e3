"""Serves moto's S3 and IAM on a free loopback port with policies enforced; prints where and its admin's key."""

import json
import signal
import urllib.request

import boto3
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
endpoint = "http://{}:{}".format(*server.get_host_and_port())

# Until policies are enforced, any key may call anything.
iam = boto3.client(
    "iam",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id="anybody",
    aws_secret_access_key="anything",
)
statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
iam.create_user(UserName="admin")
iam.put_user_policy(UserName="admin", PolicyName="all", PolicyDocument=policy)
key = iam.create_access_key(UserName="admin")["AccessKey"]
enforce = urllib.request.Request(
    f"{endpoint}/moto-api/reset-auth",
    data=b"0",
    headers={"Content-Type": "text/plain"},
)
urllib.request.urlopen(enforce).read()

ready = {
    "endpoint": endpoint,
    "access_key": key["AccessKeyId"],
    "secret_key": key["SecretAccessKey"],
}
print(json.dumps(ready), flush=True)
signal.pause()
