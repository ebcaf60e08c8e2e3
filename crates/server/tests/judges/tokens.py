"""Says of each token whether PyJWT accepts it as an access token of the issuer, for the audience."""

import datetime
import json
import sys

import jwt
import jwt.api_jwt

with open(sys.argv[1], encoding="utf-8") as file:
    case = json.load(file)


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.fromtimestamp(case["now_s"], tz)


jwt.api_jwt.datetime = Clock
keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(case["jwks"]).keys}


def verdict(token):
    try:
        kid = jwt.get_unverified_header(token).get("kid")
        jwt.decode(
            token,
            keys[kid],
            algorithms=["RS256"],
            issuer=case["issuer"],
            audience=case["audience"],
            leeway=case["leeway_s"],
            options={"require": ["exp", "iss", "sub"]},
        )
    except (jwt.PyJWTError, KeyError, ValueError, OverflowError, RecursionError) as error:
        return type(error).__name__
    return "accepted"


print(json.dumps({name: verdict(token) for name, token in case["tokens"].items()}))
