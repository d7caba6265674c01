"""The operator's page: how the parts are, the files, rehearsals in text and sound, texts that did not arrive."""

import ast
import asyncio
import platform
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import expect

from api.console.pages.operate import CALLERS
from api.console.parts import PartDetail, detail_in
from api.own_commands import AT_ONCE, LONGEST, CommandFailed, OwnCommands
from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.doors.doors import Doors
from desk.doors.model import DoorKind
from desk.files.state import FileRefusal, FileState, TakenBy
from desk.paths import ROOT
from ivr.rehearsal import cast
from ops.messages.translation import norwegian
from tests.support.web.api import World
from tests.support.web.browser import Console, chromium
from tests.support.web.live import served
from tests.support.web.pages import Visitor, logged_in

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


async def operator(world: World, *program: str) -> Visitor:
    world.app.state.services = replace(world.services, commands=OwnCommands(program), translate=norwegian())
    await world.token("olga", Role.OPERATOR)
    return await (await logged_in(world, "olga")).goes_to("/operate")


def printing(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"print({text!r})")


async def test_parts_are_shown_and_commands_only_where_they_can_run(world: World) -> None:
    someone = await operator(world)
    assert "Database I orden" in someone.text
    assert "får ikke tak i Asterisk" in someone.text
    assert "Kommandoer kan ikke kjøres fra denne siden her." in someone.text


async def test_mistakes_in_files_are_listed_with_their_place(world: World) -> None:
    fault = '[{"file": "departments.toml", "line": 7, "reason": "«cutoff» is missing", "note": false}]'
    someone = await operator(world, *printing(fault))
    await someone.sends("/operate/check")
    assert "departments.toml:7 «cutoff» is missing" in someone.text


async def test_command_that_fails_is_said_in_words(world: World) -> None:
    someone = await operator(world, sys.executable, "-c", "")
    await someone.sends("/operate/check")
    assert someone.page.status_code == 503
    assert "Kommandoen svarte ikke." in someone.text


async def test_rehearsed_call_is_shown_and_its_prompts_are_heard(world: World) -> None:
    someone = await operator(world, sys.executable, "-m", "innringing")
    await someone.sends("/operate/rehearse", department="kirurgi", caller="withheld")
    assert "Du har ringt kirurgisk poliklinikk." in someone.text
    assert "innringeren taster" in someone.text
    assert "/operate/sound?language=nb&amp;prompt=" in someone.page.text


async def test_callers_are_those_that_can_be_rehearsed(migrated_url: str) -> None:
    assert tuple(each.name for each in cast.CALLERS) == CALLERS


def test_details_of_parts_are_in_norwegian(migrated_url: str) -> None:
    files = (
        "api/health/readiness.py",
        "api/health/telephony.py",
        "api/auth/oidc/single_sign_on.py",
        "desk/messages/sender.py",
    )
    said = {
        value.value
        for file in files
        for call in ast.walk(ast.parse((ROOT / file).read_text("utf-8")))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Component"
        for given in call.args
        for value in ((given.body, given.orelse) if isinstance(given, ast.IfExp) else (given,))
        if isinstance(value, ast.Constant) and isinstance(value.value, str)
    }
    assert len(said) > 25
    assert {each for each in said if detail_in(each, "nn").language != "nb"} == set()
    assert detail_in("3 of 20 calls and 4 of 60 minutes an hour", "nb").text == (
        "3 av 20 samtaler og 4 av 60 minutter i timen"
    )
    assert detail_in("takes writes", "en") == PartDetail("takes writes", "en")


async def test_last_reload_of_each_door_is_shown_with_why_it_was_refused(world: World) -> None:
    now = world.clock.now()
    doors = Doors(database=world.database, clock=world.clock)
    refused = FileRefusal(now, 7, "«cutoff» is missing")
    taken = FileState("departments.toml", now - timedelta(hours=1), TakenBy.EDIT, now - timedelta(hours=1))
    await doors.report(SYSTEM, "a", DoorKind.IVR, platform.node(), [replace(taken, refusal=refused)])
    await doors.report(SYSTEM, "b", DoorKind.STANDBY, platform.node(), [replace(taken, taken_by=TakenBy.START)])
    someone = await operator(world)
    rows = someone.text.split("Når filene sist ble tatt i bruk")[1]
    assert "departments.toml Telefonstyringen 24.11.2026 08:00 Filen ble endret (skrevet 24.11.2026 08:00)" in rows
    assert "Avvist 24.11.2026 09:00 departments.toml:7 «cutoff» mangler" in rows
    assert '<span lang="nb">«cutoff» mangler</span>' in someone.page.text
    assert rows.index("Telefonstyringen") < rows.index("Reserven"), "what was refused comes first"
    assert "Reserven 24.11.2026 08:00 Døren startet" in rows and "I orden" in rows
    world.clock.advance(timedelta(minutes=1))
    await someone.goes_to("/operate")
    assert "Stille siden 24.11.2026 09:00" in someone.text


async def test_reason_without_a_translation_is_marked_as_english_and_english_readers_get_none(world: World) -> None:
    now = world.clock.now()
    doors = Doors(database=world.database, clock=world.clock)
    for id, kind, reason in (
        ("a", DoorKind.IVR, "something no one has translated"),
        ("b", DoorKind.STANDBY, "«cutoff» is missing"),
    ):
        state = FileState("departments.toml", now, TakenBy.EDIT, now, FileRefusal(now, None, reason))
        await doors.report(SYSTEM, id, kind, platform.node(), [state])
    someone = await operator(world)
    assert '<span lang="en">something no one has translated</span>' in someone.page.text
    await someone.goes_to("/operate", **{"Accept-Language": "en"})
    assert '<span lang="en">«cutoff» is missing</span>' in someone.page.text


async def test_page_waits_as_long_as_its_commands_may_take(migrated_url: str, tmp_path: Path) -> None:
    slow = OwnCommands([sys.executable, "-c", "import time; time.sleep(2); print('[]')"])
    async with served(migrated_url, tmp_path, commands=slow) as serving, chromium() as browser:
        console = Console(serving.world, browser, serving.url, [])
        await console.add("olga", Role.OPERATOR)
        page = await console.open("olga", "/operate")
        await page.evaluate("htmx.config.defaultTimeout = 200")
        await page.locator('form[action="/operate/check"] button').click()
        await expect(page.get_by_text("Alt er i orden.")).to_be_visible(timeout=30_000)
        await expect(page.locator("#connection")).to_be_hidden()
        waits = [await each.get_attribute("hx-config") for each in await page.locator("form[hx-config]").all()]
        assert len(waits) == 2
        assert all(int((each or "").removeprefix("timeout:")) > 1000 * LONGEST.total_seconds() for each in waits)


async def test_command_that_waits_for_others_answers_within_its_time(migrated_url: str) -> None:
    slow = OwnCommands([sys.executable, "-c", "import time; time.sleep(60)"])
    async with asyncio.timeout(30):
        answers = await asyncio.gather(
            *(slow.run(longest=timedelta(seconds=1)) for _ in range(2 * AT_ONCE)), return_exceptions=True
        )
    assert [type(each) for each in answers] == [CommandFailed] * 2 * AT_ONCE
