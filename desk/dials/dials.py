"""Click to call: agents ask for a dial, a controller takes it and tells how it goes, each step a row of the history.

The web door writes the wish, the phone door reads it; neither knows the other. See ivr/dials/dialler.py for the calls.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import ExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final
from uuid import uuid4

import structlog

from desk.access.permissions import EVERYTHING, Scope
from desk.callbacks import repository as callback_rows
from desk.callbacks import transitions
from desk.callbacks.errors import CallbackNotFound
from desk.callbacks.queue import Desk
from desk.clock import Clock
from desk.database.engine import Connection, Database
from desk.database.errors import StorageUnavailable
from desk.database.unit_of_work import UnitsOfWork
from desk.departments.departments import Departments
from desk.dials import repository as rows
from desk.dials.errors import (
    DialCapReached,
    DialInProgress,
    DialLost,
    DialNotFound,
    DialOver,
    NoAgentPhone,
    OutsideRingingHours,
)
from desk.dials.model import OUTCOME_OF, Dial, DialReason, DialState, day_start, may_ring
from desk.history import feed_repository as changes
from desk.history import history
from desk.history.history import SYSTEM, Details, Entry
from desk.inquiries.errors import AlreadyClaimed, ClaimLost
from desk.limits.dial_caps import DialCaps
from desk.numbers.endpoints import agent_endpoint, patient_endpoint

UNTAKEN: Final = timedelta(seconds=30)
"""A wish nobody took within this is dropped: an agent's phone that rings later is a riddle."""
UNSEEN: Final = timedelta(seconds=60)
LISTEN_AGAIN_SECONDS: Final = 5.0
EVENT_OF: Final = {
    DialState.AGENT_RINGING: "dial_agent_ringing",
    DialState.PATIENT_RINGING: "dial_patient_ringing",
    DialState.BRIDGED: "dial_bridged",
}

log = structlog.get_logger(__name__)


