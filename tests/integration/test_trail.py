"""What is shown leaves the same trail in every kind of answer. A route that shows a patient without one is found."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest
from fastapi import Request, WebSocket
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse

from api.web.audit_rules import MissingAuditRule, audited, require_audit_rules
from api.web.middleware.trace import trace_of
from desk.access.actor import SYSTEM, Actor
from desk.access.permissions import EVERYTHING
from desk.access.trail import NO_TRAIL
from desk.audit.actions import AuditAction
from desk.audit.audit import AuditEntry
from desk.callbacks.model import callback_id
from desk.database.errors import StorageUnavailable
from tests.support.desk.audit import everything
from tests.support.synthetic import synthetic_identity
from tests.support.web.api import World, open_world, refused
from tests.support.web.witness import UnrecordedPatient, websocket

KINDS: Final = ("json", "html", "csv", "lazy csv", "stream", "websocket")

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
"""What each engine does is tested where its rows are written."""


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        yield world


def plant(world: World, *, honest: bool) -> None:
    """Add a route for each kind of answer. All show the same patient; dishonest ones read as if no person asked."""

    async def patient(request: Request | WebSocket, id: UUID) -> tuple[str, str]:
        trail = trace_of(request).trail if honest else NO_TRAIL
        actor = Actor("kari", EVERYTHING, trail)
        callback = await world.services.callbacks.lists.get(actor, callback_id(str(id)))
        number = await world.services.callbacks.identity_reveal.reveal(actor, callback.id)
        return callback.id, number.value if number else ""

    @world.app.get("/planted/json/{callback:uuid}")
    @audited(AuditAction.GET_CALLBACK)
    async def json(callback: UUID, request: Request) -> Response:
        return JSONResponse(await patient(request, callback))

    @world.app.get("/planted/html/{callback:uuid}")
    @audited(AuditAction.GET_CALLBACK)
    async def html(callback: UUID, request: Request) -> Response:
        id, number = await patient(request, callback)
        return HTMLResponse(f"<h1 id={id}>{number}</h1>")

    @world.app.get("/planted/csv/{callback:uuid}")
    @audited(AuditAction.GET_CALLBACK)
    async def csv(callback: UUID, request: Request) -> Response:
        return Response(";".join(await patient(request, callback)), media_type="text/csv")

    async def parts(request: Request, callback: UUID) -> AsyncIterator[str]:
        yield "data: "
        yield ";".join(await patient(request, callback)) + "\n\n"

    @world.app.get("/planted/lazy csv/{callback:uuid}")
    @audited(AuditAction.GET_CALLBACK)
    async def lazy_csv(callback: UUID, request: Request) -> Response:
        return StreamingResponse(parts(request, callback), media_type="text/csv")

    @world.app.get("/planted/stream/{callback:uuid}")
    @audited(AuditAction.GET_CALLBACK)
    async def stream(callback: UUID, request: Request) -> Response:
        return StreamingResponse(parts(request, callback), media_type="text/event-stream")

    @world.app.websocket("/planted/websocket/{callback:uuid}")
    @audited(AuditAction.GET_CALLBACK)
    async def socket(callback: UUID, websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(";".join(await patient(websocket, callback)))
        await websocket.close()


async def ask(world: World, kind: str, id: str) -> str:
    """What leaves."""
    if kind != "websocket":
        return (await world.client.get(f"/planted/{kind}/{id}")).text
    return "".join(message.get("text", "") for message in await websocket(world.witness, f"/planted/websocket/{id}"))


@pytest.mark.parametrize("kind", KINDS)
async def test_patient_shown_in_any_kind_of_answer_leaves_the_same_trail(world: World, kind: str) -> None:
    callback = await world.rings(1)
    plant(world, honest=True)
    shown = await ask(world, kind, callback.id)
    assert callback.id in shown and synthetic_identity(1) in shown
    rows = await everything(world.database)
    assert {row.action for row in rows} == {"get_callback"}
    assert {(each.callback_id, each.department) for row in rows for each in row.seen} == {(callback.id, "kirurgi")}
    assert {row.patient_index for row in rows if row.patient_index} == {callback.patient_index}
    await world.witness.check()


@pytest.mark.parametrize("kind", KINDS)
async def test_route_that_shows_a_patient_without_a_trail_is_found(world: World, kind: str) -> None:
    callback = await world.rings(1)
    plant(world, honest=False)
    assert synthetic_identity(1) in await ask(world, kind, callback.id)
    with pytest.raises(UnrecordedPatient, match=f"{callback.id}; .* identity number"):
        await world.witness.check()


async def test_each_identity_number_of_an_answer_gets_a_row(world: World) -> None:
    @world.app.get("/planted")
    @audited(AuditAction.GET_PATIENT)
    async def two(request: Request) -> Response:
        trace_of(request).trail.revealed(synthetic_identity(1))
        trace_of(request).trail.revealed(synthetic_identity(2))
        return Response(f"{synthetic_identity(1)}\n{synthetic_identity(2)}", media_type="text/csv")

    await world.client.get("/planted")
    assert len({row.patient_index for row in await everything(world.database)}) == 2


async def test_route_without_an_audit_rule_is_refused_at_start_and_when_asked(world: World) -> None:
    @world.app.get("/planted")
    async def forgotten() -> Response:
        return Response("something")

    with pytest.raises(MissingAuditRule, match=r"/planted \(.*forgotten\)"):
        require_audit_rules(world.app)
    answer = await world.client.get("/planted")
    refused(answer, 500, "internal-error")


class _Away:
    """An audit that cannot be written from some row on."""

    def __init__(self, world: World, *, after: int) -> None:
        self._record, self._left = world.services.audit.record, after
        world.services.audit.record = self.record  # type: ignore[method-assign]

    async def record(self, entry: AuditEntry) -> None:
        self._left -= 1
        if self._left < 0:
            raise StorageUnavailable
        await self._record(entry)


@pytest.mark.parametrize("written", [0, 1])
async def test_websocket_sends_no_identity_number_that_cannot_be_written(world: World, written: int) -> None:
    callback = await world.rings(1)
    plant(world, honest=True)
    _Away(world, after=written)
    messages = await websocket(world.witness, f"/planted/websocket/{callback.id}")
    assert [message["type"] for message in messages] == ["websocket.accept"] * written + ["websocket.close"]
    assert messages[-1]["code"] == 1013


async def test_refused_websocket_leaves_a_row(world: World) -> None:
    @world.app.websocket("/planted")
    @audited(AuditAction.EVENTS)
    async def refusing(websocket: WebSocket) -> None:
        await websocket.close()

    await websocket(world.witness, "/planted")
    (row,) = await everything(world.database)
    assert (row.action, row.outcome, row.status) == ("events", "refused", 403)


async def test_repeated_request_leaves_the_trail_of_the_first(world: World) -> None:
    callback = await world.rings(1)
    for _ in range(2):
        answer = await world.as_(
            "kari", "POST", "/callbacks/claim", json={"department": "kirurgi"}, headers={"Idempotency-Key": "one"}
        )
        assert answer.json()["items"][0]["id"] == callback.id
        assert [each.callback_id for each in (await everything(world.database))[-1].seen] == [callback.id]
    assert answer.headers["idempotency-replayed"] == "true"


async def test_page_that_is_read_once_for_several_agents_is_on_the_trail_of_each(world: World) -> None:
    callback = await world.rings(1)
    names = ("kari", "ola")
    for name in names:
        await world.token(name)
    await asyncio.gather(*(world.as_(name, "GET", "/callbacks") for name in names))
    rows = await everything(world.database)
    assert {row.who: [each.callback_id for each in row.seen] for row in rows} == {name: [callback.id] for name in names}


async def test_service_itself_leaves_no_trail(world: World) -> None:
    callback = await world.rings(1)
    await world.services.callbacks.lists.get(SYSTEM, callback.id)
    assert not SYSTEM.trail.callbacks
