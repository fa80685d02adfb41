"""Makes an IAM user with one access key on a moto server, and prints the key as JSON. Argument: base URL of the server.

Three calls: the server is started with INITIAL_NO_AUTH_ACTION_COUNT=3 and asks for valid signatures from then on."""

import json
import sys

import boto3

iam = boto3.client("iam", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
iam.create_user(UserName="holmesgpt-api")
everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
iam.put_user_policy(UserName="holmesgpt-api", PolicyName="everything", PolicyDocument=json.dumps(everything))
key = iam.create_access_key(UserName="holmesgpt-api")["AccessKey"]
print(json.dumps({"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}))
