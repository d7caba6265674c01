"""Click to call: agents request dials, a controller makes the calls and reports how they go.

Each step is a row of the history. The web door writes the request and the phone door reads it; neither knows the
other. See ivr/dials/dialler.py for the calls.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import ExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final
from uuid import uuid4

import structlog

from desk.access.actor import Actor
from desk.access.permissions import EVERYTHING
from desk.callbacks import repository as callbacks
from desk.callbacks.errors import CallbackNotFound
from desk.callbacks.model import Callback
from desk.callbacks.outcomes import Outcomes
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.database.notify import DIALS
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work
from desk.departments.calendar import may_ring
from desk.departments.departments import Departments
from desk.dials import repository as rows
from desk.dials.errors import (
    DialInProgress,
    DialLost,
    DialNotFound,
    DialOver,
    NoAgentPhone,
    NumberNotCallable,
    OutsideRingingHours,
)
from desk.dials.model import OUTCOME_OF, Dial, DialReason, DialState, WaitingDial, day_start
from desk.history import feed_repository as feed
from desk.history import repository as history
from desk.history.model import Details, HistoryEntry
from desk.ids import CallbackId
from desk.inquiries import transitions
from desk.inquiries.claiming import Claiming
from desk.inquiries.errors import AlreadyClaimed, ClaimLost
from desk.limits.dial_caps import DialCaps, TrunkUse
from desk.limits.dial_limit import check_caps, check_trunk, trunk_use
from desk.numbers.endpoints import agent_endpoint, patient_endpoint
from desk.numbers.errors import InvalidPhone

UNTAKEN: Final = timedelta(seconds=30)
"""A request that no controller takes within this is dropped: a phone that rings later would only confuse the agent."""
UNSEEN: Final = timedelta(seconds=20)
"""A controller that is silent for this long has lost its dials, and the agent may request another."""
UNSEEN_TALK: Final = timedelta(seconds=60)
"""The same for connected calls: they go on without their controller, and the next one at that Asterisk has them."""
AT_MOST: Final = 200
"""How many waiting dials a controller reads at once."""
LISTEN_AGAIN_SECONDS: Final = 5.0
EVENT_OF: Final = {
    DialState.AGENT_RINGING: "dial_agent_ringing",
    DialState.PATIENT_RINGING: "dial_patient_ringing",
    DialState.BRIDGED: "dial_bridged",
}

log = structlog.get_logger(__name__)


class Dials(Service):
    """The dials of one database."""

    def __init__(
        self,
        *,
        database: Database,
        claiming: Claiming[Callback],
        outcomes: Outcomes,
        departments: Callable[[], Departments],
        clock: Clock,
        caps: DialCaps | None = None,
    ) -> None:
        super().__init__(database=database, clock=clock)
        self._claiming = claiming
        self._outcomes = outcomes
        self._departments = departments
        self._caps = caps or DialCaps()

    # --- for agents

    @unit_of_work
    async def request(self, unit: Unit, callback_id: CallbackId, fence: int, phone: str | None) -> Dial:
        """Request a call: the agent is called at `phone`, and then the patient. The same request gives the same dial.

        Raises CallbackNotFound, ClaimLost unless the agent has the live claim that gave `fence`, NoAgentPhone,
        OutsideRingingHours, DialInProgress, DialCapReached, TrunkBudgetSpent, NumberNotCallable, InvalidPhoneName.
        """
        callback = await callbacks.locked(unit, callback_id)
        transitions.require_claim(unit, callback, fence)
        if not transitions.is_live(unit, callback):
            raise ClaimLost
        agent = unit.actor.name
        # The agent may have a dial in progress in a department outside this scope.
        for other in await rows.active(unit.as_system(), callback_id=callback.id, agent=agent):
            if (other.callback_id, other.agent, other.fence) == (callback.id, agent, fence):
                return other
            raise DialInProgress
        if phone is None:
            raise NoAgentPhone
        await self._check(unit, callback, phone)
        dial = await rows.add(
            unit,
            id=str(uuid4()),
            callback_id=callback.id,
            department=callback.department,
            agent=agent,
            agent_phone=phone,
            phone=callback.phone.e164,
            phone_mobile=callback.phone.mobile,
            fence=fence,
            requested_at=unit.now,
        )
        await self._record(unit, dial, "dial_requested")
        return dial

    @unit_of_work
    async def cancel(self, unit: Unit, callback_id: CallbackId) -> Dial:
        """End the callback's dial, whatever its state.

        Raises CallbackNotFound, DialNotFound, DialOver, and AlreadyClaimed for a colleague's.
        """
        await callbacks.locked(unit, callback_id)
        dial = await self._latest(unit, callback_id)
        if dial.agent != unit.actor.name:
            raise AlreadyClaimed
        if dial.state is DialState.ENDED:
            raise DialOver
        ended = await self._end(unit, dial, by=None, reason=DialReason.CANCELLED)
        if ended is None:  # a controller has it: it hangs up and reports back
            ended = await rows.cancel(unit, dial.id)
        return ended or dial

    @reading
    async def latest(self, unit: Unit, callback_id: CallbackId) -> Dial:
        """Return the callback's newest dial. Raises CallbackNotFound, DialNotFound."""
        callback = await callbacks.get(unit, callback_id)
        return await self._latest(unit, callback.id)

    # --- for the controller

    @reading
    async def waiting(self, unit: Unit) -> list[WaitingDial]:
        """Return the dials that wait for a controller, oldest first."""
        return await rows.waiting(unit, limit=AT_MOST)

    @unit_of_work
    async def take(self, unit: Unit, by: str, *, limit: int, only: Collection[str] | None = None) -> list[Dial]:
        """Give up to `limit` dials to the controller `by`; no other gets them. Dials that waited too long are ended.

        `only`: the ids of those it may get; None for any.
        """
        await self._end_forgotten(unit)
        return await rows.take(unit, by, limit=limit, only=only)

    @unit_of_work
    async def inherit(self, unit: Unit, by: str, *, of: str, excluding: Collection[str]) -> list[Dial]:
        """Give `by` the dials that an earlier controller, whose name began with `of`, left in progress."""
        return await rows.inherit(unit, by, of=of, excluding=excluding)

    @unit_of_work
    async def live(self, unit: Unit, by: str) -> frozenset[str]:
        """Record that `by` is alive. Returns the ids of the dials it still has."""
        return frozenset(await rows.seen(unit, by))

    @unit_of_work
    async def end_forgotten(self, unit: Unit) -> None:
        """End the dials that no controller took in time, and those of a controller that is gone."""
        await self._end_forgotten(unit)

    @reading
    async def to_cancel(self, unit: Unit, by: str) -> list[str]:
        """The ids of the dials of `by` that an agent has cancelled."""
        return await rows.to_cancel(unit, by)

    def may_ring(self, dial: Dial) -> bool:
        """Whether the patient may be called now."""
        return may_ring(self._departments().get(dial.department), self._clock.now())

    def destination(self, dial: Dial) -> tuple[str, str]:
        """(the patient's endpoint, the number to show). Raises InvalidPhone for a number that may not be called."""
        rules = self._departments().get(dial.department)
        return patient_endpoint(dial.phone, prefixes=rules.ring_prefixes), rules.hospital_number.e164

    @reading
    async def trunk_use(self, unit: Unit) -> TrunkUse:
        """How much of the trunk's hourly budget is used, by all processes."""
        return await trunk_use(unit, self._caps)

    @unit_of_work
    async def advance(self, unit: Unit, dial: Dial, by: str, state: DialState) -> Dial:
        """Record that the dial has reached `state`. Raises DialLost if it is over or `by` no longer has it.

        A dial that is about to call the patient raises TrunkBudgetSpent if no more calls may go out.
        """
        if state is DialState.PATIENT_RINGING:
            await check_trunk(unit, self._caps)
        moment = {DialState.PATIENT_RINGING: {"rung_at": unit.now}, DialState.BRIDGED: {"bridged_at": unit.now}}
        changed = await rows.change(unit, dial.id, by=by, state=state.value, **moment.get(state, {}))
        if changed is None:
            raise DialLost
        await self._record(unit, changed, EVENT_OF[state])
        return changed

    async def end(self, by_actor: Actor | Unit, dial: Dial, by: str, reason: DialReason) -> None:
        """End the dial, and record an attempt in the same unit of work if the reason says how one went.

        If the claim is lost, no attempt is recorded and the history says so. A dial that is over or that another
        controller has is left alone.
        """
        try:
            await self._end_with_attempt(by_actor, dial, by, reason)
        except CallbackNotFound:
            log.error("A dial's callback is gone", dial_id=dial.id)

    async def extend(self, by: Actor | Unit, dial: Dial) -> None:
        """Extend the lease of the claim while they talk. Does nothing if the claim is over."""
        try:
            await self._extend(by, dial)
        except ClaimLost:
            log.info("The claim was lost during a call", dial_id=dial.id)

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[asyncio.Event]:
        """An event that is set when something may have changed. A controller must also poll now and then."""
        changed = asyncio.Event()
        with ExitStack() as stack:
            stack.enter_context(self._database.watched(DIALS, changed.set))
            listener = None
            if self._database.dialect == "postgresql":
                listener = asyncio.create_task(self._listen(changed))
            try:
                yield changed
            finally:
                if listener:
                    listener.cancel()
                    await asyncio.gather(listener, return_exceptions=True)

    async def _listen(self, changed: asyncio.Event) -> None:
        """Set `changed` when a step of a dial was written."""
        while True:
            lost = asyncio.Event()
            try:
                async with feed.listening(self._database, DIALS, changed.set, lost.set):
                    await lost.wait()
            except StorageUnavailable:
                pass
            await asyncio.sleep(LISTEN_AGAIN_SECONDS)

    async def _check(self, unit: Unit, callback: Callback, phone: str) -> None:
        """Check numbers, hours and caps.

        Raises NumberNotCallable, InvalidPhoneName, OutsideRingingHours, DialCapReached, TrunkBudgetSpent.
        """
        rules = self._departments().get(callback.department)
        agent_endpoint(phone)
        try:
            patient_endpoint(callback.phone, prefixes=rules.ring_prefixes)
        except InvalidPhone as error:
            raise NumberNotCallable(error.problem) from None
        if not may_ring(rules, unit.now):
            first, last = rules.ringing_hours
            raise OutsideRingingHours(f"{first:%H:%M}-{last:%H:%M}, {rules.ringing_days}")
        await check_caps(unit, self._caps, callback.phone, since=day_start(unit.now))
        await check_trunk(unit, self._caps)

    @unit_of_work
    async def _end_with_attempt(self, unit: Unit, dial: Dial, by: str, reason: DialReason) -> None:
        await callbacks.locked(unit, dial.callback_id)
        outcome = OUTCOME_OF.get(reason)
        ended = await self._end(unit, dial, by=by, reason=reason)
        if ended is None or outcome is None:
            return
        try:
            await self._outcomes.record_attempt(_as_agent(unit, dial), dial.callback_id, dial.fence, outcome)
        except ClaimLost:
            await self._record(unit, dial, "dial_not_recorded", {"outcome": outcome.value})

    @unit_of_work
    async def _extend(self, unit: Unit, dial: Dial) -> None:
        await self._claiming.extend(_as_agent(unit, dial), dial.callback_id, dial.fence)

    async def _latest(self, unit: Unit, callback_id: CallbackId) -> Dial:
        dial = await rows.latest(unit, callback_id)
        if dial is None:
            raise DialNotFound
        return dial

    async def _end_forgotten(self, unit: Unit) -> None:
        forgotten = await rows.forgotten(
            unit,
            unseen_since=unit.now - UNSEEN,
            unseen_talk_since=unit.now - UNSEEN_TALK,
            untaken_since=unit.now - UNTAKEN,
        )
        for dial in forgotten:
            reason = DialReason.LOST if dial.taken_by else DialReason.EXPIRED
            await self._end(unit, dial, by=dial.taken_by, reason=reason)

    async def _end(self, unit: Unit, dial: Dial, *, by: str | None, reason: DialReason) -> Dial | None:
        """End a dial that `by` has. Returns None, and does nothing, if another controller has it."""
        state = DialState.ENDED.value
        ended = await rows.change(unit, dial.id, by=by, state=state, reason=reason.value, ended_at=unit.now)
        if ended is not None:
            await self._record(unit, ended, "dial_ended", {"reason": reason.value})
        return ended

    async def _record(self, unit: Unit, dial: Dial, event: str, details: Details | None = None) -> None:
        about = {"dial": dial.id, "agent": dial.agent, **(details or {})}
        await history.add(unit, [HistoryEntry(dial.callback_id, dial.department, event, details=about)])


def _as_agent(unit: Unit, dial: Dial) -> Unit:
    """The unit of work with the agent who requested the dial as its actor."""
    return unit.acting_as(Actor(dial.agent, EVERYTHING))
