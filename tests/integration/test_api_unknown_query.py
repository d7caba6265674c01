"""A query parameter that an address does not have is refused, and nothing that the client sent is repeated."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from desk.access.permissions import Role
from desk.schema.migrate import migrate
from tests.support.web.api import World, open_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'callbacks.db'}"
    await migrate(url)
    async with open_world(url, tmp_path) as world:
        await world.token("kari", Role.AGENT, ["kirurgi", "hjerte"])
        yield world


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/callbacks?departement=kirurgi", "did you mean «department»?"),
        ("/callbacks?department=kirurgi&staus=waiting", "did you mean «status»?"),
        ("/callbacks?12345678901=1", "Unknown query parameter: known are at_risk, cursor, department"),
        ("/me?verbose=1", "This address has no query parameters."),
    ],
)
async def test_unknown_query_parameter_is_refused(path: str, detail: str, world: World) -> None:
    answer = await world.as_("kari", "GET", path)
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["place"], fault["pointer"]) == ("query", "#")
    assert detail in fault["detail"]
    assert "12345678901" not in answer.text and "departement" not in answer.text


async def test_known_query_parameters_are_taken(world: World) -> None:
    assert (await world.as_("kari", "GET", "/callbacks?department=kirurgi&limit=2")).status_code == 200
    assert (await world.as_("kari", "GET", "/departments?everywhere=true")).status_code == 200
