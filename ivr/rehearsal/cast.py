"""The callers of a rehearsal: quick, slow, mistyping, silent, and the rest of those who ring a hospital."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal

from desk.departments.departments import Department
from desk.numbers.identity_number import LENGTH
from ivr.rehearsal import people
from ivr.rehearsal.stage import Actor, Answer, Question, Stage, Story

NOTHING = Answer()
GONE = Answer(hangs_up=True)
PHONE_DIGITS = 8
SPEECH = 0
SPEAKS = Answer(speaks=6.0)
MOST_STEPS = 25


@dataclass(frozen=True)
class Scene:
    """One caller's call, with a title to tell it by."""

    title: str
    story: Story


@dataclass(frozen=True)
class Role:
    """A kind of caller. `play` makes an actor of the person's number. `needs`: the choice the department must place."""

    name: str
    title: str
    play: Callable[[int], Actor]
    withheld: bool = False
    barges_in: bool = False
    on_list: bool = False
    needs: Literal["", "questions", "urgent"] = ""

    def rings(self, department: Department) -> bool:
        """Whether there is such a caller to that department."""
        choice = department.choice
        placed = "" if choice is None else "urgent" if choice.urgent else "questions"
        return self.needs in ("", placed)


def knows(person: int, *, after: float = 1.0, gap: float = 0.4) -> Actor:
    """Keys what is asked for, and is content with what is read back."""

    def act(question: Question) -> Answer:
        if question.digits == LENGTH:
            return Answer(people.identity(person), after, gap)
        if question.digits == PHONE_DIGITS:
            return Answer(people.number(person + 5_000).removeprefix("+47"), after, gap)
        return SPEAKS if question.digits == SPEECH else NOTHING

    return act


def mistypes(person: int) -> Actor:
    """A wrong identity number first, then too few digits of it; wants another number, and mistypes that too."""
    wrongs = {LENGTH: [people.wrong_identity(person), people.identity(person)], PHONE_DIGITS: ["123", "22"], 1: ["1"]}
    right = knows(person)

    def act(question: Question) -> Answer:
        left = wrongs.get(question.digits, [])
        return Answer(left.pop(0), gap=0.6) if left else right(question)

    return act


def always(keys: str) -> Callable[[int], Actor]:
    """Presses the same whenever asked."""
    return lambda _: lambda question: Answer(keys)


def first(keys: str, then: Callable[[int], Actor] = lambda person: knows(person)) -> Callable[[int], Actor]:
    """Presses that once, and goes on as another would."""

    def play(person: int) -> Actor:
        rest = then(person)
        return lambda question: Answer(keys) if question.number == 0 else rest(question)

    return play


def cancels(person: int) -> Actor:
    return lambda question: Answer("1") if question.digits == 1 else knows(person)(question)


def is_content(_: int) -> Actor:
    """Wants no more than the answer."""
    return lambda question: Answer("2") if question.digits == 1 else NOTHING


ROLES = (
    Role("quick", "knows what to do, and keys while the prompt plays", knows, barges_in=True),
    Role("slow", "looks for every key", lambda person: knows(person, after=6.0, gap=3.5)),
    Role("mistyping", "mistypes everything once", mistypes),
    Role("silent", "presses nothing at all", always("")),
    Role("withheld", "rings from a hidden number", knows, withheld=True),
    Role("skipping", "skips the identity number with #", first("#")),
    Role("person", "presses 0: wants a person", always("0")),
    Role("english", "presses 9: wants English", first("9")),
    Role("asking", "presses 5 for an answer, and wants no call", first("5", is_content), needs="questions"),
    Role("unsure", "presses 5 for an answer, and wants to be rung still", first("5", cancels), needs="questions"),
    Role("urgent", "presses 5: it can't wait", first("5"), needs="urgent"),
    Role("again", "is on the list already", knows, on_list=True),
    Role("cancelling", "is on the list and cancels", cancels, on_list=True),
)


async def rehearse(stage: Stage, department: Department, roles: tuple[Role, ...] = ROLES) -> AsyncIterator[Scene]:
    """Every role's call to one department, and a caller who hangs up at each step."""
    for role in roles:
        if not role.rings(department):
            continue
        person = stage.new_person()
        if role.on_list:
            await stage.register(department, person)
        story = await stage.ring(
            department,
            role.play(person),
            person=person,
            withheld=role.withheld,
            interrupts={"ask_identity": people.identity(person)} if role.barges_in else None,
        )
        yield Scene(f"{role.name}: {role.title}", story)


async def hanging_up(stage: Stage, department: Department) -> AsyncIterator[Scene]:
    """A slow caller who hangs up at the first question, the second … and in the middle of each thing said."""
    person = stage.new_person()
    whole = await stage.ring(department, knows(person), person=person)
    moments = sorted({round(event.second + 0.3, 1) for event in whole.events if event.kind in ("says", "speaks")})
    spread = moments[:: max(1, len(moments) // MOST_STEPS)]
    for moment in spread:
        person = stage.new_person()
        story = await stage.ring(department, knows(person), person=person, hangs_up_at=moment)
        yield Scene(f"hanging up after {moment:.1f} s", story)
