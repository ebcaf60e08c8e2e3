"""Makes what both stacks are measured with: a signing key, members with tokens, and their rows.

prepare.py FOLDER MEMBERS ISSUER AUDIENCE UPSTREAM
"""

import json
import sys
import time
import uuid
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

folder, members, issuer, audience, upstream = sys.argv[1:]
folder = Path(folder)
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                            serialization.NoEncryption())
(folder / "public.pem").write_bytes(key.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
public.pop("key_ops", None)
jwk = public | {"kid": "bench", "use": "sig", "alg": "RS256"}
(folder / "jwks.json").write_text(json.dumps({"keys": [jwk]}))

now = int(time.time())
tokens, rows = [], ["begin;"]
for number in range(int(members)):
    user, profile, tenant = f"user_{number:026}", str(uuid.uuid4()), str(uuid.uuid4())
    claims = {"iss": issuer, "aud": audience, "sub": user, "sid": f"app_consent_{number}",
              "jti": str(uuid.uuid4()), "iat": now, "exp": now + 7200}
    tokens.append(jwt.encode(claims, private, "RS256", {"kid": "bench"}))
    name = f"basic-memory-bench-{number}"
    rows += [
        f"insert into user_profile (id, workos_user_id, email, created_at, updated_at)"
        f" values ('{profile}', '{user}', 'm{number}@example.org', 0, 0);",
        f"insert into tenant (id, owner_profile_id, reserved_bucket_name, tigris_bucket_name,"
        f" created_at, updated_at) values ('{tenant}', '{profile}', '{name}', '{name}', 0, 0);",
        f"update user_profile set tenant_id = '{tenant}' where id = '{profile}';",
        f"insert into subscriptions (workos_user_id, status, current_period_end, created_at,"
        f" updated_at) values ('{user}', 'active', {(now + 86400) * 1000}, 0, 0);",
        f"insert into tenant_instance (tenant_id, address, key_id, state, created_at, updated_at)"
        f" values ('{tenant}', '{upstream}', 'bench', 'ready', 0, 0);",
    ]
(folder / "rows.sql").write_text("\n".join(rows + ["commit;", "analyze;"]))
(folder / "tokens.txt").write_text("\n".join(tokens))
listed = ",\n".join(f'"{token}"' for token in tokens)
(folder / "members.lua").write_text(f"""local tokens = {{
{listed}
}}
local requests, last = {{}}, 0
init = function()
  for i, token in ipairs(tokens) do
    local headers = {{ ["Authorization"] = "Bearer " .. token, ["Accept"] = "application/json" }}
    requests[i] = wrk.format("GET", "/proxy/main/project/item", headers)
  end
end
request = function()
  last = last % #requests + 1
  return requests[last]
end
""")
