"""One agent's program in a process of its own: claims one callback after another until none waits.

Reads {"url", "token", "department"} from stdin, prints "ready", starts at the next line, and prints the claims it got
as a JSON list of [callback id, fence].
"""

import http.client
import json
import sys
from urllib.parse import urlsplit


def claim_all(url: str, token: str, department: str) -> list[tuple[str, int]]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = json.dumps({"department": department, "limit": 1})
    claims: list[tuple[str, int]] = []
    while True:
        connection.request("POST", "/api/v1/callbacks/claim", body, headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        if answer.status != 200:
            raise SystemExit(f"{answer.status}: {content}")
        if not content["items"]:
            return claims
        claims += [(item["id"], item["fence"]) for item in content["items"]]


if __name__ == "__main__":
    given = json.loads(sys.stdin.readline())
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(claim_all(given["url"], given["token"], given["department"])), flush=True)
