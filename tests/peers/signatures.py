"""Signs recorded requests again with Amazon's own library and compares. Reads JSON lines: method, url, body, headers (all that
were signed), access key, secret key, session token, region; the last one is to differ."""

import json
import sys
from datetime import datetime, timezone
from unittest import mock

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def signature(asked):
    request = AWSRequest(method=asked["method"], url=asked["url"], data=asked["body"].encode())
    for name in ("x-amz-date", "content-type"):
        if name in asked["signed"]:
            request.headers[name] = asked["headers"][name]
    moment = datetime.strptime(asked["headers"]["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    credentials = Credentials(asked["access_key"], asked["secret_key"], asked.get("session_token"))
    naive = moment.replace(tzinfo=None)
    with mock.patch.object(auth, "get_current_datetime", lambda remove_tzinfo=True: naive if remove_tzinfo else moment, create=True):
        auth.SigV4Auth(credentials, "bedrock", asked["region"]).add_auth(request)
    return request.headers["Authorization"]


recorded = [json.loads(line) for line in sys.stdin if line.strip()]
for number, asked in enumerate(recorded):
    ours, theirs = asked["headers"]["authorization"], signature(asked)
    is_last = number == len(recorded) - 1
    assert (ours == theirs) != is_last, f"{asked['url']}\nours   {ours}\ntheirs {theirs}"
print(f"botocore: {len(recorded) - 1} signatures are the same, the one of another secret is not")
