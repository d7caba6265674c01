"""Everything a caller can meet, found by trying: the conversation is held over and over, answered otherwise each time.

What is found is drawn as a Mermaid flowchart. Nothing here knows the conversation: a question is what was said before
the keys were waited for, and where the same is said again, the same is met.
"""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from desk.departments.departments import Department
from desk.numbers.identity_number import LENGTH
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.keys import Prompt
from ivr.rehearsal import people
from ivr.rehearsal.cast import PHONE_DIGITS, SPEAKS, SPEECH
from ivr.rehearsal.stage import Answer, Question, Stage, Story, Undecided
from ivr.rehearsal.transcript import faults, words

OFFERS: Final = frozenset({Prompt.PRESS_FIVE, Prompt.OFFER_URGENT})
MOST_CALLS: Final = 400
MOST_ANSWERS: Final = 9
_NUMBERED = re.compile(r"(?P<family>[a-z]+)_\d+")
_OPEN = "…"

Said = tuple[str, ...]
Node = tuple[str, Said]
"""The language, and what was said, numbers left open."""


@dataclass(frozen=True)
class Choice:
    """One thing a caller may answer, with the words it goes by in the picture."""

    words: str
    answer: Answer


@dataclass
class Map:
    """What was met. An edge leads from node to node by the words of an answer; `ends` tells how a node's call ended."""

    start: Node | None = None
    edges: dict[tuple[Node, Node], list[str]] = field(default_factory=dict)
    ends: dict[Node, set[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    calls: int = 0

    def nodes(self) -> list[Node]:
        found = [self.start] if self.start else []
        found += [node for edge in self.edges for node in edge]
        return list(dict.fromkeys(found))


def choices(question: Question, person: int) -> list[Choice]:
    """What may be answered to a question, by the number of digits it waits for."""
    silence = Choice("ingenting", Answer())
    five = [Choice("5", Answer("5"))] if OFFERS.intersection(question.prompts) else []
    if question.digits == SPEECH:
        return [
            Choice("sier noe", SPEAKS),
            Choice("sier ikke noe", Answer()),
            Choice("sier noe og legger på", Answer(speaks=30.0, after=3.0, hangs_up=True)),
        ]
    if question.digits == LENGTH:
        right, wrong = people.identity(person), people.wrong_identity(person)
        return [
            Choice("riktig fødselsnummer", Answer(right)),
            Choice("feil nummer", Answer(wrong)),
            Choice("for få siffer", Answer(right[:9])),
            silence,
            Choice("firkant", Answer("#")),
            Choice("0", Answer("0")),
            Choice("9", Answer("9")),
            Choice("113", Answer("113")),
            *five,
        ]
    if question.digits == PHONE_DIGITS:
        return [
            Choice("et nummer", Answer(people.number(person + 5_000).removeprefix("+47"))),
            Choice("ikke et nummer", Answer("00000")),
            silence,
            Choice("0", Answer("0")),
            *five,
        ]
    return [silence, *(Choice(key, Answer(key)) for key in "1230"), *five]


async def explore(stage: Stage, department: Department, *, on_list: bool = False, withheld: bool = False) -> Map:
    """Ring until nothing new is met (or MOST_CALLS). With `on_list` the caller has rung before."""
    found = Map()
    waiting: deque[tuple[int, ...]] = deque([()])
    seen: set[tuple[Node, int]] = set()
    while waiting and found.calls < MOST_CALLS:
        path = waiting.popleft()
        person = stage.new_person()
        if on_list:
            await stage.register(department, person)
        walk = _Walk(path, person)
        try:
            story = await stage.ring(department, walk, person=person, withheld=withheld)
        except Undecided as undecided:
            story, question = None, undecided.question
        found.calls += 1
        nodes = [_node(each) for each in walk.asked]
        if story is None:
            nodes.append(_node(question))
            visit = (nodes[-1], nodes.count(nodes[-1]))
            other_language = nodes[-1][0] != nodes[0][0]
            if visit not in seen and len(path) < MOST_ANSWERS and not other_language:
                seen.add(visit)
                waiting.extend((*path, number) for number in range(len(choices(question, person))))
        else:
            _end(found, nodes, walk, story, stage.catalogue)
        found.start = found.start or nodes[0]
        for step, (one, other) in enumerate(pairwise(nodes)):
            labels = found.edges.setdefault((one, other), [])
            if walk.words[step] not in labels:
                labels.append(walk.words[step])
    return found


class _Walk:
    """Answers by number, and breaks off at the first question it has no answer to."""

    def __init__(self, path: Sequence[int], person: int) -> None:
        self._path = path
        self._person = person
        self.asked: list[Question] = []
        self.words: list[str] = []

    def __call__(self, question: Question) -> Answer:
        if len(self.asked) == len(self._path):
            raise Undecided(question)
        choice = choices(question, self._person)[self._path[len(self.asked)]]
        self.asked.append(question)
        self.words.append(choice.words)
        return choice.answer


def _end(found: Map, nodes: list[Node], walk: _Walk, story: Story, catalogue: Catalogue) -> None:
    """What was said after the last answer is a node too: the call ended there."""
    rest = story.said()[sum(len(question.prompts) for question in walk.asked) :]
    spoken = [event.language for event in story.events if event.kind == "says"]
    nodes.append((spoken[-1] if spoken else "", _open(rest)))
    found.ends.setdefault(nodes[-1], set()).add(story.outcome)
    found.faults += [fault for fault in faults(story, catalogue) if fault not in found.faults]


def _node(question: Question) -> Node:
    return question.language, _open(question.prompts)


def _open(prompts: Sequence[str]) -> Said:
    """Numbers, hours and dates left open, pauses left out."""
    said: list[str] = []
    for prompt in prompts:
        name = _OPEN if _NUMBERED.fullmatch(prompt) else prompt
        if name != "pause" and not (name == _OPEN and said and said[-1] == _OPEN):
            said.append(name)
    return tuple(said)


def mermaid(found: Map, catalogue: Catalogue) -> str:
    """The map as a Mermaid flowchart, in Markdown's fence."""
    names: Mapping[Node, str] = {node: f"n{number}" for number, node in enumerate(found.nodes())}
    lines = ["```mermaid", "flowchart TD"]
    for node, name in names.items():
        left, right = ('(["', '"])') if node in found.ends else ('["', '"]')
        lines.append(f"    {name}{left}{_text(catalogue, node)}{right}")
    for (one, other), labels in found.edges.items():
        lines.append(f'    {names[one]} -->|"{" / ".join(labels)}"| {names[other]}')
    ends = {
        "done": 'ferdig(["Samtalen er ferdig"])',
        "switchboard": 'sentralbord[["Sentralbordet"]]',
        "urgent": 'haster[["Hastelinjen"]]',
    }
    for node, outcomes in found.ends.items():
        lines += [f"    {names[node]} --> {ends[outcome]}" for outcome in sorted(outcomes) if outcome in ends]
    return "\n".join([*lines, "```"])


def _text(catalogue: Catalogue, node: Node) -> str:
    language, said = node
    spoken = (each if each == _OPEN else words(catalogue, language, each) for each in said)
    return " ".join(spoken).replace('"', "'") or "(ingenting sies)"
