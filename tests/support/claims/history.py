"""The requests of processes to the queue and their answers, line by line, and a check that the history is possible.

A line is written before each request and after each answer, to an append-only file for each process, so that it
survives a kill -9. Times are from the machine's monotonic clock, which is the same in every process.
"""

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OK, LOST = "ok", "lost"


class Journal:
    """The lines of one process."""

    def __init__(self, file: Path) -> None:
        self._out = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def asked(self, what: str, id: str | None = None, fence: int | None = None) -> None:
        self._write({"asked": what, "id": id, "fence": fence})

    def answered(self, answer: str, id: str | None = None, fence: int | None = None) -> None:
        """`answer`: ok or lost (the desk refused). A request without an answer: killed, and the result is unknown."""
        self._write({"answered": answer, "id": id, "fence": fence})

    def _write(self, line: dict[str, Any]) -> None:
        os.write(self._out, json.dumps({"at": time.monotonic(), **line}).encode() + b"\n")


@dataclass(frozen=True)
class Operation:
    """A request and its answer. `end` and `answer` are None when the process was killed in between."""

    process: str
    what: str
    start: float
    end: float | None
    answer: str | None
    id: str | None
    fence: int | None


def operations(folder: Path) -> list[Operation]:
    """All journals in the folder, in the order of the requests."""
    found = []
    for file in sorted(folder.glob("*.jsonl")):
        asked: dict[str, Any] | None = None
        for text in file.read_text().splitlines():
            line = json.loads(text)
            if "asked" in line:
                found += [_unknown(file, asked)] if asked else []
                asked = line
                continue
            assert asked is not None, "an answer to no question"
            id, fence = line["id"] or asked["id"], line["fence"] or asked["fence"]
            found.append(Operation(file.stem, asked["asked"], asked["at"], line["at"], line["answered"], id, fence))
            asked = None
        if asked is not None:
            found.append(_unknown(file, asked))
    return sorted(found, key=lambda each: each.start)


def _unknown(file: Path, asked: dict[str, Any]) -> Operation:
    return Operation(file.stem, asked["asked"], asked["at"], None, None, asked["id"], asked["fence"])


@dataclass(frozen=True)
class Stored:
    """A callback's final state in the database. `claims` and `closings` count its history rows."""

    id: str
    status: str
    fence: int
    claims: int
    closings: int


def faults(done: Iterable[Operation], stored: Iterable[Stored], lease: float) -> list[str]:
    """Everything in these histories that a correct queue cannot have done. `lease` in seconds."""
    claims, completions = defaultdict(list), defaultdict(list)
    for each in done:
        if each.id is not None and (each.what == "complete" or each.answer == OK):
            (claims if each.what == "claim" else completions)[each.id].append(each)
    found = []
    for callback in stored:
        mine, ended = claims.pop(callback.id, []), completions.pop(callback.id, [])
        found += [f"{callback.id}: {fault}" for fault in _of_one(callback, mine, ended, lease)]
    return found + [f"{id}: claimed, and not in the database" for id in claims]


def _of_one(callback: Stored, claims: list[Operation], completions: list[Operation], lease: float) -> list[str]:
    return [
        *_lost(callback, claims, completions),
        *_double(claims, completions, lease),
        *_stale(claims, completions),
    ]


def _lost(callback: Stored, claims: list[Operation], completions: list[Operation]) -> list[str]:
    """Check that each is closed once, and that every answer is in the database."""
    found = []
    if callback.status != "closed":
        found.append(f"lost: {callback.status} for good")
    if callback.closings != (callback.status == "closed"):
        found.append(f"closed {callback.closings} times")
    if callback.claims != callback.fence:
        found.append(f"{callback.fence} claims given, {callback.claims} in its history")
    if any(claim.fence is None or claim.fence > callback.fence for claim in claims):
        found.append("lost: a claim that was answered is not in the database")
    if sum(each.answer == OK for each in completions) > 1:
        found.append("completed twice")
    return found


def _double(claims: list[Operation], completions: list[Operation], lease: float) -> list[str]:
    """Check that fences grow, and that no agent gets a callback which another holds under a live lease."""
    found = []
    for n, first in enumerate(claims):
        for second in claims[n + 1 :]:
            assert first.end is not None and second.end is not None and first.fence and second.fence
            if first.fence == second.fence:
                found.append(f"double: fence {first.fence} twice")
            if first.end < second.start and second.fence < first.fence:
                found.append(f"fence {first.fence} and later {second.fence}")
            if first.end > second.start:
                earlier, later = sorted((first, second), key=lambda each: each.fence or 0)
            else:
                earlier, later = first, second
            let_go = any(each.fence == earlier.fence and each.start < (later.end or 0) for each in completions)
            if not let_go and (later.end or 0) < earlier.start + lease:
                found.append("double: claimed while another held it")
    return found


def _stale(claims: list[Operation], completions: list[Operation]) -> list[str]:
    """Check that nothing is completed with an old fence after a newer claim was answered."""
    return [
        f"completed with fence {done.fence} after fence {claim.fence} was given"
        for done in completions
        for claim in claims
        if done.answer == OK and (claim.fence or 0) > (done.fence or 0) and (claim.end or 0) < done.start
    ]