class Dials(UnitsOfWork):
    """The dials of one database."""

    def __init__(
        self,
        *,
        database: Database,
        desk: Desk,
        departments: Callable[[], Departments],
        clock: Clock,
        caps: DialCaps | None = None,
    ) -> None:
        super().__init__(database)
        self._database = database
        self._desk = desk
        self._departments = departments
        self._clock = clock
        self._caps = caps or DialCaps()

    # --- agents

    async def request(self, callback_id: str, agent: str, fence: int, phone: str | None, *, scope: Scope) -> Dial:
        """Ask that `agent` is rung at `phone`, and then the patient. The same again gives the same dial.

        Raises `ClaimLost` unless the live claim that gave `fence` is the agent's, `NoAgentPhone`,
        `OutsideRingingHours`, `DialInProgress`, `DialCapReached`, and `InvalidPhone` for a number that may not be rung.
        """

        async def work(connection: Connection) -> Dial:
            now = self._clock.now()
            stored = await callback_rows.locked(connection, callback_id, scope=scope)
            transitions.require_claim(stored, agent, fence)
            callback = stored.callback
            if not transitions.is_live(stored, now):
                raise ClaimLost
            # The agent's own dial stands in the way wherever it is.
            for other in await rows.active(connection, callback_id=callback.id, agent=agent, scope=EVERYTHING):
                if (other.callback_id, other.agent, other.fence) == (callback.id, agent, fence):
                    return other
                raise DialInProgress
            if phone is None:
                raise NoAgentPhone
            rules = self._departments().get(callback.department)
            agent_endpoint(phone)
            patient_endpoint(callback.phone, prefixes=rules.ring_prefixes)
            if not may_ring(rules, now):
                first, last = rules.ringing_hours
                raise OutsideRingingHours(f"{first:%H:%M}-{last:%H:%M}, {rules.ringing_days}")
            today = day_start(now)
            if await rows.rung_since(connection, callback.phone.e164, today) >= self._caps.number:
                raise DialCapReached("number")
            if await rows.asked_since(connection, agent, today) >= self._caps.agent:
                raise DialCapReached("agent")
            dial = await rows.add(
                connection,
                id=str(uuid4()),
                callback_id=callback.id,
                department=callback.department,
                agent=agent,
                agent_phone=phone,
                phone=callback.phone.e164,
                phone_mobile=callback.phone.mobile,
                fence=fence,
                requested_at=now,
            )
            await self._note(connection, dial, "dial_requested", agent)
            return dial

        return await self._write(work)

    async def cancel(self, callback_id: str, agent: str, *, scope: Scope) -> Dial:
        """Ask that the callback's dial ends, whatever it has come to.

        Raises `DialNotFound`, `DialOver`, and `AlreadyClaimed` for a colleague's.
        """

        async def work(connection: Connection) -> Dial:
            now = self._clock.now()
            await callback_rows.locked(connection, callback_id, scope=scope)
            dial = await self._latest(connection, callback_id, scope)
            if dial.agent != agent:
                raise AlreadyClaimed
            if dial.state is DialState.ENDED:
                raise DialOver
            ended = await self._end(connection, dial, by=None, reason=DialReason.CANCELLED, actor=agent)
            if ended is None:  # a controller has it: it hangs up, and tells
                ended = await rows.cancel(connection, dial.id, now)
            return ended or dial

        return await self._write(work)

    async def latest(self, callback_id: str, *, scope: Scope) -> Dial:
        """The callback's newest dial. Raises `CallbackNotFound`, `DialNotFound`."""

        async def work(connection: Connection) -> Dial:
            callback = await callback_rows.get(connection, callback_id, scope=scope)
            return await self._latest(connection, callback.id, scope)

        return await self._read(work)

    # --- the controller's

    async def waiting(self) -> bool:
        """Whether a dial waits to be taken."""
        return bool(await self._read(rows.requested))

    async def take(self, by: str, *, limit: int) -> list[Dial]:
        """Make up to `limit` dials `by`'s own to do; nobody else gets them. Those that waited too long are ended."""

        async def work(connection: Connection) -> list[Dial]:
            await self._end_forgotten(connection)
            return await rows.take(connection, by, limit=limit, now=self._clock.now())

        return await self._write(work)

    async def inherit(self, by: str, *, of: str, excluding: Collection[str]) -> list[Dial]:
        """Those an earlier controller (its name began with `of`) left in progress: `by`'s own from now on."""
        now = self._clock.now()
        return await self._write(lambda connection: rows.inherit(connection, by, of=of, excluding=excluding, now=now))

    async def live(self, by: str) -> frozenset[str]:
        """Say that `by` lives; ids of those still its own."""
        now = self._clock.now()
        return frozenset(await self._write(lambda connection: rows.seen(connection, by, now)))

    async def end_forgotten(self) -> None:
        """End what nobody took in time, and what a controller that is gone for good has left."""
        await self._write(self._end_forgotten)

    async def to_cancel(self, by: str) -> list[str]:
        """Ids of `by`'s that somebody wants ended."""
        return await self._read(lambda connection: rows.to_cancel(connection, by))

    def may_ring(self, dial: Dial) -> bool:
        """Whether the patient may be rung now."""
        return may_ring(self._departments().get(dial.department), self._clock.now())

    def destination(self, dial: Dial) -> tuple[str, str]:
        """(the patient's endpoint, the number to show). Raises `InvalidPhone` for a number that may not be rung."""
        rules = self._departments().get(dial.department)
        return patient_endpoint(dial.phone, prefixes=rules.ring_prefixes), rules.hospital_number.e164

    async def advance(self, dial: Dial, by: str, state: DialState) -> Dial:
        """The dial has come to `state`. Raises `DialLost` when it is over or no longer `by`'s."""

        async def work(connection: Connection) -> Dial:
            now = self._clock.now()
            moment = {DialState.PATIENT_RINGING: {"rung_at": now}, DialState.BRIDGED: {"bridged_at": now}}
            changed = await rows.change(connection, dial.id, by=by, state=state.value, **moment.get(state, {}))
            if changed is None:
                raise DialLost
            await self._note(connection, changed, EVENT_OF[state], SYSTEM)
            return changed

        return await self._write(work)

    async def end(self, dial: Dial, by: str, reason: DialReason) -> None:
        """The dial is over; what that says of the patient is recorded as an attempt, in the same unit of work.

        An attempt that can't be recorded any more (the claim is lost) is left out: the history says so. A dial that is
        over or another's is left alone.
        """

        async def work(connection: Connection) -> None:
            await callback_rows.locked(connection, dial.callback_id, scope=EVERYTHING)
            attempt = OUTCOME_OF.get(reason)
            ended = await self._end(connection, dial, by=by, reason=reason, actor=SYSTEM)
            if ended is None or attempt is None:
                return
            try:
                await self._desk.record_attempt(dial.callback_id, dial.agent, dial.fence, attempt, scope=EVERYTHING)
            except ClaimLost:
                await self._note(connection, dial, "dial_not_recorded", SYSTEM, {"outcome": attempt.value})

        try:
            await self.together(work)
        except CallbackNotFound:
            log.error("A dial's callback is gone", dial_id=dial.id)

    async def extend(self, dial: Dial) -> None:
        """Keep the claim's lease while they talk. Quiet when the claim is over."""
        try:
            await self._desk.extend(dial.callback_id, dial.agent, dial.fence, scope=EVERYTHING)
        except ClaimLost:
            log.info("The claim was lost during a call", dial_id=dial.id)

    @asynccontextmanager
    async def told(self) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever something may have changed; beside it the taker must look now and then."""
        woken = asyncio.Event()
        with ExitStack() as stack:
            stack.enter_context(self._database.watched(woken.set))
            ears = asyncio.create_task(self._listen(woken)) if self._database.dialect == "postgresql" else None
            try:
                yield woken
            finally:
                if ears:
                    ears.cancel()
                    await asyncio.gather(ears, return_exceptions=True)

    async def _listen(self, woken: asyncio.Event) -> None:
        """Be told by PostgreSQL: every step of a dial is a row of the history."""
        while True:
            deaf = asyncio.Event()
            try:
                async with changes.listening(self._database, woken.set, deaf.set):
                    await deaf.wait()
            except StorageUnavailable:
                pass
            await asyncio.sleep(LISTEN_AGAIN_SECONDS)

    async def _latest(self, connection: Connection, callback_id: str, scope: Scope) -> Dial:
        dial = await rows.latest(connection, callback_id, scope=scope)
        if dial is None:
            raise DialNotFound
        return dial

    async def _end_forgotten(self, connection: Connection) -> None:
        now = self._clock.now()
        for dial in await rows.forgotten(connection, unseen_since=now - UNSEEN, untaken_since=now - UNTAKEN):
            reason = DialReason.LOST if dial.taken_by else DialReason.EXPIRED
            await self._end(connection, dial, by=dial.taken_by, reason=reason, actor=SYSTEM)

    async def _end(
        self, connection: Connection, dial: Dial, *, by: str | None, reason: DialReason, actor: str
    ) -> Dial | None:
        """End a dial that is taken `by` that one; None, and nothing done, when it isn't."""
        ended = await rows.change(
            connection,
            dial.id,
            by=by,
            state=DialState.ENDED.value,
            reason=reason.value,
            ended_at=self._clock.now(),
        )
        if ended is not None:
            await self._note(connection, ended, "dial_ended", actor, {"reason": reason.value})
        return ended

    async def _note(
        self, connection: Connection, dial: Dial, event: str, actor: str, details: Details | None = None
    ) -> None:
        entry = Entry(
            dial.callback_id,
            dial.department,
            self._clock.now(),
            event,
            actor,
            details={"dial": dial.id, "agent": dial.agent, **(details or {})},
        )
        await history.append(connection, [entry])
