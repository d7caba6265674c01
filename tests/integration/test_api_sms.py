"""SMS in the api: reports from the gateway, what agents and leaders see, and sending in the background."""

import asyncio
import base64
import json
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.app import open_services
from api.upkeep import background_work
from api.web.metrics import Metrics
from desk.access.actor import CALLER, SYSTEM
from desk.access.permissions import Role
from desk.clock import SystemClock
from desk.numbers.phone_number import parse_phone
from desk.settings.settings import Settings
from tests.support.desk.desk import call
from tests.support.sms.link_gateway import SECRET, LinkGateway, link_gateway, says
from tests.support.web.api import KEYS, World, open_world, refused

MOBILE = "+4740612345"
BEARER = {"Authorization": f"Bearer {SECRET}"}


@pytest.fixture
async def gateway() -> AsyncIterator[LinkGateway]:
    async with link_gateway() as gateway:
        yield gateway


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path, gateway: LinkGateway) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path, **gateway.settings()) as world:
        yield world
        await world.services.sender.close()


async def with_new_promise(world: World) -> dict[str, Any]:
    """A callback whose mobile gets a text with a new time."""
    booked = await world.post("/callbacks", {"department": "kirurgi", "phone": MOBILE}, status=201)
    given = await world.post(f"/callbacks/{booked['id']}/promise", {"by": "2026-11-26T13:00:00+01:00"})
    assert (given["sms_queued"], given["sms"]) == (True, "queued")
    return given  # type: ignore[no-any-return]


async def send(world: World, gateway: LinkGateway) -> str:
    """Send the text. Returns its key."""
    await world.services.sender.send_all(world.services.sender._gateway)  # type: ignore[arg-type]
    return gateway.keys[-1]


def report(key: str | None, code: int, **more: Any) -> dict[str, Any]:
    """A report as LINK Mobility sends it, the number included."""
    return {
        "refId": key,
        "id": "Dcshuhod0PMAAAFQ+/PbnR3x",
        "operator": "no.telenor",
        "sentTimestamp": "2026-11-24T09:37:35Z",
        "timestamp": "2026-11-24T09:37:00Z",
        "resultCode": code,
        "operatorResultCode": "2",
        "segments": 1,
        "gateCustomParameters": {},
        "customParameters": {"destination": MOBILE},
        **more,
    }


async def reports(world: World, body: dict[str, Any], headers: dict[str, str] | None = None) -> Any:
    return await world.client.post("/sms/reports", json=body, headers=BEARER if headers is None else headers)


@pytest.mark.parametrize(
    ("codes", "state", "reason"),
    [
        ([1001], "delivered", None),
        ([1000, 1001], "delivered", None),
        ([1001, 1000], "delivered", None),
        ([1012], "sent", None),
        ([2106], "failed", "no_such_number"),
        ([1004], "failed", "phone_full"),
        ([1010], "failed", "unknown"),
        ([77], "failed", "not_delivered"),
    ],
)
async def test_delivery_report_is_on_the_callback_and_in_its_history(
    world: World, gateway: LinkGateway, codes: list[int], state: str, reason: str | None
) -> None:
    id = (await with_new_promise(world))["id"]
    key = await send(world, gateway)
    assert (await world.get(f"/callbacks/{id}"))["sms"] == "sent"
    for code in codes:
        answer = await reports(world, report(key, code))
        assert (answer.status_code, answer.json()) == (200, {"received": True})
    assert (await world.get(f"/callbacks/{id}"))["sms"] == state
    rows = (await world.get(f"/callbacks/{id}/history"))["items"]
    last = [row for row in rows if row["event"].startswith("sms_")][-1]
    assert (last["event"], last["actor"]) == (f"sms_{state}", "system")
    assert last["details"] == {"kind": "new_promise"} | ({"reason": reason} if reason else {})


async def test_each_part_of_a_long_text_is_reported(world: World, gateway: LinkGateway) -> None:
    id = (await with_new_promise(world))["id"]
    key = await send(world, gateway)
    await reports(world, report(key, 1001, id="abc$0"))
    await reports(world, report(key, 1006, id="abc$1"))
    assert (await world.get(f"/callbacks/{id}"))["sms"] == "failed"


async def test_leader_sees_that_the_text_was_not_delivered(world: World, gateway: LinkGateway) -> None:
    id = (await with_new_promise(world))["id"]
    key = await send(world, gateway)
    await world.token("lise", Role.LEADER, ["kirurgi"])
    path = "/departments/kirurgi/promises"
    assert (await world.as_("lise", "GET", path)).json()["untold"] == 0
    await reports(world, report(key, 2105))
    seen = (await world.as_("lise", "GET", path)).json()
    assert seen["untold"] == 1
    assert [(each["reason"], each["sms"]) for each in seen["items"]] == [("registered", None), ("by_agent", "failed")]
    assert (await world.get(f"/callbacks/{id}/promises"))["items"][-1]["sms"] == "failed"


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize("headers", [BEARER, basic("link", SECRET), basic("", SECRET)])
async def test_gateway_may_send_its_secret_in_either_form(
    world: World, gateway: LinkGateway, headers: dict[str, str]
) -> None:
    id = (await with_new_promise(world))["id"]
    await reports(world, report(await send(world, gateway), 1001), headers)
    assert (await world.get(f"/callbacks/{id}"))["sms"] == "delivered"


