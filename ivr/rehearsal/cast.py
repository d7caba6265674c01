"""The simulated callers of a rehearsal: quick, slow, mistyping, silent and so on."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal

from desk.departments.departments import Department
from desk.numbers.identity_number import LENGTH
from ivr.rehearsal import people
from ivr.rehearsal.stage import Stage
from ivr.rehearsal.story import CallerAnswer, CallerScript, Question, Story

NOTHING = CallerAnswer()
PHONE_DIGITS = 8
SPEECH = 0
SPEAKS = CallerAnswer(speaks=6.0)
MOST_STEPS = 25


@dataclass(frozen=True)
class Scene:
    """One rehearsed call and its title."""

    title: str
    story: Story


@dataclass(frozen=True)
class SimulatedCaller:
    """A kind of caller. `play` makes a script for a person. `needs`: the choice that the department must offer."""

    name: str
    title: str
    play: Callable[[int], CallerScript]
    withheld: bool = False
    barges_in: bool = False
    on_list: bool = False
    needs: Literal["", "questions", "urgent"] = ""

    def fits(self, department: Department) -> bool:
        """Whether this caller can call that department."""
        choice = department.choice
        offered = "" if choice is None else "urgent" if choice.urgent else "questions"
        return self.needs in ("", offered)


def knows(person: int, *, after: float = 1.0, gap: float = 0.4) -> CallerScript:
    """Key what is asked for, and accept the number read back."""

    def act(question: Question) -> CallerAnswer:
        if question.digits == LENGTH:
            return CallerAnswer(people.identity(person), after, gap)
        if question.digits == PHONE_DIGITS:
            return CallerAnswer(people.number(person + 5_000).removeprefix("+47"), after, gap)
        return SPEAKS if question.digits == SPEECH else NOTHING

    return act


def mistypes(person: int) -> CallerScript:
    """Key a wrong identity number first. Ask for another phone number, and mistype that too."""
    wrongs = {LENGTH: [people.wrong_identity(person), people.identity(person)], PHONE_DIGITS: ["123", "22"], 1: ["1"]}
    right = knows(person)

    def act(question: Question) -> CallerAnswer:
        left = wrongs.get(question.digits, [])
        return CallerAnswer(left.pop(0), gap=0.6) if left else right(question)

    return act


def always(keys: str) -> Callable[[int], CallerScript]:
    """Press the same keys at every question."""
    return lambda _: lambda question: CallerAnswer(keys)


def twice(
    keys: str, then: Callable[[int], CallerScript] = lambda person: knows(person)
) -> Callable[[int], CallerScript]:
    """Press a lone key at the first question, and again when asked to confirm it. Then follow another script."""

    def play(person: int) -> CallerScript:
        rest = then(person)
        return lambda question: CallerAnswer(keys) if question.number < 2 else rest(question)

    return play


def declines_callback(person: int) -> CallerScript:
    return lambda question: CallerAnswer("2") if question.digits == 1 else knows(person)(question)


def declines(_: int) -> CallerScript:
    """Decline the callback after hearing the answer."""
    return lambda question: CallerAnswer("2") if question.digits == 1 else NOTHING


CALLERS = (
    SimulatedCaller("quick", "knows the service and keys while the prompt plays", knows, barges_in=True),
    SimulatedCaller("slow", "searches for every key", lambda person: knows(person, after=6.0, gap=3.5)),
    SimulatedCaller("mistyping", "mistypes everything once", mistypes),
    SimulatedCaller("silent", "presses no keys", always("")),
    SimulatedCaller("withheld", "calls from a hidden number", knows, withheld=True),
    SimulatedCaller("skipping", "skips the identity number with #", twice("#")),
    SimulatedCaller("person", "presses 0 to reach a person", twice("0")),
    SimulatedCaller("english", "presses 9 for English", twice("9")),
    SimulatedCaller("asking", "presses 5 for an answer, declines a callback", twice("5", declines), needs="questions"),
    SimulatedCaller("unsure", "presses 5 for an answer, wants a callback", twice("5"), needs="questions"),
    SimulatedCaller("urgent", "presses 5 for the urgent line", twice("5"), needs="urgent"),
    SimulatedCaller("again", "already has a callback", knows, on_list=True),
    SimulatedCaller("declining", "already has a callback and needs none", declines_callback, on_list=True),
)


async def rehearse(
    stage: Stage, department: Department, callers: tuple[SimulatedCaller, ...] = CALLERS
) -> AsyncIterator[Scene]:
    """Run one call of each simulated caller to a department."""
    for caller in callers:
        if not caller.fits(department):
            continue
        person = stage.new_person()
        if caller.on_list:
            await stage.register(department, person)
        story = await stage.ring(
            department,
            caller.play(person),
            person=person,
            withheld=caller.withheld,
            interrupts={"ask_identity": people.identity(person)} if caller.barges_in else None,
        )
        yield Scene(f"{caller.name}: {caller.title}", story)


async def hanging_up(stage: Stage, department: Department) -> AsyncIterator[Scene]:
    """Run the same call many times, with a hang-up during each prompt and each recording."""
    person = stage.new_person()
    whole = await stage.ring(department, knows(person), person=person)
    moments = sorted(
        {round(event.second + 0.3, 1) for event in whole.events if event.kind in ("says", "speaks", "keys")}
    )
    spread = moments[:: max(1, len(moments) // MOST_STEPS)]
    for moment in spread:
        person = stage.new_person()
        story = await stage.ring(department, knows(person), person=person, hangs_up_at=moment)
        yield Scene(f"hanging up after {moment:.1f} s", story)
