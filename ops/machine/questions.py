"""Ask a running Asterisk, at its console, whether it has what the operators' files say."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_CONTEXT = re.compile(r"\[ (?:Included c|C)ontext '([^']+)'")
_TRANSPORT = re.compile(r"^Transport:  +([\w-]+) ", re.M)
CONVERSATION = "Stasis(innringing,"


@dataclass(frozen=True)
class Expected:
    """What must be in Asterisk: the departments' numbers, and the names of the SIP endpoints and transports."""

    numbers: Sequence[str]
    endpoints: Sequence[str]
    transports: Sequence[str] = ()


def names_of_transports(console: Callable[[str], str]) -> list[str]:
    """Return the SIP transports that Asterisk has."""
    return _TRANSPORT.findall(console("pjsip show transports"))


def lacking(console: Callable[[str], str], expected: Expected) -> list[str]:
    """Return what Asterisk does not have, one sentence each."""
    found = [
        f"Asterisk has no number {number} for calls from the telephone company"
        for number in expected.numbers
        if not _leads_somewhere(console(f"dialplan show {number}@from-trunk"))
    ]
    if CONVERSATION not in console("dialplan show s@innringing"):
        found.append("Asterisk has no way into the conversation: [innringing] does not reach Stasis(innringing,…)")
    for kind, names in (("endpoint", expected.endpoints), ("transport", expected.transports)):
        for name in names:
            if f" {name}" not in _first_object(console(f"pjsip show {kind} {name}")):
                found.append(f"Asterisk has no {kind} {name}")
    return found


def _leads_somewhere(shown: str) -> bool:
    """Whether a number is in another context than [no-number], which takes every number and refuses it."""
    _, *parts = _CONTEXT.split(shown)  # name, content, name, content …
    return any("=>" in content and name != "no-number" for name, content in zip(parts[::2], parts[1::2], strict=True))


def _first_object(shown: str) -> str:
    return "" if "Unable to find object" in shown else shown
