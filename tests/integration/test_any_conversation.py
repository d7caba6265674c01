"""Random callers, with any keys, pauses and hang-ups, on any day, many at once.

The real controller, conversation and desk, on SQLite and virtual time. The test compares what callers heard with what
is stored, and promises with a calendar of its own. Nothing here knows the order of a conversation.
"""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from structlog.testing import capture_logs

from desk.access.actor import SYSTEM
from desk.access.permissions import Scope
from desk.callbacks.model import AttemptOutcome
from desk.callbacks.services import callback_services
from desk.clock import OSLO
from desk.database.engine import Database
from desk.departments.departments import LANGUAGES
from desk.inquiries.errors import AlreadyClaimed, ClaimLost, IllegalMove
from desk.inquiries.model import ClosedReason, Status
from desk.promises.model import DelayReason
from desk.settings.numbers import NumberSettings
from desk.vault.vault import Vault
from ivr.asterisk.channel import HOLD, HOLD_SECONDS
from ivr.calls.controller import Controller
from ivr.dialogue.caller import request_callback
from ivr.prompts.keys import all_keys
from ivr.rehearsal.virtual_time import VirtualTimeLoop
from tests.support.depth import DEEP, deep
from tests.support.desk.desk import KEYS, as_agent
from tests.support.phone.any_conversation import DEPARTMENTS, Kept, holds, kept_promises_hold, nothing_personal
from tests.support.phone.exchange import Answer, Clock, Exchange, Line, Plan, no_time_passes

SECONDS = st.integers(0, 900).map(lambda tenths: tenths / 10)
SLUGS = st.sampled_from([department.slug for department in DEPARTMENTS.all()])
PEOPLE = st.integers(0, 3)
PHONES = st.sampled_from(
    [*(f"+476805000{n}" for n in range(1, 5)), "+46701740605", "+4782900000", "113", "anonymous", None]
)
WORDS = st.sampled_from(
    [
        *["right"] * 14,
        *("mistyped", "short", "long", "starred", "ended", "another"),
        *("", "", "#", "*", "0", "9", "8", "1", "1", "2", "2", "5", "12", "0#", "99", "0*1"),
        *("68050009", "68050009#", "0046701740605#", "004768050009", "82900000", "113", "00000000"),
    ]
)
ANSWERS = st.builds(
    Answer,
    keys=WORDS,
    after=st.sampled_from([0.0, 0.3, 1.0, 2.0, 4.5, 7.0]),
    gap=st.sampled_from([0.1, 0.4, 1.6, 3.9, 5.0]),
)
PLANS = st.builds(
    Plan,
    department=SLUGS,
    person=PEOPLE,
    phone=PHONES,
    withheld=st.sampled_from([False, False, False, True]),
    answers=st.lists(ANSWERS, max_size=7),
    strays=st.lists(st.tuples(SECONDS, st.sampled_from("0123456789*#")), max_size=2),
    hangs_up=st.none() | SECONDS,
    begins=st.sampled_from([0.0, 0.0, 0.1, 3.0, 20.0]),
)
LENGTHS = {f"{language}/{key}": HOLD_SECONDS if key == HOLD else 1.0 for language in LANGUAGES for key in all_keys()}
AGENTS_DO = st.sampled_from(["claim", "claim", "release", "close", "reopen", *AttemptOutcome])
DAYS = (
    *(date(2026, 10, 23), date(2026, 10, 25), date(2026, 12, 23), date(2026, 12, 24), date(2026, 12, 31)),
    *(date(2027, 3, 24), date(2027, 3, 25), date(2027, 3, 28), date(2027, 5, 5), date(2027, 5, 14), date(2027, 10, 31)),
)
"""Difficult dates: both changes of the clock, Christmas, Easter, Ascension, and Whitsun with 17 May."""
HOURS = [*(time(hour, 59, 30) for hour in (1, 7, 9, 10, 12, 13, 14, 23)), time(2, 30), time(10), time(14), time(12, 29)]