async def test_report_without_the_secret_is_refused(world: World, gateway: LinkGateway) -> None:
    id = (await with_new_promise(world))["id"]
    body = report(await send(world, gateway), 1001)
    agent = {"Authorization": f"Bearer {await world.token('kari')}"}
    wrong = [{}, {"Authorization": "Bearer"}, {"Authorization": "Bearer no"}, {"Authorization": "Basic !"}]
    for headers in (*wrong, basic(SECRET, ""), {"Authorization": SECRET}, agent):
        refused(await reports(world, body, headers), 401, "not-signed-in")
    assert (await world.get(f"/callbacks/{id}"))["sms"] == "sent"
    shown = await world.client.get("/api/v1/me", headers=BEARER)
    assert shown.status_code == 401, "and its secret is no agent's token"


async def test_no_report_is_accepted_without_a_configured_secret(migrated_url: str, tmp_path: Path) -> None:
    async with open_world(migrated_url, tmp_path) as world:
        for headers in (BEARER, {"Authorization": "Bearer "}, basic("", "")):
            refused(await reports(world, report(None, 1001), headers), 401, "not-signed-in")


async def test_report_of_an_unknown_text_gets_the_same_answer(world: World) -> None:
    for key in ("0f8fad5b-d9cb-469f-a165-70867728950e", "x", "", None):
        answer = await reports(world, report(key, 1001))
        assert (answer.status_code, answer.json()) == (200, {"received": True})


async def test_invalid_report_is_refused_and_not_repeated(world: World) -> None:
    for body in ({}, {"resultCode": f"{MOBILE}"}, {"refId": 5, "resultCode": 1001}, {"resultCode": -1}):
        answer = await reports(world, body)
        refused(answer, 422, "invalid-input")
        assert MOBILE not in answer.text


# --- readiness


async def component(world: World) -> tuple[bool, str]:
    said = (await world.client.get("/readyz")).json()["components"]["sms"]
    return said["ok"], said["detail"]


async def test_readiness_reports_trouble_with_the_gateway(world: World, gateway: LinkGateway) -> None:
    assert await component(world) == (True, "texts are sent")
    await with_new_promise(world)
    gateway.answers = [says(503, {})]
    await world.services.sender.send_all(world.services.sender._gateway)  # type: ignore[arg-type]
    assert await component(world) == (False, "the gateway does not accept texts now (http_503)")
    gateway.answers = [says(401, {})]
    world.clock.advance(timedelta(minutes=1))
    await world.services.sender.send_all(world.services.sender._gateway)  # type: ignore[arg-type]
    ok, detail = await component(world)
    assert not ok and detail.startswith("the gateway refuses us: see INNRINGING_SMS_USER")
    world.clock.advance(timedelta(minutes=5))
    await send(world, gateway)
    assert await component(world) == (True, "texts are sent")


async def test_readiness_reports_texts_that_no_one_sends(world: World) -> None:
    await with_new_promise(world)
    world.clock.advance(timedelta(minutes=11))
    assert await component(world) == (False, "1 wait, the oldest for more than 10 minutes")


async def test_readiness_says_that_sms_is_off_and_the_queue_empty(migrated_url: str, tmp_path: Path) -> None:
    async with open_world(migrated_url, tmp_path, sms_gateway="off") as world:
        assert await component(world) == (True, "off: INNRINGING_SMS_GATEWAY is not set")
        booked = await world.post("/callbacks", {"department": "kirurgi", "phone": MOBILE}, status=201)
        given = await world.post(f"/callbacks/{booked['id']}/promise", {})
        assert (given["sms_queued"], given["sms"]) == (False, None)


async def test_readiness_reports_a_mistake_in_the_texts(migrated_url: str, tmp_path: Path) -> None:
    (tmp_path / "sms.toml").write_text(
        '[nb]\nreceipt = "Hei"\nnew_promise = "Vi ringer deg {when}."\nnumber_added = "Hei"\n', "utf-8"
    )
    async with open_world(migrated_url, tmp_path, prompts_dir=tmp_path) as world:
        ok, detail = await component(world)
    assert not ok
    assert detail == ("sms.toml:2: [nb] receipt does not say when we ring: put {when} into it; no texts are written")


# --- in the background


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(1200):
        if await true():
            return
        await asyncio.sleep(0.05)
    raise AssertionError


async def test_running_api_sends_queued_texts_and_stops_cleanly(
    migrated_url: str, tmp_path: Path, gateway: LinkGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desk.messages.sender.EVERY_SECONDS", 0.05)
    given = {"database_url": migrated_url, "var_dir": tmp_path, "ari_port": 1, **KEYS, **gateway.settings()}
    settings = Settings.load(environment="demo", **given)
    async with open_services(settings, metrics=Metrics(), clock=SystemClock()) as services, background_work(services):
        assert services.departments().get("kirurgi").sms_receipt
        registration = await services.callbacks.registration.register(
            CALLER, call(1), "kirurgi", None, parse_phone(MOBILE)
        )
        callback = registration.callback
        assert callback.sms == "queued"

        async def sent() -> bool:
            return (await services.callbacks.lists.get(SYSTEM, callback.id)).sms == "sent"

        await until(sent)
    assert len(gateway.taken) == 1


async def test_demo_writes_texts_to_a_private_file_with_masked_numbers(migrated_url: str, tmp_path: Path) -> None:
    async with open_world(migrated_url, tmp_path) as world:
        id = (await with_new_promise(world))["id"]
        sender = world.services.sender
        assert await component(world) == (True, "demo: written to var/sms.jsonl")
        await sender.send_all(sender._gateway)  # type: ignore[arg-type]
        assert (await world.get(f"/callbacks/{id}"))["sms"] == "sent"
    file = tmp_path / "sms.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (line,) = file.read_text("utf-8").splitlines()
    written = json.loads(line)
    assert written["to"] == "+47******45"
    assert "torsdag 26. november innen klokken 13" in written["text"]
    assert MOBILE.removeprefix("+47") not in line
