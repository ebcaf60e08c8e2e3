"""Signs payment deliveries with the Standard Webhooks library.

[{secret, derivation, id, timestamp, body}] on standard input, ["v1,..."] on standard output.
"""

import base64
import datetime
import json
import sys

from standardwebhooks import Webhook


def sign(case):
    key = case["secret"]
    if case["derivation"] != "decoded":
        key = base64.b64encode(key.encode()).decode()
    moment = datetime.datetime.fromtimestamp(case["timestamp"], datetime.timezone.utc)
    return Webhook(key).sign(case["id"], moment, case["body"])


print(json.dumps([sign(case) for case in json.load(sys.stdin)]))
