"""The one choice a department may place after the request, and what it leads to. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from desk.departments.table import Table

ANSWER = re.compile(r"answer_[a-z0-9_]{1,60}")
KINDS = ("questions", "urgent")


class Topic(StrEnum):
    """What a simple question may be about, in the order the answers are spoken."""

    ADDRESS = "address"
    PARKING = "parking"
    HOURS = "hours"


@dataclass(frozen=True)
class Choice:
    """Either `answers` to simple questions, each the key of a prompt of the operator's own, or the `urgent` line."""

    answers: Mapping[Topic, str] = field(default_factory=lambda: MappingProxyType({}))
    urgent: bool = False


def read_choice(table: Table) -> Choice | None:
    """The choice in a department's table [<slug>.choice]; None where it places none. Refuses more than one."""
    table.refuse_unknown(KINDS)
    urgent = table.flag("urgent", default=False)
    if "questions" not in table:
        return Choice(urgent=True) if urgent else None
    if urgent:
        later = max(KINDS, key=table.line_of)
        table.refuse("«questions» and «urgent» are two choices: callers get at most one after the request", later)
    return Choice(answers=_answers(table.table("questions")))


def _answers(table: Table) -> Mapping[Topic, str]:
    table.refuse_unknown([*Topic])
    answers = {}
    for topic in Topic:
        if topic not in table:
            continue
        answers[topic] = table.text(topic)
        if not ANSWER.fullmatch(answers[topic]):
            table.refuse(f"«{topic}» must name a prompt of your own, such as answer_{topic}", topic)
    if not answers:
        table.refuse(f"«questions» is empty: it names prompts for {', '.join(Topic)}")
    return MappingProxyType(answers)
