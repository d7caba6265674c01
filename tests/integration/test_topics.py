"""Topics: what callbacks are about, set one by one or many at once."""

import pytest

from desk.access.actor import CALLER, Actor
from desk.access.permissions import EVERYTHING, Scope
from desk.callbacks.services import CallbackServices
from desk.inquiries.errors import UnknownTopic
from desk.inquiries.model import ClosedReason, InquiryFilter, Priority
from tests.support.desk.desk import call, person, phone

KARI = Actor("kari", EVERYTHING)
IN_HEART = Actor("hilde", Scope.of(["hjerte"]))


async def rings(desk: CallbackServices, n: int, department: str = "kirurgi") -> str:
    return (await desk.registration.register(CALLER, call(n), department, person(n), phone(n))).callback.id


async def test_several_callbacks_are_sorted_at_once(desk: CallbackServices) -> None:
    first, second, third = [await rings(desk, n) for n in (1, 2, 3)]
    changed = await desk.edits.sort(KARI, [third, first], topic="resept", priority=Priority.URGENT)
    assert [(each.id, each.topic, each.priority) for each in changed] == [
        (third, "resept", Priority.URGENT),
        (first, "resept", Priority.URGENT),
    ]
    found = await desk.lists.queue(KARI, InquiryFilter(topic="resept"))
    assert {each.id for each in found.items} == {first, third}
    unsorted = await desk.lists.queue(KARI, InquiryFilter(topic=""))
    assert [each.id for each in unsorted.items] == [second]
    history = await desk.lists.history(KARI, first)
    assert history[-1].details == {"note": False, "priority": "urgent", "topic": "resept"}


async def test_sorting_leaves_out_closed_callbacks_and_those_out_of_sight(desk: CallbackServices) -> None:
    first, second = await rings(desk, 1), await rings(desk, 2)
    await desk.outcomes.close(KARI, first, ClosedReason.OTHER, fence=None)
    assert [each.id for each in await desk.edits.sort(KARI, [first, second], topic="time")] == [second]
    assert await desk.edits.sort(IN_HEART, [second], topic="time") == []


async def test_topic_of_another_department_is_refused_and_nothing_changes(desk: CallbackServices) -> None:
    own, other = await rings(desk, 1), await rings(desk, 2, "hjerte")
    with pytest.raises(UnknownTopic):
        await desk.edits.sort(KARI, [own, other], topic="resept")
    assert (await desk.lists.get(KARI, own)).topic is None


async def test_empty_topic_removes_it_and_repeating_changes_nothing(desk: CallbackServices) -> None:
    id = await rings(desk, 1)
    (sorted_,) = await desk.edits.sort(KARI, [id], topic="time")
    assert (await desk.edits.sort(KARI, [id], topic="time"))[0].version == sorted_.version
    assert (await desk.edits.amend(KARI, id, versions=None, topic="")).topic is None


async def test_transfer_drops_a_topic_that_the_new_department_lacks(desk: CallbackServices) -> None:
    id = await rings(desk, 1)
    await desk.edits.sort(KARI, [id], topic="time")
    sent = await desk.edits.transfer(KARI, id, "hjerte", keep_promise=False, fence=None)
    assert sent.callback.topic is None
