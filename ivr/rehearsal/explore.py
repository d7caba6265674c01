"""Explore every path of a conversation by running it with different answers, and draw the result with Mermaid.

The explorer does not know the conversation. A question is identified by the prompts played before it waits for keys:
the same prompts mean the same question.
"""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from desk.departments.departments import Department
from desk.numbers.identity_number import LENGTH
from ivr.dialogue.steps import CONFIRMATIONS
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.keys import Prompt
from ivr.rehearsal import people
from ivr.rehearsal.cast import PHONE_DIGITS, SPEAKS, SPEECH
from ivr.rehearsal.stage import Stage
from ivr.rehearsal.story import CallerAnswer, OpenQuestion, Question, Story
from ivr.rehearsal.transcript import faults, words

OFFERS: Final = frozenset({Prompt.PRESS_FIVE, Prompt.OFFER_URGENT})
CONFIRMED: Final = {str(prompt): key for key, prompt in CONFIRMATIONS.items()} | {str(Prompt.CONFIRM_SKIP): "#"}
"""The key that each confirming question asks for again."""
MOST_CALLS: Final = 400
MOST_ANSWERS: Final = 9
_NUMBERED = re.compile(r"(?P<family>[a-z]+)_\d+")
_OPEN = "…"

Said = tuple[str, ...]
Node = tuple[str, Said]
"""The language and the prompts of a question, with numbers left out."""


@dataclass(frozen=True)
class PossibleAnswer:
    """An answer to try, with its label in the diagram."""

    words: str
    answer: CallerAnswer


@dataclass
class ConversationMap:
    """The explored conversation. Edges are labelled with answers. `ends` has the outcomes of calls by last node."""

    start: Node | None = None
    edges: dict[tuple[Node, Node], list[str]] = field(default_factory=dict)
    ends: dict[Node, set[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    calls: int = 0

    def nodes(self) -> list[Node]:
        found = [self.start] if self.start else []
        found += [node for edge in self.edges for node in edge]
        return list(dict.fromkeys(found))


def possible_answers(question: Question, person: int) -> list[PossibleAnswer]:
    """List the answers to try for a question, by the number of digits it expects."""
    silence = PossibleAnswer("ingenting", CallerAnswer())
    if key := CONFIRMED.get(question.prompts[-1]):
        return [silence, PossibleAnswer(key if key != "#" else "firkant", CallerAnswer(key))]
    if question.prompts[-1] == Prompt.KEY_REST:
        return [silence, PossibleAnswer("resten", CallerAnswer(people.identity(person)[-question.digits :]))]
    five = [PossibleAnswer("5", CallerAnswer("5"))] if OFFERS.intersection(question.prompts) else []
    if question.digits == SPEECH:
        return [
            PossibleAnswer("sier noe", SPEAKS),
            PossibleAnswer("sier ikke noe", CallerAnswer()),
            PossibleAnswer("sier noe og legger på", CallerAnswer(speaks=30.0, after=3.0, hangs_up=True)),
        ]
    if question.digits == LENGTH:
        right, wrong = people.identity(person), people.wrong_identity(person)
        return [
            PossibleAnswer("riktig fødselsnummer", CallerAnswer(right)),
            PossibleAnswer("feil nummer", CallerAnswer(wrong)),
            PossibleAnswer("for få siffer", CallerAnswer(right[:9])),
            silence,
            PossibleAnswer("firkant", CallerAnswer("#")),
            PossibleAnswer("0", CallerAnswer("0")),
            PossibleAnswer("9", CallerAnswer("9")),
            PossibleAnswer("113", CallerAnswer("113")),
            *five,
        ]
    if question.digits == PHONE_DIGITS:
        return [
            PossibleAnswer("et nummer", CallerAnswer(people.number(person + 5_000).removeprefix("+47"))),
            PossibleAnswer("ikke et nummer", CallerAnswer("00000")),
            silence,
            PossibleAnswer("0", CallerAnswer("0")),
            *five,
        ]
    return [silence, *(PossibleAnswer(key, CallerAnswer(key)) for key in "1230"), *five]


async def explore(
    stage: Stage, department: Department, *, on_list: bool = False, withheld: bool = False
) -> ConversationMap:
    """Make calls until no new questions appear, at most MOST_CALLS. With `on_list` the caller has a callback."""
    found = ConversationMap()
    waiting: deque[tuple[int, ...]] = deque([()])
    seen: set[tuple[Node, int]] = set()
    while waiting and found.calls < MOST_CALLS:
        path = waiting.popleft()
        person = stage.new_person()
        if on_list:
            await stage.register(department, person)
        walk = _PathScript(path, person)
        try:
            story = await stage.ring(department, walk, person=person, withheld=withheld)
        except OpenQuestion as reached:
            story, question = None, reached.question
        found.calls += 1
        nodes = [_node(each) for each in walk.asked]
        if story is None:
            nodes.append(_node(question))
            visit = (nodes[-1], nodes.count(nodes[-1]))
            other_language = nodes[-1][0] != nodes[0][0]
            if visit not in seen and len(path) < MOST_ANSWERS and not other_language:
                seen.add(visit)
                waiting.extend((*path, number) for number in range(len(possible_answers(question, person))))
        else:
            _end(found, nodes, walk, story, stage.catalogue)
        found.start = found.start or nodes[0]
        for step, (one, other) in enumerate(pairwise(nodes)):
            labels = found.edges.setdefault((one, other), [])
            if walk.words[step] not in labels:
                labels.append(walk.words[step])
    return found


class _PathScript:
    """A caller who gives the answers of a path, and stops at the first question after it."""

    def __init__(self, path: Sequence[int], person: int) -> None:
        self._path = path
        self._person = person
        self.asked: list[Question] = []
        self.words: list[str] = []

    def __call__(self, question: Question) -> CallerAnswer:
        if len(self.asked) == len(self._path):
            raise OpenQuestion(question)
        choice = possible_answers(question, self._person)[self._path[len(self.asked)]]
        self.asked.append(question)
        self.words.append(choice.words)
        return choice.answer


def _end(found: ConversationMap, nodes: list[Node], walk: _PathScript, story: Story, catalogue: Catalogue) -> None:
    """Add a last node for the prompts after the last answer, where the call ended."""
    rest = story.said()[sum(len(question.prompts) for question in walk.asked) :]
    spoken = [event.language for event in story.events if event.kind == "says"]
    nodes.append((spoken[-1] if spoken else "", _open(rest)))
    found.ends.setdefault(nodes[-1], set()).add(story.outcome)
    found.faults += [fault for fault in faults(story, catalogue) if fault not in found.faults]


def _node(question: Question) -> Node:
    return question.language, _open(question.prompts)


def _open(prompts: Sequence[str]) -> Said:
    """Replace numbers, hours and dates by a placeholder, and drop pauses."""
    said: list[str] = []
    for prompt in prompts:
        name = _OPEN if _NUMBERED.fullmatch(prompt) else prompt
        if name != "pause" and not (name == _OPEN and said and said[-1] == _OPEN):
            said.append(name)
    return tuple(said)


def mermaid(found: ConversationMap, catalogue: Catalogue) -> str:
    """Draw the map as a Mermaid flowchart in a Markdown code fence."""
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
