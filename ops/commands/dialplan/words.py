"""The names that Asterisk knows, from words.json (written by tests.support.asterisk_words)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class SipKind:
    """A type of section in pjsip.conf: the module that reads it, its options, and the values of some of them."""

    module: str
    options: frozenset[str]
    booleans: frozenset[str]
    values: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Words:
    """The module of each application and function (empty: part of the core), and the types of pjsip.conf."""

    applications: Mapping[str, str]
    functions: Mapping[str, str]
    sip: Mapping[str, SipKind]

    def application(self, name: str) -> str | None:
        """Return an application as Asterisk writes it. Its name may be written in any case."""
        return {known.lower(): known for known in self.applications}.get(name.lower())


@cache
def words() -> Words:
    found = json.loads(resources.files(__package__).joinpath("words.json").read_text("utf-8"))
    kinds = {
        name: SipKind(
            kind["module"],
            frozenset(kind["options"]),
            frozenset(kind["booleans"]),
            {option: tuple(values) for option, values in kind["values"].items()},
        )
        for name, kind in found["sip"].items()
    }
    return Words(found["applications"], found["functions"], kinds)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `: did you mean «…»?` with the most similar known word, else an empty text. Case is ignored."""
    written = {each.lower(): each for each in known}
    near = get_close_matches(word.lower(), written, n=1)
    return f": did you mean «{written[near[0]]}»?" if near else ""
