"""`python -m tests.bench.answer_to_confirmation`: how long until a patient hears «vi har mottatt din innringing».

Calls department kirurgi of a whole running system over SIP, as two kinds of callers: one who knows what to do and keys
at once, while the prompts play (from one second after the answer, two keys a second), and one who listens to
everything first (a second to think, then one key a second). Both accept the number that is read back. Times are
measured on the wire: from the answer to the first sample of the confirmation, and to the last of «du kan legge på nå».

For comparison, the four-choice menu of today, as the complaints describe it: choices before the number, and no
confirmation. It is computed: the lengths of its sentences, spoken by the same draft voice at the same pace, and the
same callers' keys. Its words are ours, because the hospital's are not written down.

Exit code 1 if the median of the experienced callers is 35 seconds or more, or a confirmation was not heard.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ivr.prompts.files import RATE
from ivr.prompts.voices import WORDS_A_MINUTE, draft, programs_from
from ops.machine import tree
from tests.support.machine.servers import machine_settings
from tests.support.machine.system import System, run, running_system
from tests.support.phone.callers import Caller, ringing
from tests.support.synthetic import synthetic_identity

GOAL = 35.0
KEYS = 11
TODAY = (
    "Velkommen til poliklinikken. Er det akutt, ring en-en-tre.",
    "For endring av time, tast én. For spørsmål om henvisning, tast to. "
    "For resept eller sykmelding, tast tre. For andre spørsmål, tast fire.",
    "Vil du vente på svar, tast én. Vil du bli ringt opp, tast to.",
    "Tast fødselsnummeret ditt, elleve siffer.",
)
"""The first two end with a choice, the last with the number."""
KEYS_TODAY = 2 + 11


@dataclass(frozen=True)
class Person:
    """`listens`: hears the whole question before keying. Seconds to think before the first key, and for each key."""

    name: str
    listens: bool
    thinks: float
    a_key: float


PEOPLE = (Person("knows what to do", False, 1.0, 0.5), Person("listens to everything", True, 1.0, 1.0))


@dataclass(frozen=True)
class Call:
    """Seconds from the answer. `keys` are those pressed."""

    person: Person
    begins: float
    ends: float
    keys: int


async def ring(system: System, person: Person, n: int) -> Call:
    """One person's call, to its end."""
    async with ringing(system.settings, "1000", f"+476805{9000 + n}") as caller:
        if person.listens:
            asked = await caller.hears("ask_identity")
            length = (caller.prompts / "ask_identity.alaw").stat().st_size / 8000
            await asyncio.sleep(max(asked.start + length - _on_line(caller), 0))
        await asyncio.sleep(person.thinks)
        keys = 0
        for key in synthetic_identity(9000 + n):
            pressed = asyncio.create_task(caller.keys(key))
            await asyncio.gather(pressed, asyncio.sleep(person.a_key))
            keys += 1
        await caller.ends()
        sentences = {heard.key: heard for heard in await caller.sentences()}
    last = sentences["change_number"]
    assert last.whole, "the confirmation was not heard to its end"
    return Call(person, sentences["received"].start, last.start + last.length, keys)


def _on_line(caller: Caller) -> float:
    """Seconds of the call so far."""
    return len(caller.call.heard.samples()) / 8000


def today(tools: Path, person: Person) -> float:
    """Seconds until the last digit is keyed in today's menu; nothing confirms it afterwards."""
    with programs_from(tools):
        welcome, *asked = (len(draft(each, language="nb", pace=WORDS_A_MINUTE)) / RATE for each in TODAY)
    keys = KEYS_TODAY * person.a_key + len(asked) * person.thinks
    return keys + (welcome + sum(asked) if person.listens else 0.0)


async def ring_all(system: System, times: int) -> list[Call]:
    """All calls at once, because most of a call is waiting."""
    people = PEOPLE * times
    return await asyncio.gather(*(ring(system, person, n) for n, person in enumerate(people)))


def shown(calls: list[Call], before: dict[str, float]) -> Table:
    table = Table(title="Seconds from the answer, medians")
    for heading in ("", "calls", "keys", "confirmation begins", "ends", "today: keys", "today: last key", "confirmed"):
        table.add_column(heading, justify="right")
    for person in PEOPLE:
        theirs = [call for call in calls if call.person is person]
        begins, ends = (statistics.median(times) for times in zip(*((c.begins, c.ends) for c in theirs), strict=True))
        figures = (f"{begins:.1f}", f"{ends:.1f}", str(KEYS_TODAY), f"{before[person.name]:.1f}", "never")
        table.add_row(person.name, str(len(theirs)), str(theirs[0].keys), *figures)
    return table


def main() -> None:
    asked = argparse.ArgumentParser(prog="answer_to_confirmation", description=__doc__)
    asked.add_argument("--times", type=int, default=5, help="calls of each kind of person")
    given = asked.parse_args()
    tools = tree.ensure(tree.ASTERISK) / "bin"
    with tempfile.TemporaryDirectory(prefix="innringing-bench-") as folder:
        run(machine_settings(Path(folder)), "prompts", "build", "--tools", str(tools), seconds=300)
        with running_system(Path(folder)) as system:
            calls = asyncio.run(ring_all(system, given.times))
    Console(width=None if sys.stdout.isatty() else 130).print(
        shown(calls, {person.name: today(tools, person) for person in PEOPLE})
    )
    knows = statistics.median(call.begins for call in calls if call.person is PEOPLE[0])
    print(f"Who knows what to do hears the confirmation after {knows:.1f} s. Goal: under {GOAL:.0f}, with {KEYS} keys.")
    if knows >= GOAL or any(call.keys != KEYS for call in calls):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
