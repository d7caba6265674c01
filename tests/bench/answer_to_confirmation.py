"""`python -m tests.bench.answer_to_confirmation`: how long until a patient hears «vi har mottatt din innringing».

Calls department kirurgi of a whole running system over SIP, as three kinds of callers: one who knows what to do and
keys at once, while the prompts play (from one second after the answer, two keys a second), one who listens to
everything first (a second to think, then one key a second), and one who also takes 1.8 seconds a key. Times are
measured on the wire: the receipt from the last key to its first sample; its first sentence, «ellers kan du legge på»
and the end of the call from the answer.

For comparison, the four-choice menu of today, as the complaints describe it: choices before the number, and no
confirmation. It is computed: the lengths of its sentences, spoken by the same draft voice at the same pace, and the
same callers' keys. Its words are ours, because the hospital's are not written down.

Exit code 1 if a receipt starts later than two seconds after the last key, or the median caller who knows what to do
has not heard its first sentence within twelve seconds of the answer.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
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

AFTER_KEY, SENTENCE = 2.0, 12.0
"""The goals: seconds from the last key to the receipt, and from the answer to the end of its first sentence."""
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


PEOPLE = (
    Person("knows what to do", False, 1.0, 0.5),
    Person("listens to everything", True, 1.0, 1.0),
    Person("listens, slow fingers", True, 2.5, 1.8),
)


@dataclass(frozen=True)
class Call:
    """`receipt` are seconds from the last key, the others from the answer. `keys` are those pressed."""

    person: Person
    keys: int
    receipt: float
    sentence: float
    may_hang_up: float
    ends: float


async def ring(system: System, person: Person, n: int) -> Call:
    """One person's call, to its end."""
    async with ringing(system.settings, "1000", f"+476805{9000 + n}") as caller:
        if person.listens:
            asked = await caller.hears("ask_identity")
            length = (caller.prompts / "ask_identity.alaw").stat().st_size / 8000
            await asyncio.sleep(max(asked.start + length - _on_line(caller), 0))
        await asyncio.sleep(person.thinks)
        keys = synthetic_identity(9000 + n)
        for key in keys:
            pause = asyncio.create_task(asyncio.sleep(person.a_key))
            await caller.keys(key)
            last_key = time.time()
            await pause
        await caller.ends()
        ends = _on_line(caller)
        sentences = {heard.key: heard for heard in await caller.sentences()}
        receipt, offer = sentences["received"], sentences["change_number"]
        assert receipt.whole and offer.whole, "the receipt was not heard to its end"
        receipt_after = caller.instant(receipt) - last_key
    return Call(*(person, len(keys), receipt_after, receipt.start + receipt.length, offer.start + offer.length, ends))


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
    table = Table(title="Seconds, medians")
    headings = ("receipt after the last key", "first sentence heard", "may hang up", "end", "today: keys", "last key")
    for heading in ("", "calls", "keys", *headings):
        table.add_column(heading, justify="right")
    for person in PEOPLE:
        theirs = [call for call in calls if call.person is person]
        times = zip(*((c.receipt, c.sentence, c.may_hang_up, c.ends) for c in theirs), strict=True)
        figures = (f"{statistics.median(each):.1f}" for each in times)
        keys = (str(len(theirs)), str(theirs[0].keys))
        table.add_row(person.name, *keys, *figures, str(KEYS_TODAY), f"{before[person.name]:.1f}")
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
    latest = max(call.receipt for call in calls)
    quick = statistics.median(call.sentence for call in calls if call.person is PEOPLE[0])
    print(f"The latest receipt starts {latest:.1f} s after the last key. Goal: {AFTER_KEY:.0f}.")
    print(f"The quick caller has heard its first sentence {quick:.1f} s after the answer. Goal: {SENTENCE:.0f}.")
    if latest > AFTER_KEY or quick > SENTENCE:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