class AnyConversation(RuleBasedStateMachine):
    """`exchange` makes calls, and `kept` remembers what must not be lost."""

    runner: asyncio.Runner
    template: str
    folder: Path
    logs: list[Any]

    @initialize(slowness=st.sampled_from([0.0, 0.4, 3.0]))
    def opens(self, slowness: float) -> None:
        self.logs.clear()
        file = self.folder / "innringing.db"
        shutil.copyfile(self.template, file)
        self.database = Database(f"sqlite+aiosqlite:///{file}")
        clock = Clock(datetime(2026, 10, 22, 6, 0, tzinfo=UTC) - timedelta(seconds=self.runner.get_loop().time()))
        self.exchange = Exchange(clock, slowness)
        parts: Any = {"database": self.database, "departments": lambda: DEPARTMENTS, "vault": Vault(**KEYS)}
        self.desk = callback_services(**parts, clock=clock)
        callers = self.exchange.noting(self.desk.repeat_callers)
        rules = NumberSettings(environment="demo")
        self.controller = Controller(
            ari=self.exchange,
            registration=self.exchange.noting(self.desk.registration),
            departments=lambda: DEPARTMENTS,
            conversation=partial(request_callback, callers=callers, numbers=rules, clock=clock),
            lengths=lambda: LENGTHS,
        )
        self.kept = Kept()
        self.held: list[tuple[str, int]] = []
        self.stopping = asyncio.Event()
        self.run(self.connects())

    async def connects(self) -> None:
        self.serving = asyncio.create_task(self.controller.serve(self.stopping))
        await asyncio.sleep(1)

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    # --- steps

    @rule(plans=st.lists(PLANS, min_size=1, max_size=3), acts=st.lists(st.tuples(SECONDS, AGENTS_DO)))
    def ring(self, plans: list[Plan], acts: list[tuple[float, str]]) -> None:
        """Several callers at once, while agents work."""
        self.run(self.rings(plans, acts[:2]))

    @rule(
        department=SLUGS,
        person=st.integers(1, 3),
        phones=st.tuples(PHONES, PHONES),
        between=st.sampled_from(
            [(), (), ("claim",), ("claim", AttemptOutcome.NO_ANSWER), ("claim", AttemptOutcome.DROPPED)]
        ),
        pause=st.sampled_from([1, 5, 200, 1500]),
        then=st.sampled_from(["", "2,2", "2,2", "2", "1,right", "1,right,1,right", "1", "5,5", "0,0"]),
        hangs_up=st.none() | SECONDS,
    )
    def rings_twice(
        self,
        department: str,
        person: int,
        phones: tuple[str | None, str | None],
        between: tuple[str, ...],
        pause: int,
        then: str,
        hangs_up: float | None,
    ) -> None:
        """The same person again, perhaps from another phone, and perhaps after agents had the callback."""
        knows = (Answer("right"), Answer("right"))
        self.run(self.rings([Plan(department, person, phones[0], answers=knows)], []))
        for what in between:
            self.run(self.agent_does(what, department))
        self.exchange.clock.jump(timedelta(minutes=pause))
        wants = [Answer("right"), *(Answer(keys, after=3) for keys in then.split(","))]
        self.run(self.rings([Plan(department, person, phones[1], answers=wants, hangs_up=hangs_up)], []))

    @rule(what=AGENTS_DO, department=SLUGS)
    def agents(self, what: str, department: str) -> None:
        self.run(self.agent_does(what, department))

    @rule(minutes=st.sampled_from([1, 14, 16, 130, 700]))
    def time_passes(self, minutes: int) -> None:
        self.exchange.clock.jump(timedelta(minutes=minutes))

    @rule(day=st.sampled_from(["today", "tomorrow", "friday", "sunday", "hard", "hard"]), hour=st.sampled_from(HOURS))
    def time_jumps(self, day: str, hour: time) -> None:
        """Move the clock to this hour of a later day."""
        now = self.run(self.now())
        today = now.astimezone(OSLO).date()
        days: dict[str, Iterator[date]] = {
            "today": (today + timedelta(days=n) for n in range(2)),
            "tomorrow": (today + timedelta(days=n) for n in range(1, 3)),
            "friday": (each for n in range(9) if (each := today + timedelta(days=n)).weekday() == 4),
            "sunday": (each for n in range(9) if (each := today + timedelta(days=n)).weekday() == 6),
            "hard": (each for each in (*DAYS, today + timedelta(days=1)) if each >= today),
        }
        instants = (datetime.combine(each, hour, OSLO).astimezone(UTC) for each in days[day])
        self.exchange.clock.jump(next((each for each in instants if each > now), now) - now)

    @rule(
        department=SLUGS,
        begins=st.sampled_from([0, 0, 1, 20]),
        hours=st.sampled_from([1, 5, 30, 100]),
        words=st.sampled_from([each for each in DelayReason if each is not DelayReason.QUEUE_FULL]),
    )
    def closes_the_queue(self, department: str, begins: int, hours: int, words: Any) -> None:
        self.run(self.closes(department, begins, hours, words))

    # --- helpers

    async def now(self) -> datetime:
        return self.exchange.clock.now()

    async def rings(self, plans: list[Plan], acts: list[tuple[float, str]]) -> None:
        lines = await asyncio.gather(
            *(self.exchange.ring(plan) for plan in plans),
            *(self.agent_later(second, what, plans[0].department) for second, what in acts),
        )
        await asyncio.sleep(10 + 3 * self.exchange.slowness)  # the last writes of those who hung up
        assert self.controller.calls == 0, "a call is stuck"
        for line in lines:
            if isinstance(line, Line):
                with no_time_passes():
                    await holds(self.exchange, line, self.desk, self.database, self.kept)

    async def agent_later(self, second: float, what: str, department: str) -> None:
        await asyncio.sleep(second)
        await self.agent_does(what, department)

    async def agent_does(self, what: str, department: str) -> None:
        with no_time_passes():
            try:
                await self.agent_tries(what, department)
            except (AlreadyClaimed, ClaimLost, IllegalMove):
                return

    async def agent_tries(self, what: str, department: str) -> None:
        """Agents claim, call, release and close; `kept` records what they closed."""
        page = await self.desk.lists.page(as_agent("reader", Scope.of([department])), limit=200)
        match what:
            case "claim":
                taken = await self.desk.claiming.claim(as_agent("kari"), department)
                self.held += [(each.id, each.fence) for each in taken]
            case "close" if page.items:
                closed = await self.desk.outcomes.close(
                    as_agent("kari"), page.items[0].id, ClosedReason.OTHER, fence=None
                )
                self.kept.ended.add(closed.id)
            case "reopen" if page.items:
                reopened = await self.desk.outcomes.reopen(as_agent("kari"), page.items[-1].id)
                self.kept.ended.discard(reopened.id)
            case "release" if self.held:
                await self.desk.claiming.release(as_agent("kari"), *self.held.pop(0))
            case AttemptOutcome() if self.held:
                tried = await self.desk.outcomes.record_attempt(as_agent("kari"), *self.held.pop(0), what)
                if tried.status is Status.CLOSED:
                    self.kept.ended.add(tried.id)

    async def closes(self, department: str, begins: int, hours: int, words: Any) -> None:
        from_ = self.exchange.clock.now() + timedelta(hours=begins)
        until = from_ + timedelta(hours=hours)
        with no_time_passes():
            await self.desk.closures.close_queue(as_agent("leder"), department, from_=from_, until=until, text=words)
        self.kept.close(department, from_, until)

    # --- invariants

    @invariant()
    def nothing_is_lost(self) -> None:
        async def all_of_it() -> None:
            with no_time_passes():
                await kept_promises_hold(self.database, self.kept, self.exchange.clock.now())
                for id in self.kept.confirmed - self.kept.ended:
                    assert (await self.desk.lists.get(SYSTEM, id)).status is not Status.CLOSED, (
                        "a confirmed callback is gone"
                    )

        self.run(all_of_it())
        nothing_personal(self.logs)

    def teardown(self) -> None:
        async def ends() -> None:
            self.stopping.set()
            await self.serving
            with no_time_passes():
                await self.database.close()

        self.run(ends())


def test_any_calls_keep_the_rules(tmp_path: Path, migrated_template: Callable[..., str]) -> None:
    lost: list[Any] = []
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner, capture_logs() as logs:
        runner.get_loop().set_exception_handler(lambda _, context: lost.append(context))

        class Here(AnyConversation):
            pass

        Here.runner, Here.template, Here.folder, Here.logs = runner, migrated_template("sqlite"), tmp_path, logs
        run_state_machine_as_test(
            Here,
            settings=settings(
                max_examples=deep(20, 400),
                stateful_step_count=12,
                deadline=None,
                derandomize=not DEEP,
                print_blob=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
    assert lost == []
