"""Starts an MCP server on its standard streams and calls tools, one after the other.

    mcp.py PROGRAM CALLS     CALLS is JSON: [[tool, {argument: value}], ...]

Prints one JSON line for each call: what the tool answered.
"""

import json
import subprocess
import sys


def main() -> None:
    program, calls = sys.argv[1], json.loads(sys.argv[2])
    server = subprocess.Popen(
        [program, "mcp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin and server.stdout
    number = 0

    def send(message: dict) -> None:
        server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        server.stdin.flush()

    def ask(method: str, params: dict) -> dict:
        nonlocal number
        number += 1
        send({"id": number, "method": method, "params": params})
        for line in server.stdout:
            answer = json.loads(line)
            if answer.get("id") == number:
                return answer
        raise SystemExit("the server ended before it answered")

    ask(
        "initialize",
        {
            "protocolVersion": "2025-03-26",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    )
    send({"method": "notifications/initialized"})
    for tool, arguments in calls:
        answer = ask("tools/call", {"name": tool, "arguments": arguments})
        print(json.dumps(answer.get("result") or answer), flush=True)
    server.stdin.close()
    server.wait(timeout=30)


main()
