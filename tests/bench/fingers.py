"""`python -m tests.bench.fingers`: callers of the model of human fingers, and callers of each kind, on real calls.

Each conversation is rehearsed in virtual time first (`innringing rehearse --fingers`). Then a phone calls a whole
running system over SIP and presses the same keys at the same seconds. What is registered must be the same. Times are
measured on the wire: from the last key to the first sample of «vi har mottatt din innringing», and to its end.

Exit code 1 where a call ended otherwise than the rehearsed one, or a goal was missed.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from desk.departments.departments import Department
from ivr.rehearsal import people
from ivr.rehearsal.stage import Stage
from ivr.rehearsal.story import CallerAnswer, CallerScript, Question
from ops.machine import tree
from tests.support.machine.servers import machine_settings
from tests.support.machine.system import System, run, running_system
from tests.support.phone.timed_calls import (
    Outcome,
    Plan,
    Repeated,
    outcomes,
    plan_of,
    plans_of_seeds,
    rehearsed,
    repeat,
)

AFTER_KEY = 2.0
SENTENCE = 12.0
FIRST_PERSON = 3_200
"""Behind the people of the seeds."""


def keys(*answers: str | tuple[str, tuple[float, ...]], after: float = 1.0, gap: float = 0.4) -> CallerScript:
    """Answer the questions with these keys, in order; each with its own pauses, or at the same pace."""
    left = list(answers)

    def act(question: Question) -> CallerAnswer:
        if question.pending or not left:
            return CallerAnswer()
        answer = left.pop(0)
        return (
            CallerAnswer(answer, after, gap) if isinstance(answer, str) else CallerAnswer(answer[0], pauses=answer[1])
        )

    return act


async def kinds(stage: Stage, department: Department) -> list[Plan]:
    """Rehearse one caller of each kind."""
    plans = list[Plan]()

    async def rings(name: str, script: CallerScript, *, withheld: bool = False, quick: str = "") -> None:
        person = FIRST_PERSON + len(plans)
        interrupts = {"welcome_kirurgi": quick} if quick else None
        story = await stage.ring(department, script, person=person, withheld=withheld, interrupts=interrupts)
        plans.append(plan_of(name, story, person=person, withheld=withheld))

    def own() -> str:
        return people.identity(FIRST_PERSON + len(plans))

    await rings("quick, keys in the welcome", keys(after=0.5), quick=own())
    await rings("listens first", keys(own()))
    await rings("old, 1.8 s a key", keys(own(), after=2.5, gap=1.8))
    number = own()
    await rings("one key doubled", keys((number[:4] + number[3:], (1.0, 0.4, 0.4, 0.4, 0.1, *[0.4] * 7))))
    await rings("presses # after the number", keys(own() + "#"))
    await rings("birth date, 7 s, the rest", keys((own(), (1.0, *[0.4] * 5, 7.0, *[0.4] * 4))))
    person = FIRST_PERSON + len(plans)
    await rings("one digit wrong, then right", keys(people.wrong_identity(person), own()))
    await rings("skips the number: #, #", keys("#", "#"))
    await rings("presses nothing", keys())
    other = people.number(FIRST_PERSON + 400).removeprefix("+47")
    await rings("withheld number", keys(own(), other), withheld=True)
    return plans


async def ring_all(system: System, plans: list[Plan], lines: int) -> tuple[list[Repeated], dict[str, list[Outcome]]]:
    free = asyncio.Semaphore(lines)
    repeated = await asyncio.gather(*(repeat(system, plan, free) for plan in plans))
    return repeated, await outcomes(system)


def ended_otherwise(plans: list[Plan], stored: dict[str, list[Outcome]]) -> list[str]:
    """Describe the plans whose real call registered something else."""
    wrong = []
    for plan in plans:
        phone = plan.outcome.phone if plan.outcome else plan.caller
        found = stored.get(phone, [])
        if (plan.outcome is None and found and not plan.withheld) or (plan.outcome and plan.outcome not in found):
            wrong.append(f"{plan.name}: rehearsed {plan.outcome}, stored {found}")
    return wrong


def shown(calls: list[Repeated]) -> Table:
    table = Table(title="Callers of each kind, seconds")
    headings = ("caller", "keys", "receipt after the last key", "first sentence heard at", "call ends")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "caller" else "right")
    for call in calls:
        after, sentence = (f"{each:.1f}" if each is not None else "" for each in (call.receipt_after, call.sentence))
        table.add_row(call.plan.name, str(call.keys), after, sentence, f"{call.seconds:.0f}")
    return table


def waits(receipts: list[Repeated]) -> list[str]:
    """Describe the seconds from the last key to the receipt.

    A caller who lost a key is waited for until the rest could still come, is asked again, and is registered without an
    identity number at last. That wait is meant, so it is counted apart.
    """
    own = [call for call in receipts if call.receipt_after is not None and not call.plan.withheld]
    whole = [call.receipt_after or 0.0 for call in own if call.plan.outcome and call.plan.outcome.person]
    alone = [call for call in own if not (call.plan.outcome and call.plan.outcome.person)]
    found = [
        f"Receipt after the last key: median {statistics.median(whole or [0]):.2f}, longest {max(whole or [0]):.2f} s."
    ]
    return found + [
        f"Without an identity number: {call.receipt_after:.2f} s after the last of {call.keys} keys, {call.plan.name}."
        for call in alone
    ]


def main() -> None:
    asked = argparse.ArgumentParser(prog="fingers", description=__doc__)
    asked.add_argument("--calls", type=int, default=200)
    asked.add_argument("--seed", type=int, default=0, help="the first seed")
    asked.add_argument("--lines", type=int, default=20, help="calls at the same time")
    given = asked.parse_args()
    by_kind, by_seed = rehearsed(kinds), plans_of_seeds(range(given.seed, given.seed + given.calls))
    tools = tree.ensure(tree.ASTERISK) / "bin"
    with tempfile.TemporaryDirectory(prefix="innringing-bench-") as folder:
        run(machine_settings(Path(folder)), "prompts", "build", "--tools", str(tools), seconds=300)
        with running_system(Path(folder)) as system:
            first, _ = asyncio.run(ring_all(system, by_kind, len(by_kind)))
            calls, stored = asyncio.run(ring_all(system, by_seed, given.lines))
    Console(width=None if sys.stdout.isatty() else 130).print(shown(first))
    wrong = ended_otherwise(by_kind + by_seed, stored)
    stayed = [call for call in calls if not call.plan.hangs_up]
    receipts = [call for call in stayed if call.receipt is not None]
    print(f"{len(calls)} calls, {len(stayed)} stayed, {len(receipts)} of them heard the receipt.")
    print(*waits(receipts), sep="\n")
    print(f"Mean length {statistics.mean(call.seconds for call in stayed):.0f} s.")
    print(*(f"Otherwise than rehearsed: {each}" for each in wrong), sep="\n")
    print(*(f"No receipt heard: {call.plan.name}" for call in stayed if call.receipt is None), sep="\n")
    quick = first[0].sentence
    if wrong or len(receipts) < len(stayed) or quick is None or quick > SENTENCE:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
