"""Work through one round of a department with only Python: claim, call by hand, record how it went, see what is next.

    INNRINGING_API=http://127.0.0.1:8000 INNRINGING_TOKEN=inn_… python round.py kirurgi

It asks on the terminal how each call went; an empty answer releases the callback.
"""

import json
import os
import sys
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

API = os.environ.get("INNRINGING_API", "http://127.0.0.1:8000") + "/api/v1"
TOKEN = os.environ["INNRINGING_TOKEN"]
OUTCOMES = ("reached", "no_answer", "busy", "voicemail", "wrong_number", "dropped")


def post(path: str, body: dict[str, Any]) -> Any:
    """Send one request. The key makes it safe to repeat when the answer is lost: it is done only once."""
    headers = {
        "Authorization": f"Bearer {TOKEN}",
        "Content-Type": "application/json",
        "Idempotency-Key": str(uuid4()),
    }
    request = Request(API + path, json.dumps(body).encode(), headers)
    for tries_left in (2, 1, 0):
        try:
            with urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except HTTPError as refused:
            problem = json.load(refused)
            if refused.code < 500 or not tries_left:
                raise SystemExit(f"{problem['title']} ({problem['type']})") from None
        except OSError:
            if not tries_left:
                raise


def ask(callback: dict[str, Any]) -> str:
    """Show whom to call, and read how it went."""
    who = callback["patient"]["masked"] if callback["patient"] else "uten fødselsnummer"
    print(f"Ring {callback['phone']} ({who}), lovet {callback['promise']['spoken']}. {callback['note'] or ''}")
    while (outcome := input(f"{'/'.join(OUTCOMES)}: ").strip()) and outcome not in OUTCOMES:
        print("?")
    return outcome


def work(department: str) -> None:
    """Claim one at a time until the queue is empty; unreached callbacks return at their next promised time."""
    while claimed := post("/callbacks/claim", {"department": department})["items"]:
        callback = claimed[0]
        path, fence = f"/callbacks/{callback['id']}", callback["fence"]
        if outcome := ask(callback):
            print("->", post(f"{path}/attempts", {"fence": fence, "outcome": outcome})["next"])
        else:
            post(f"{path}/release", {"fence": fence})
            return
    print("Ingen venter.")


if __name__ == "__main__":
    work(sys.argv[1])
