"""The demo's patient: a click places a call, and the page shows what was heard."""

import asyncio
import re
import sys
from dataclasses import replace

import pytest

from api.demo.patient import sentences
from api.own_commands import OwnCommands
from tests.support.web.api import World
from tests.support.web.pages import Visitor, logged_in

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)

HEARD = '{"heard": [{"at": 0.4, "text": "Takk. Vi har mottatt din innringing."}], "keyed": 1.0, "received": true}'


async def newcomer(world: World, *program: str) -> Visitor:
    world.app.state.services = replace(world.services, commands=OwnCommands(program))
    return await (await logged_in(world)).goes_to("/queue")


async def test_patient_rings_and_the_transcript_is_shown(world: World) -> None:
    someone = await newcomer(world, sys.executable, "-c", f"print({HEARD!r})")
    await someone.sends("/demo/patient", department="kirurgi")
    assert re.search("[Dd]emopasient.* 68 05", someone.text)
    async with asyncio.timeout(30):
        while "Takk. Vi har mottatt" not in someone.text:
            await asyncio.sleep(0.1)
            await someone.goes_to("/queue")
    assert "har fått kvittering" in someone.text


async def test_words_are_joined_to_sentences(migrated_url: str) -> None:
    heard = [(1.0, "Vi ringer deg på"), (2.0, "seks"), (2.5, "åtte"), (3.0, "Ellers kan du legge på.")]
    assert sentences(heard) == [(1.0, "Vi ringer deg på seks åtte"), (3.0, "Ellers kan du legge på.")]


async def test_call_that_does_not_start_is_said_in_words(world: World) -> None:
    someone = await newcomer(world, sys.executable, "-c", "")
    await someone.sends("/demo/patient", department="kirurgi")
    async with asyncio.timeout(30):
        while "Samtalen kom ikke i gang." not in someone.text:
            await asyncio.sleep(0.1)
            await someone.goes_to("/demo/patient")


async def test_without_commands_there_is_no_demo_patient(world: World) -> None:
    someone = await newcomer(world)
    assert someone.forms("/demo/patient") == []
