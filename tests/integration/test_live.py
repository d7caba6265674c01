"""GET /events over a real socket: which events arrive, for whom, from where, and when the stream ends; both engines."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, MutableMapping
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event as sqlalchemy_event

from api.upkeep import background_work
from api.web.events.live import MOST_READERS, Ending, EventReader
from api.web.events.stream import EventStream
from desk.access.actor import SYSTEM, Actor
from desk.access.permissions import Grant, Role, Scope
from desk.accounts.sessions.model import LoginSource
from desk.clock import SystemClock
from desk.database.errors import StorageUnavailable
from desk.history import repository as history
from desk.history.feed import Tail
from desk.history.model import HistoryEntry
from desk.ids import CallbackId
from desk.inquiries.claiming import LEASE
from desk.vault.errors import CannotOpen
from tests.support.desk.desk import as_agent
from tests.support.desk.units import a_unit
from tests.support.web.api import World
from tests.support.web.live import SECONDS, Served, listening_to, parsed, served

FIELDS = {"id", "event", "at", "callback", "department", "actor", "from_status", "to_status", "version"}


@pytest.fixture
async def api(migrated_url: str, tmp_path: Path) -> AsyncIterator[Served]:
    async with served(migrated_url, tmp_path) as running:
        yield running


async def much_happens(world: World, callback_id: CallbackId, count: int, department: str = "kirurgi") -> None:
    """Insert `count` changes at once, directly into the history."""
    entries = [HistoryEntry(callback_id, department, f"event-{n}") for n in range(count)]
    for first in range(0, count, 500):
        async with a_unit(world.database, clock=SystemClock(), actor=as_agent("kari")) as unit:
            await history.add(unit, entries[first : first + 500])


async def test_each_change_arrives_once_in_order_without_personal_data(api: Served) -> None:
    async with listening_to(api.url, await api.token()) as stream:
        await stream.opened()
        callback = await api.world.rings(1)
        (claimed,) = (await api.world.post("/callbacks/claim", {"department": "kirurgi"}))["items"]
        await api.world.post(f"/callbacks/{callback.id}/attempts", {"fence": claimed["fence"], "outcome": "busy"})
        told = await stream.changes(3)
    assert [(each["event"], each["from_status"], each["to_status"], each["actor"]) for each in told] == [
        ("registered", None, "waiting", "caller"),
        ("claimed", "waiting", "claimed", "kari"),
        ("attempt", "claimed", "waiting", "kari"),
    ]
    assert [each["id"] for each in told] == sorted({each["id"] for each in told})
    assert {frozenset(each) for each in told} == {frozenset(FIELDS)}
    assert {(each["callback"], each["department"]) for each in told} == {(callback.id, "kirurgi")}
    assert told[1]["version"] == claimed["version"]
    assert all(each["at"].endswith("Z") for each in told)
    assert callback.phone.e164 not in json.dumps(told)
    assert str(callback.patient_masked) not in json.dumps(told)


async def test_reconnecting_client_gets_the_rest_without_gaps_or_duplicates(api: Served) -> None:
    token = await api.token()
    async with listening_to(api.url, token) as stream:
        await stream.opened()
        for n in range(3):
            await api.world.rings(n)
        first = await stream.changes(2)
    for n in range(3, 6):
        await api.world.rings(n)
    async with listening_to(api.url, token, after=first[-1]["id"]) as stream:
        missed = await stream.changes(4)
        await api.world.rings(6)
        after = await stream.changes(1)
    history = [(await api.world.get(f"/callbacks/{each['callback']}/history"))["items"] for each in first + missed]
    assert [row["id"] for rows in history for row in rows] == [each["id"] for each in first + missed]
    assert after[0]["id"] > missed[-1]["id"]


async def test_client_cut_off_before_any_event_still_knows_its_position(api: Served) -> None:
    await api.world.rings(1)
    token = await api.token()
    async with listening_to(api.url, token) as stream:
        await stream.opened()
    await api.world.rings(2)
    async with listening_to(api.url, token, after=stream.last_id) as again:
        assert [each["event"] for each in await again.changes(1)] == ["registered"]


async def test_reader_sees_only_its_own_departments(api: Served) -> None:
    token = await api.token("ola", "hjerte")
    async with listening_to(api.url, token) as live:
        await live.opened()
        kirurgi, hjerte = await api.world.rings(1), await api.world.rings(2, department="hjerte")
        assert [each["callback"] for each in await live.changes(1)] == [hjerte.id]
    async with listening_to(api.url, token, after=0, query="?seconds=0") as missed:
        assert [block.data["callback"] for block in await missed.rest() if block.is_change] == [hjerte.id]
    async with listening_to(api.url, await api.token(), after=0, query="?seconds=0&department=kirurgi") as one:
        assert [block.data["callback"] for block in await one.rest() if block.is_change] == [kirurgi.id]


async def test_position_advances_in_a_quiet_department(api: Served) -> None:
    """The position also covers changes of other departments, so that reconnecting does not take longer and longer."""
    await api.world.rings(1)
    async with listening_to(api.url, await api.token("ola", "hjerte"), after=0, query="?seconds=0") as stream:
        blocks = await stream.rest()
    assert not [block for block in blocks if block.is_change]
    async with listening_to(api.url, await api.token(), after=0, query="?seconds=0") as everything:
        assert stream.last_id == (await everything.changes(1))[-1]["id"]


@pytest.mark.parametrize(
    ("query", "headers", "status", "problem"),
    [
        ("", {"Last-Event-ID": "yesterday"}, 422, "invalid-input"),
        ("", {"Last-Event-ID": "-1"}, 422, "invalid-input"),
        ("", {"Last-Event-ID": "9" * 30}, 422, "invalid-input"),
        ("?seconds=x", {}, 422, "invalid-input"),
        ("?department=hjerte", {}, 403, "department-not-allowed"),
        ("", {"Authorization": "Bearer inn_nobody"}, 401, "not-signed-in"),
    ],
)
async def test_invalid_stream_is_refused_before_it_starts(
    api: Served, query: str, headers: dict[str, str], status: int, problem: str
) -> None:
    mine = {"Authorization": f"Bearer {await api.token('kirurg', 'kirurgi')}"}
    answer = await api.world.client.get(f"/api/v1/events{query}", headers=mine | headers)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:innringing:problem:{problem}")


async def test_operator_may_not_read_events(api: Served) -> None:
    token = await api.world.token("drift", Role.OPERATOR)
    answer = await api.world.client.get("/api/v1/events", headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["type"] == "urn:innringing:problem:role-not-allowed"


async def test_foreign_or_expired_id_starts_a_new_stream(api: Served) -> None:
    callback = await api.world.rings(1)
    token = await api.token()
    async with listening_to(api.url, token, after=4711, query="?seconds=0") as stream:
        blocks = await stream.rest()
    assert [block.event for block in blocks if block.data is not None] == ["reset"]
    await much_happens(api.world, callback.id, 10_001)
    async with listening_to(api.url, token, after=0) as stream:
        await stream.opened()
        await api.world.rings(2)
        assert [each["event"] for each in await stream.changes(1)] == ["registered"]


async def test_thousands_of_missed_events_arrive_completely(api: Served) -> None:
    callback = await api.world.rings(1)
    await much_happens(api.world, callback.id, 2_500)
    async with listening_to(api.url, await api.token(), after=0) as stream:
        told = await stream.changes(2_501)
    assert [each["event"] for each in told] == ["registered", *(f"event-{n}" for n in range(2_500))]


async def test_reader_that_does_not_read_is_cut_off_and_can_resume(api: Served) -> None:
    callback = await api.world.rings(1)
    token = await api.token()
    lazy = socket.socket()
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    lazy.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(lazy, ("127.0.0.1", int(api.url.rpartition(":")[2])))
    request = f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    await loop.sock_sendall(lazy, request.encode())
    begun = await loop.sock_recv(lazy, 200)
    assert begun.startswith(b"HTTP/1.1 200")
    async with listening_to(api.url, token) as quick:
        await quick.opened()
        assert len(api.live.readers) == 2
        writing = asyncio.create_task(much_happens(api.world, callback.id, 4_000))
        told = await quick.changes(4_000)
        await writing
        assert [each["event"] for each in told] == [f"event-{n}" for n in range(4_000)]
        await until_readers(api, 1)
        got = begun.decode() + await asyncio.to_thread(all_that_is_left, lazy)
        ids = [parsed(text).data["id"] for text in got.split("\n\n") if '"version"' in text]
        assert 0 < len(ids) < 4_000
    async with listening_to(api.url, token, after=ids[-2], query="?seconds=0") as again:
        rest = [block.data["id"] for block in await again.rest() if block.is_change]
    assert ids[:-1] + rest == [each["id"] for each in told]


def all_that_is_left(lazy: socket.socket) -> str:
    """What the server had already handed to the operating system before the cut."""
    lazy.setblocking(True)
    lazy.settimeout(20)
    with lazy:
        return b"".join(iter(lambda: lazy.recv(65536), b"")).decode(errors="replace")


async def until_readers(api: Served, count: int) -> None:
    for _ in range(600):
        if len(api.live.readers) == count:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{len(api.live.readers)} readers")


async def test_revoked_token_ends_only_its_own_streams(migrated_url: str, tmp_path: Path) -> None:
    async with served(migrated_url, tmp_path, recheck_seconds=0.1) as api:
        theirs, mine = await api.token("ola"), await api.token()
        async with listening_to(api.url, theirs) as revoked, listening_to(api.url, mine) as other:
            await revoked.opened()
            await other.opened()
            await api.world.services.agents.revoke(SYSTEM, "ola")
            await revoked.rest()
            assert revoked.ended
            await api.world.rings(1)
            assert len(await other.changes(1)) == 1


async def test_failed_check_of_one_reader_ends_it_and_does_not_stop_other_checks(
    migrated_url: str, tmp_path: Path
) -> None:
    async def broken() -> bool:
        raise CannotOpen

    async with served(migrated_url, tmp_path, recheck_seconds=0.1) as api:
        unlucky = EventReader(Actor("kari", Scope.of([])), broken)
        async with listening_to(api.url, await api.token("ola")) as withdrawn:
            await withdrawn.opened()
            with api.live.reading(unlucky):
                await asyncio.wait_for(unlucky.ended.wait(), SECONDS)
            assert unlucky.ending is Ending.ACCESS_ENDED
            await api.world.services.agents.withdraw(SYSTEM, "ola", [Grant(Role.AGENT, "*")])
            await withdrawn.rest()
            assert withdrawn.ended


async def test_open_stream_does_not_keep_a_session_alive(migrated_url: str, tmp_path: Path) -> None:
    async with served(migrated_url, tmp_path, recheck_seconds=0.1) as api:
        await api.token("kari")
        login = await api.world.services.sessions.open(SYSTEM, "kari", source=LoginSource.PASSWORD)
        async with listening_to(api.url, cookie=login.token) as stream:
            await stream.opened()
            (reader,) = api.live.readers
            assert reader.still is not None
            api.world.clock.advance(timedelta(minutes=29))
            assert await reader.still(), "as every ten seconds"
            api.world.clock.advance(timedelta(minutes=1))
            await stream.rest()
            assert stream.ended


async def test_stop_ends_every_stream_and_accepts_no_new_one(api: Served) -> None:
    token = await api.token()
    async with listening_to(api.url, token) as one, listening_to(api.url, token) as two:
        await one.opened()
        await two.opened()
        api.live.stop()
        await one.rest()
        await two.rest()
    assert len(api.live.readers) == 0
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{api.url}/api/v1/events", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:innringing:problem:too-many-readers")
    assert answer.headers["retry-after"]


async def test_process_limits_its_readers(api: Served) -> None:
    api.live.readers.update(EventReader(Actor("kari", Scope.of([]))) for _ in range(MOST_READERS))
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = {"Authorization": f"Bearer {await api.token()}"}
        answer = await client.get(f"{api.url}/api/v1/events", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:innringing:problem:too-many-readers")


async def test_one_token_leaves_room_for_others(api: Served) -> None:
    token, other = await api.token(), await api.token("ola")
    async with AsyncExitStack() as opened, httpx.AsyncClient(trust_env=False) as client:
        api.live.most_of_one = 3
        streams = [await opened.enter_async_context(listening_to(api.url, token)) for _ in range(3)]
        await asyncio.gather(*(stream.opened() for stream in streams))
        answer = await client.get(f"{api.url}/api/v1/events", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["type"]) == (429, "urn:innringing:problem:too-many-streams")
        await (await opened.enter_async_context(listening_to(api.url, other))).opened()
        [credential] = {reader.credential for reader in api.live.readers if reader.actor.name == "kari"}
        late = EventReader(Actor("kari", Scope.of([])), credential=credential)
        with api.live.reading(late):
            assert late.ending is Ending.TOO_MANY, "one that was opened at the same moment"


async def test_disconnected_client_is_removed(api: Served) -> None:
    async with listening_to(api.url, await api.token()) as stream:
        await stream.opened()
        assert len(api.live.readers) == 1
    await until_readers(api, 0)


async def test_many_readers_share_one_tail(migrated_url: str, tmp_path: Path) -> None:
    readers = 50
    looks = []

    def count(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if "FROM history" in statement:
            looks.append(statement)

    async with served(migrated_url, tmp_path, poll_seconds=3600) as api, AsyncExitStack() as opened:
        token = await api.token()
        streams = [await opened.enter_async_context(listening_to(api.url, token)) for _ in range(readers)]
        await asyncio.gather(*(stream.opened() for stream in streams))
        sqlalchemy_event.listen(api.world.database.engine.sync_engine, "before_cursor_execute", count)
        callback = await api.world.rings(1)
        told = await asyncio.gather(*(stream.changes(1) for stream in streams))
    assert [each["callback"] for (each,) in told] == [callback.id] * readers
    assert 1 <= len(looks) < readers / 2


async def test_quiet_stream_sends_heartbeats_with_its_position(api: Served) -> None:
    callback = await api.world.rings(1, department="hjerte")
    await api.live.open()
    sent: asyncio.Queue[bytes] = asyncio.Queue()

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.put_nowait(message.get("body", b""))

    async def never() -> MutableMapping[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    stream = EventStream(
        api.live, EventReader(Actor("kari", Scope.of(["kirurgi"]))), after=None, heartbeat_seconds=0.05
    )
    streaming = asyncio.create_task(stream({"type": "http"}, never, send))
    start = await said(sent, b"id: ")
    first = await said(sent, b": ")
    assert first.startswith(b": still here\n")
    await much_happens(api.world, callback.id, 3, "hjerte")
    async with asyncio.timeout(20):
        while parsed((await said(sent, b": ")).decode().strip()).id != api.live.position or api.live.position < 4:
            continue
    assert parsed(start.decode().strip()).id == parsed(first.decode().strip()).id == 1
    streaming.cancel()
    await asyncio.gather(streaming, return_exceptions=True)
    assert api.live.readers == set()


async def said(sent: asyncio.Queue[bytes], beginning: bytes) -> bytes:
    async with asyncio.timeout(20):
        while not (block := await sent.get()).startswith(beginning):
            continue
    return block


async def test_lease_that_runs_out_ends_without_a_request_and_is_in_the_feed(
    api: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.upkeep.LEASE_CHECK_SECONDS", 0.05)
    callback = await api.world.rings(1)
    await api.world.post("/callbacks/claim", {"department": "kirurgi"})
    async with listening_to(api.url, await api.token()) as stream, background_work(api.world.services):
        await stream.opened()
        api.world.clock.advance(LEASE + timedelta(seconds=1))
        (ended,) = await stream.changes(1)
    assert (ended["event"], ended["actor"], ended["callback"]) == ("lease_expired", "system", callback.id)
    assert (ended["from_status"], ended["to_status"]) == ("claimed", "waiting")
    assert (await api.world.get(f"/callbacks/{callback.id}"))["status"] == "waiting"


async def test_database_outage_loses_no_event(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams stay open meanwhile, without new events."""
    async with listening_to(api.url, await api.token()) as stream:
        await stream.opened()
        away = asyncio.Event()

        async def gone(*_given: Any, **_more: Any) -> None:
            away.set()
            raise StorageUnavailable

        with monkeypatch.context() as patch:
            patch.setattr(Tail, "_after", gone)
            callback = await api.world.rings(1)
            await away.wait()
        assert [each["callback"] for each in await stream.changes(1)] == [callback.id]


async def test_openapi_document_describes_the_stream(api: Served) -> None:
    document = (await api.world.client.get("/api/openapi.json")).json()
    operation = document["paths"]["/api/v1/events"]["get"]
    assert list(operation["responses"]["200"]["content"]) == ["text/event-stream"]
    assert {each["name"] for each in operation["parameters"]} == {"department", "seconds", "Last-Event-ID"}
