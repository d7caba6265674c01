"""Scope: no method of the desk finds, changes or reveals a callback outside it."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from desk.access.actor import SYSTEM, Actor
from desk.access.errors import DepartmentNotAllowed
from desk.access.permissions import EVERYTHING, Scope
from desk.callbacks.edits import CallbackEdits
from desk.callbacks.errors import CallbackNotFound
from desk.callbacks.model import AttemptOutcome, Callback, IncompleteStep
from desk.callbacks.queue import Desk
from desk.database.engine import Database
from desk.dials.dials import Dials
from desk.history.feed import Changes
from desk.inquiries.model import ClosedReason, Status
from desk.ledger.ledger import Ledger
from desk.recordings.recordings import Recordings
from desk.vault.vault import Vault
from tests.support.desk.desk import DEPARTMENTS, KEYS, call, make_desk, person, phone
from tests.support.fakes import FakeClock

FOREIGN = (Scope.of(["hjerte"]), Scope.of(["hjerte", "lunge"]), Scope.of([]))
OWN = (Scope.of(["kirurgi"]), Scope.of(["hjerte", "kirurgi"]), EVERYTHING)


@dataclass
class House:
    """Everything that takes a scope, on one database."""

    database: Database
    desk: Desk
    errands: CallbackEdits
    dials: Dials
    ledger: Ledger
    recordings: Recordings
    changes: Changes
    clock: FakeClock

    async def rings(self, n: int = 1, department: str = "kirurgi") -> Callback:
        return (await self.desk.register(call(n), department, person(n), phone(n))).callback


@pytest.fixture
def house(database: Database, clock: FakeClock) -> House:
    vault, desk = Vault(**KEYS), make_desk(database, clock)
    queue = {"database": database, "departments": lambda: DEPARTMENTS, "clock": clock}
    return House(
        database,
        desk,
        CallbackEdits(**queue, vault=vault),
        Dials(**queue, desk=desk),
        Ledger(**queue, lease=timedelta(minutes=15)),
        Recordings(database=database, vault=vault, clock=clock),
        Changes(database=database),
        clock,
    )


Ask = Callable[[House, Callback, Scope], Awaitable[Any]]
NOW_AND_LATER = {"from_": FakeClock().now(), "until": FakeClock().now() + timedelta(hours=1)}

OF_A_CALLBACK: dict[str, Ask] = {
    "Desk.get": lambda on, it, scope: on.desk.get(it.id, scope=scope),
    "Desk.history": lambda on, it, scope: on.desk.history(it.id, scope=scope),
    "Desk.patient": lambda on, it, scope: on.desk.patient(it.id, "kari", scope=scope),
    "Desk.claim_named": lambda on, it, scope: on.desk.claim_named(it.id, "kari", scope=scope),
    "Desk.extend": lambda on, it, scope: on.desk.extend(it.id, "kari", 1, scope=scope),
    "Desk.release": lambda on, it, scope: on.desk.release(it.id, "kari", 1, scope=scope),
    "Desk.record_attempt": lambda on, it, scope: on.desk.record_attempt(
        it.id, "kari", 1, AttemptOutcome.REACHED, scope=scope
    ),
    "Desk.close": lambda on, it, scope: on.desk.close(it.id, "kari", ClosedReason.OTHER, fence=1, scope=scope),
    "Desk.reopen": lambda on, it, scope: on.desk.reopen(it.id, "kari", scope=scope),
    "CallbackEdits.amend": lambda on, it, scope: on.errands.amend(it.id, "kari", scope=scope, versions=None, note="ny"),
    "CallbackEdits.transfer": lambda on, it, scope: on.errands.transfer(
        it.id, "kari", "hjerte", scope=scope, keep_promise=True, fence=1
    ),
    "CallbackEdits.promise_anew": lambda on, it, scope: on.errands.promise_anew(
        it.id, "kari", scope=scope, by=None, fence=1, sms=False
    ),
    "Dials.request": lambda on, it, scope: on.dials.request(it.id, "kari", 1, "kari", scope=scope),
    "Dials.latest": lambda on, it, scope: on.dials.latest(it.id, scope=scope),
    "Dials.cancel": lambda on, it, scope: on.dials.cancel(it.id, "kari", scope=scope),
    "Ledger.of_callback": lambda on, it, scope: on.ledger.of_callback(it.id, scope=scope),
    "Recordings.hear": lambda on, it, scope: on.recordings.hear(Actor("kari", scope), it.id),
}
OF_A_DEPARTMENT: dict[str, Ask] = {
    "Desk.claim": lambda on, it, scope: on.desk.claim(it.department, "per", scope=scope),
    "Desk.close_queue": lambda on, it, scope: on.desk.close_queue(it.department, "per", scope=scope, **NOW_AND_LATER),
    "CallbackEdits.book": lambda on, it, scope: on.errands.book(it.department, "per", person(1), phone(9), scope=scope),
    "Ledger.promises": lambda on, it, scope: on.ledger.promises(
        it.department, scope=scope, since=None, state=None, cursor=None, limit=9
    ),
    "Ledger.intake": lambda on, it, scope: on.ledger.intake(it.department, scope=scope),
    "Ledger.warnings": lambda on, it, scope: on.ledger.warnings(it.department, scope=scope, cursor=None, limit=9),
}
LISTS: dict[str, Ask] = {
    "Desk.list": lambda on, it, scope: on.desk.list(scope=scope, cursor=None, limit=9),
    "Desk.calls": lambda on, it, scope: on.desk.calls(scope=scope, incomplete=None, cursor=None, limit=9),
    "Desk.counts": lambda on, it, scope: on.desk.counts(scope=scope),
    "Ledger.at_risk": lambda on, it, scope: on.ledger.at_risk(scope=scope),
    "Changes.between": lambda on, it, scope: on.changes.between(0, 10**6, scope=scope),
}


NOT_FOR_AGENTS = {
    "Recordings.keep": "the phone door stores what the caller said",
    "Recordings.delete": "retention deletes recordings of every department",
}
"""Methods that no route calls, and who does."""


def test_every_method_that_takes_a_scope_is_tried_here() -> None:
    classes = (Desk, CallbackEdits, Dials, Ledger, Recordings, Changes)
    taking = {
        f"{of.__name__}.{name}"
        for of in classes
        for name, method in inspect.getmembers(of, inspect.isfunction)
        if not name.startswith("_") and {"scope", "unit"} & {*inspect.signature(method).parameters}
    } - {*NOT_FOR_AGENTS, *(f"{of.__name__}.together" for of in classes)}
    assert taking == {*OF_A_CALLBACK, *OF_A_DEPARTMENT, *LISTS}


async def everything(house: House, id: str) -> Any:
    """Everything of a callback that could be changed or revealed."""
    callback = await house.desk.get(id, scope=EVERYTHING)
    return callback, len(await house.desk.history(id, scope=EVERYTHING))


async def test_callback_outside_the_scope_is_not_found_and_unchanged(house: House) -> None:
    it = await house.rings()
    await house.recordings.keep(SYSTEM, it.id, bytes(800))
    await house.desk.claim_named(it.id, "kari", scope=EVERYTHING)
    await house.dials.request(it.id, "kari", 1, "kari", scope=EVERYTHING)
    before = await everything(house, it.id)
    for name, ask in OF_A_CALLBACK.items():
        for scope in FOREIGN:
            with pytest.raises(CallbackNotFound):
                await ask(house, it, scope)
            assert await everything(house, it.id) == before, (name, scope)


@pytest.mark.parametrize("scope", OWN, ids=["one", "several", "all"])
async def test_every_method_works_within_the_scope(house: House, scope: Scope) -> None:
    it = await house.rings()
    await house.recordings.keep(SYSTEM, it.id, bytes(800))
    order = ("Desk.claim_named", "Desk.extend", "Dials.request", "Dials.latest", "Dials.cancel", "Recordings.hear")
    order += ("Desk.get", "Desk.history", "Desk.patient", "Ledger.of_callback", "CallbackEdits.amend", "Desk.close")
    for name in (*order, "Desk.reopen"):
        await OF_A_CALLBACK[name](house, it, scope)
    claimed = await house.desk.claim("kirurgi", "kari", scope=scope)
    assert [each.id for each in claimed] == [it.id]
    done = await house.desk.record_attempt(it.id, "kari", claimed[0].fence, AttemptOutcome.REACHED, scope=scope)
    assert done.status is Status.CLOSED


async def test_department_outside_the_scope_is_refused_by_name(house: House) -> None:
    it = await house.rings()
    before = await everything(house, it.id)
    for name, ask in OF_A_DEPARTMENT.items():
        for scope in FOREIGN:
            with pytest.raises(DepartmentNotAllowed):
                await ask(house, it, scope)
            assert await everything(house, it.id) == before, name
    for ask in OF_A_DEPARTMENT.values():
        await ask(house, it, Scope.of(["kirurgi"]))


async def test_lists_contain_only_what_is_in_the_scope(house: House) -> None:
    there, here = await house.rings(1, "kirurgi"), await house.rings(2, "hjerte")
    await house.desk.record_call(call(3), "kirurgi", phone=phone(3), step=IncompleteStep.IDENTITY)
    for scope, seen in (
        (Scope.of(["hjerte"]), {here.id}),
        (Scope.of(["hjerte", "lunge"]), {here.id}),
        (Scope.of(["hjerte", "kirurgi"]), {here.id, there.id}),
        (EVERYTHING, {here.id, there.id}),
        (Scope.of([]), set()),
    ):
        slugs = {each.department for each in (here, there) if each.id in seen}
        assert {each.id for each in (await LISTS["Desk.list"](house, here, scope)).items} == seen
        assert {each.department for each in (await LISTS["Desk.calls"](house, here, scope)).items} == slugs
        assert {department for department, _ in await LISTS["Desk.counts"](house, here, scope)} == slugs
        assert {each.callback_id for each in await LISTS["Changes.between"](house, here, scope)} == seen
        assert await LISTS["Ledger.at_risk"](house, here, scope) == set()
    house.clock.advance(timedelta(days=7))
    assert await house.ledger.at_risk(scope=Scope.of(["hjerte"])) == {here.id}
    assert await house.ledger.at_risk(scope=EVERYTHING) == {here.id, there.id}


async def test_transferred_callback_takes_its_history_along(house: House) -> None:
    """Its history and promises move with it; a sender without access to the new department no longer sees it."""
    it = await house.rings()
    giver, receiver = Scope.of(["kirurgi"]), Scope.of(["hjerte"])
    sent = await house.errands.transfer(it.id, "kari", "hjerte", scope=giver, keep_promise=False, fence=None)
    assert (sent.callback.department, sent.sent_from) == ("hjerte", "kirurgi")
    for name in ("Desk.get", "Desk.history", "Ledger.of_callback"):
        with pytest.raises(CallbackNotFound):
            await OF_A_CALLBACK[name](house, it, giver)
    events = [row.event for row in await house.desk.history(it.id, scope=receiver)]
    assert events == ["registered", "transferred_out", "transferred_in"]
    assert len(await house.ledger.of_callback(it.id, scope=receiver)) == 2


async def test_simultaneous_completions_reach_only_their_own_departments(house: House) -> None:
    """Completions of several agents share a statement, and each uses its own scope."""
    here, there = await house.rings(1, "kirurgi"), await house.rings(2, "hjerte")
    for each in (here, there):
        await house.desk.claim_named(each.id, "kari", scope=EVERYTHING)
    mine = Scope.of(["hjerte"])
    refused, done = await asyncio.gather(_closed(house, here, mine), _closed(house, there, mine))
    assert isinstance(refused, CallbackNotFound) and done.status is Status.CLOSED
    assert (await house.desk.get(here.id, scope=EVERYTHING)).status is Status.CLAIMED


async def _closed(house: House, callback: Callback, scope: Scope) -> Any:
    try:
        return await house.desk.close(callback.id, "kari", ClosedReason.REACHED, fence=1, scope=scope)
    except CallbackNotFound as error:
        return error


@pytest.mark.parametrize("opened", ["kirurgi", "lunge"])
async def test_access_by_emergency_alone_is_recorded(house: House, opened: str) -> None:
    here, there = await house.rings(1, "kirurgi"), await house.rings(2, "hjerte")
    scope = Scope.of(["hjerte"]).widened([opened])
    await house.desk.get(there.id, scope=scope)
    await house.desk.claim_named(there.id, "kari", scope=scope)
    await house.desk.close(there.id, "kari", ClosedReason.REACHED, fence=1, scope=scope)
    assert not scope.touched
    if opened == "kirurgi":
        await house.desk.claim_named(here.id, "kari", scope=scope)
        await house.desk.close(here.id, "kari", ClosedReason.REACHED, fence=1, scope=scope)
        assert scope.touched == {"kirurgi"}
