"""The hospital's own numbers can't be booked: departments', the switchboard's, and those of the setting."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from desk.access.actor import CALLER
from desk.callbacks.model import CallKey, IncompleteStep
from desk.errors import SettingsError
from desk.numbers.phone_number import parse_phone
from desk.settings.settings import Settings
from tests.support.web.api import HOSPITAL, World, open_world, refused

SWITCHBOARD, SERIES = "+4768059990", "+4768059991"

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
"""Nothing here depends on the engine."""


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path, switchboard=SWITCHBOARD, own_numbers=f"{SERIES}, 68059992") as world:
        yield world


@pytest.mark.parametrize("number", [HOSPITAL.e164, SWITCHBOARD, SERIES, "68 05 99 92"])
async def test_own_number_is_not_booked(world: World, number: str) -> None:
    answer = await world.as_("kari", "POST", "/callbacks", json={"department": "kirurgi", "phone": number})
    refused(answer, 422, "invalid-phone")
    assert "hospital" in answer.text and number not in answer.text
    other = {"department": "kirurgi", "phone": "+4768051234"}
    assert (await world.as_("kari", "POST", "/callbacks", json=other)).status_code == 201


async def test_incomplete_call_from_the_switchboard_has_no_number_to_call(world: World) -> None:
    record = world.services.callbacks.registration.record_call
    key = CallKey("node-1", "channel-9")
    await record(CALLER, key, "kirurgi", phone=parse_phone(SWITCHBOARD), step=IncompleteStep.PHONE)
    (call,) = (await world.get("/calls?incomplete=true"))["items"]
    refused(await world.as_("kari", "POST", f"/calls/{call['id']}/callback"), 409, "no-number")


def test_own_numbers_that_are_no_numbers_are_refused(migrated_url: str) -> None:
    with pytest.raises(SettingsError, match="OWN_NUMBERS"):
        Settings.load(environment="demo", own_numbers="22000000,sentralbordet")
