"""Scope: no method of the desk finds, changes or reveals a callback outside it."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from desk.access.actor import CALLER, SYSTEM, Actor
from desk.access.errors import DepartmentNotAllowed
from desk.access.permissions import EVERYTHING, Scope
from desk.callbacks.edits import CallbackEdits
from desk.callbacks.errors import CallbackNotFound
from desk.callbacks.identity_reveal import IdentityReveal
from desk.callbacks.incomplete import IncompleteCalls
from desk.callbacks.lists import CallbackLists
from desk.callbacks.model import AttemptOutcome, Callback, IncompleteStep
from desk.callbacks.outcomes import Outcomes
from desk.callbacks.records import CallbackRecords
from desk.callbacks.search import CallbackSearch
from desk.callbacks.services import CallbackServices
from desk.clock import SystemClock
from desk.database.engine import Database
from desk.dials.dials import Dials
from desk.history.feed import Changes
from desk.inquiries.claiming import Claiming
from desk.inquiries.model import ClosedReason, InquiryFilter, Priority, Status
from desk.ledger.ledger import Ledger
from desk.promises.closures import Closures
from desk.recordings.recordings import Recordings
from desk.vault.vault import Vault
from tests.support.desk.desk import DEPARTMENTS, KEYS, as_agent, call, make_desk, person, phone
from tests.support.fakes import FakeClock

FOREIGN = (Scope.of(["hjerte"]), Scope.of(["hjerte", "lunge"]), Scope.of([]))
OWN = (Scope.of(["kirurgi"]), Scope.of(["hjerte", "kirurgi"]), EVERYTHING)


@dataclass
class House:
    """Everything that takes a scope, on one database."""

    database: Database
    desk: CallbackServices
    edits: CallbackEdits
    dials: Dials
    ledger: Ledger
    recordings: Recordings
    changes: Changes
    clock: FakeClock

    async def rings(self, n: int = 1, department: str = "kirurgi") -> Callback:
        return (await self.desk.registration.register(CALLER, call(n), department, person(n), phone(n))).callback


@pytest.fixture
def house(database: Database, clock: FakeClock) -> House:
    vault, desk = Vault(**KEYS), make_desk(database, clock)
    queue = {"database": database, "departments": lambda: DEPARTMENTS, "clock": clock}
    return House(
        database,
        desk,
        desk.edits,
        Dials(**queue, claiming=desk.claiming, outcomes=desk.outcomes),
        Ledger(**queue, lease=timedelta(minutes=15)),
        Recordings(database=database, vault=vault, clock=clock),
        Changes(database=database, clock=SystemClock()),
        clock,
    )


Ask = Callable[[House, Callback, Scope], Awaitable[Any]]
NOW_AND_LATER = {"from_": FakeClock().now(), "until": FakeClock().now() + timedelta(hours=1)}

OF_A_CALLBACK: dict[str, Ask] = {
    "CallbackLists.get": lambda on, it, scope: on.desk.lists.get(as_agent("reader", scope), it.id),
    "CallbackLists.history": lambda on, it, scope: on.desk.lists.history(as_agent("reader", scope), it.id),
    "CallbackLists.others_of_person": lambda on, it, scope: on.desk.lists.others_of_person(
        as_agent("reader", scope), it.id, 9
    ),
    "CallbackRecords.get": lambda on, it, scope: on.desk.records.get(as_agent("reader", scope), it.id),
    "IdentityReveal.reveal": lambda on, it, scope: on.desk.identity_reveal.reveal(as_agent("kari", scope), it.id),
    "Claiming.claim_named": lambda on, it, scope: on.desk.claiming.claim_named(as_agent("kari", scope), it.id),
    "Claiming.extend": lambda on, it, scope: on.desk.claiming.extend(as_agent("kari", scope), it.id, 1),
    "Claiming.release": lambda on, it, scope: on.desk.claiming.release(as_agent("kari", scope), it.id, 1),
    "Outcomes.record_attempt": lambda on, it, scope: on.desk.outcomes.record_attempt(
        as_agent("kari", scope), it.id, 1, AttemptOutcome.REACHED
    ),
    "Outcomes.close": lambda on, it, scope: on.desk.outcomes.close(
        as_agent("kari", scope), it.id, ClosedReason.OTHER, fence=1
    ),
    "Outcomes.reopen": lambda on, it, scope: on.desk.outcomes.reopen(as_agent("kari", scope), it.id),
    "CallbackEdits.amend": lambda on, it, scope: on.edits.amend(
        as_agent("kari", scope), it.id, versions=None, note="ny"
    ),
    "CallbackEdits.transfer": lambda on, it, scope: on.edits.transfer(
        as_agent("kari", scope), it.id, "hjerte", keep_promise=True, fence=1
    ),
    "CallbackEdits.promise_again": lambda on, it, scope: on.edits.promise_again(
        as_agent("kari", scope), it.id, by=None, fence=1, sms=False
    ),
    "CallbackEdits.count_transfer": lambda on, it, scope: on.edits.count_transfer(as_agent("kari", scope), it.id),
    "Dials.request": lambda on, it, scope: on.dials.request(as_agent("kari", scope), it.id, 1, "kari"),
    "Dials.latest": lambda on, it, scope: on.dials.latest(as_agent("reader", scope), it.id),
    "Dials.cancel": lambda on, it, scope: on.dials.cancel(as_agent("kari", scope), it.id),
    "Ledger.of_callback": lambda on, it, scope: on.ledger.of_callback(as_agent("lise", scope), it.id),
    "Recordings.hear": lambda on, it, scope: on.recordings.hear(Actor("kari", scope), it.id),
}
OF_A_DEPARTMENT: dict[str, Ask] = {
    "Claiming.claim": lambda on, it, scope: on.desk.claiming.claim(as_agent("per", scope), it.department),
    "Closures.close_queue": lambda on, it, scope: on.desk.closures.close_queue(
        as_agent("per", scope), it.department, **NOW_AND_LATER
    ),
    "Closures.list_closures": lambda on, it, scope: on.desk.closures.list_closures(
        as_agent("per", scope), it.department
    ),
    "Closures.end": lambda on, it, scope: on.desk.closures.end(as_agent("per", scope), it.department, 1),
    "CallbackEdits.book": lambda on, it, scope: on.edits.book(
        as_agent("per", scope), it.department, person(1), phone(9)
    ),
    "Ledger.promises": lambda on, it, scope: on.ledger.promises(
        as_agent("lise", scope), it.department, since=None, state=None, cursor=None, limit=9
    ),
    "Ledger.outlook": lambda on, it, scope: on.ledger.outlook(as_agent("lise", scope), it.department),
    "Ledger.intake": lambda on, it, scope: on.ledger.intake(as_agent("lise", scope), it.department),
    "Ledger.warnings": lambda on, it, scope: on.ledger.warnings(
        as_agent("lise", scope), it.department, cursor=None, limit=9
    ),
}
LISTS: dict[str, Ask] = {
    "CallbackLists.page": lambda on, it, scope: on.desk.lists.page(as_agent("reader", scope), limit=9),
    "CallbackRecords.page": lambda on, it, scope: on.desk.records.page(
        as_agent("reader", scope), InquiryFilter(), cursor=None, limit=9
    ),
    "CallbackLists.queue": lambda on, it, scope: on.desk.lists.queue(
        as_agent("reader", scope), InquiryFilter(), limit=9
    ),
    "CallbackLists.calls": lambda on, it, scope: on.desk.lists.calls(
        as_agent("reader", scope), incomplete=None, cursor=None, limit=9
    ),
    "CallbackLists.counts": lambda on, it, scope: on.desk.lists.counts(as_agent("reader", scope)),
    "Ledger.at_risk": lambda on, it, scope: on.ledger.at_risk(as_agent("lise", scope)),
    "Changes.between": lambda on, it, scope: on.changes.between(as_agent("reader", scope), 0, 10**6),
    "Claiming.held": lambda on, it, scope: on.desk.claiming.held(as_agent("reader", scope)),
    "CallbackEdits.sort": lambda on, it, scope: on.edits.sort(
        as_agent("kari", scope), [it.id], priority=Priority.URGENT
    ),
}


NOT_FOR_AGENTS = {
    "Claiming.expire_leases": "the service ends the leases of every department",
    **dict.fromkeys(
        (f"Dials.{name}" for name in ("waiting", "take", "inherit", "live", "end_forgotten", "to_cancel")),
        "the controller makes the calls of every department",
    ),
    **dict.fromkeys((f"Dials.{name}" for name in ("advance", "end", "extend")), "the controller has the dial"),
    "Dials.trunk_use": "the trunk's hourly budget is the whole hospital's",
    "Recordings.keep": "the phone door stores what the caller said",
    "Changes.settled_end": "a position in the history, which says nothing of any callback",
    "Closures.closed_now": "a callback can be transferred to any department, so all see which are closed",
}
"""Methods that reach every department, and why."""

TRIED_ELSEWHERE = {
    "IdentityReveal.reveal_of_call": "test_desk_register.py: it takes a call, not a callback",
    "CallbackSearch.find": "test_search.py",
    "CallbackRecords.dated": "test_fhir_access.py: it takes callbacks that a search within a scope has found",
    **dict.fromkeys(
        (f"IncompleteCalls.{name}" for name in ("waiting", "count", "dismiss", "book")), "test_incomplete_calls.py"
    ),
}


def test_every_method_that_takes_a_scope_is_tried_here() -> None:
    classes = (
        *(Claiming, Outcomes, CallbackEdits, CallbackLists, IdentityReveal, Closures, CallbackSearch, IncompleteCalls),
        *(CallbackRecords, Dials, Ledger, Recordings, Changes),
    )
    taking = {
        f"{of.__name__}.{name}"
        for of in classes
        for name, method in inspect.getmembers(of, inspect.isfunction)
        if not name.startswith("_") and {"scope", "unit", "by"} & {*inspect.signature(method).parameters}
    } - {*NOT_FOR_AGENTS, *TRIED_ELSEWHERE}
    assert taking == {*OF_A_CALLBACK, *OF_A_DEPARTMENT, *LISTS}


async def everything(house: House, id: str) -> Any:
    """Everything of a callback that could be changed or revealed."""
    callback = await house.desk.lists.get(SYSTEM, id)
    return callback, len(await house.desk.lists.history(SYSTEM, id))


async def test_callback_outside_the_scope_is_not_found_and_unchanged(house: House) -> None:
    it = await house.rings()
    await house.recordings.keep(SYSTEM, it.id, bytes(800))
    await house.desk.claiming.claim_named(as_agent("kari"), it.id)
    await house.dials.request(as_agent("kari"), it.id, 1, "kari")
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
    order = (
        "Claiming.claim_named",
        "Claiming.extend",
        "Dials.request",
        "Dials.latest",
        "Dials.cancel",
        "Recordings.hear",
    )
    order += (
        "CallbackLists.get",
        "CallbackLists.history",
        "CallbackLists.others_of_person",
        "IdentityReveal.reveal",
        "Ledger.of_callback",
        "CallbackEdits.amend",
        "Outcomes.close",
    )
    for name in (*order, "Outcomes.reopen"):
        await OF_A_CALLBACK[name](house, it, scope)
    claimed = await house.desk.claiming.claim(as_agent("kari", scope), "kirurgi")
    assert [each.id for each in claimed] == [it.id]
    done = await house.desk.outcomes.record_attempt(
        as_agent("kari", scope), it.id, claimed[0].fence, AttemptOutcome.REACHED
    )
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
    await house.desk.registration.record_call(CALLER, call(3), "kirurgi", phone=phone(3), step=IncompleteStep.IDENTITY)
    for scope, seen in (
        (Scope.of(["hjerte"]), {here.id}),
        (Scope.of(["hjerte", "lunge"]), {here.id}),
        (Scope.of(["hjerte", "kirurgi"]), {here.id, there.id}),
        (EVERYTHING, {here.id, there.id}),
        (Scope.of([]), set()),
    ):
        slugs = {each.department for each in (here, there) if each.id in seen}
        assert {each.id for each in (await LISTS["CallbackLists.page"](house, here, scope)).items} == seen
        assert {each.callback.id for each in (await LISTS["CallbackRecords.page"](house, here, scope)).items} == seen
        assert {each.department for each in (await LISTS["CallbackLists.calls"](house, here, scope)).items} == slugs
        assert {department for department, _ in await LISTS["CallbackLists.counts"](house, here, scope)} == slugs
        assert {each.callback_id for each in await LISTS["Changes.between"](house, here, scope)} == seen
        assert await LISTS["Ledger.at_risk"](house, here, scope) == set()
        assert {each.id for each in await LISTS["CallbackEdits.sort"](house, there, scope)} == {there.id} & seen
    await house.desk.claiming.claim_named(as_agent("per", EVERYTHING), there.id)
    for scope, counts in ((Scope.of(["hjerte"]), {}), (Scope.of(["kirurgi"]), {("kirurgi", "per"): 1})):
        assert await LISTS["Claiming.held"](house, there, scope) == counts
    house.clock.advance(timedelta(days=7))
    assert await house.ledger.at_risk(as_agent("lise", Scope.of(["hjerte"]))) == {here.id}
    assert await house.ledger.at_risk(as_agent("lise", EVERYTHING)) == {here.id, there.id}


async def test_transferred_callback_takes_its_history_along(house: House) -> None:
    """Its history and promises move with it; a sender without access to the new department no longer sees it."""
    it = await house.rings()
    giver, receiver = Scope.of(["kirurgi"]), Scope.of(["hjerte"])
    sent = await house.edits.transfer(as_agent("kari", giver), it.id, "hjerte", keep_promise=False, fence=None)
    assert (sent.callback.department, sent.sent_from) == ("hjerte", "kirurgi")
    for name in ("CallbackLists.get", "CallbackLists.history", "Ledger.of_callback"):
        with pytest.raises(CallbackNotFound):
            await OF_A_CALLBACK[name](house, it, giver)
    events = [row.event for row in await house.desk.lists.history(as_agent("reader", receiver), it.id)]
    assert events == ["registered", "transferred_out", "transferred_in"]
    assert len(await house.ledger.of_callback(as_agent("lise", receiver), it.id)) == 2


async def test_simultaneous_completions_reach_only_their_own_departments(house: House) -> None:
    """Completions of several agents share a statement, and each uses its own scope."""
    here, there = await house.rings(1, "kirurgi"), await house.rings(2, "hjerte")
    for each in (here, there):
        await house.desk.claiming.claim_named(as_agent("kari"), each.id)
    mine = Scope.of(["hjerte"])
    refused, done = await asyncio.gather(_closed(house, here, mine), _closed(house, there, mine))
    assert isinstance(refused, CallbackNotFound) and done.status is Status.CLOSED
    assert (await house.desk.lists.get(SYSTEM, here.id)).status is Status.CLAIMED


async def _closed(house: House, callback: Callback, scope: Scope) -> Any:
    try:
        return await house.desk.outcomes.close(as_agent("kari", scope), callback.id, ClosedReason.REACHED, fence=1)
    except CallbackNotFound as error:
        return error


@pytest.mark.parametrize("opened", ["kirurgi", "lunge"])
async def test_access_by_emergency_alone_is_recorded(house: House, opened: str) -> None:
    here, there = await house.rings(1, "kirurgi"), await house.rings(2, "hjerte")
    scope = Scope.of(["hjerte"]).widened([opened])
    kari = as_agent("kari", scope)
    await house.desk.lists.get(kari, there.id)
    await house.desk.claiming.claim_named(kari, there.id)
    await house.desk.outcomes.close(kari, there.id, ClosedReason.REACHED, fence=1)
    assert not kari.trail.borrowed
    if opened == "kirurgi":
        await house.desk.claiming.claim_named(kari, here.id)
        await house.desk.outcomes.close(kari, here.id, ClosedReason.REACHED, fence=1)
        assert kari.trail.borrowed == {"kirurgi"}
