"""Follows a change stream and holds every frame against the server's OpenAPI document.

stream.py URL TOKEN: reports two changes, reads until both have come, then resumes before the
second one. Prints how many frames were judged; ends with an error at the first wrong one.
"""

import json
import sys

import httpx
import jsonschema_rs

url, token = sys.argv[1:]
client = httpx.Client(
    base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=20, trust_env=False
)
document = client.get("/openapi.json").json()
responses = document["paths"]["/tenant/events"]["get"]["responses"]
assert "text/event-stream" in responses["200"]["content"], responses["200"]
judged = 0


def judge(name, value):
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    jsonschema_rs.validator_for(schema, validate_formats=True).validate(value)


def frames(after=None):
    """Yields (id, event, data) as a browser would, by the rules of the HTML standard."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    with client.stream("GET", "/tenant/events", headers=headers) as answer:
        assert answer.status_code == 200, answer.status_code
        kind = answer.headers["content-type"].split(";")[0]
        assert kind == "text/event-stream", kind
        last, event, data = None, "message", []
        for line in answer.iter_lines():
            if line == "":
                if data:
                    yield last, event, json.loads("\n".join(data))
                event, data = "message", []
                continue
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "id":
                last = value
            elif field == "event":
                event = value
            elif field == "data":
                data.append(value)
            else:
                assert field in ("", "retry"), line


def report(path):
    answer = client.post(
        "/tenant/changes",
        json={"device": "judge", "changes": [{"path": path, "kind": "put", "size": 3}]},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["seq"]


def check(last, event, data):
    global judged
    schema = {"ready": "StreamPosition", "resync": "StreamPosition", "change": "ChangeEvent"}[event]
    judge(schema, data)
    # Where a stream is resumed, what is told first must not move the reader on.
    resumed = event == "ready" and last is None
    assert resumed or last == str(data["seq"]), (last, data)
    judged += 1
    return data["seq"]


stream = frames()
start = check(*next(stream))
wanted = [report("notes/a.md"), report("notes/b.md")]
assert wanted == [start + 1, start + 2], (start, wanted)
seen = [check(*next(stream)) for _ in wanted]
assert seen == wanted, seen
stream.close()

stream = frames(after=wanted[0])
seen = []
while wanted[1] not in seen:
    last, event, data = next(stream)
    check(last, event, data)
    seen += [data["seq"]] if event == "change" else []
assert seen == [wanted[1]], seen
stream.close()

answer = client.get("/tenant/events?after=-1")
assert answer.status_code == 400, answer.status_code
judge(responses["400"]["content"]["application/json"]["schema"]["$ref"].split("/")[-1], answer.json())
print(json.dumps({"judged": judged}))
