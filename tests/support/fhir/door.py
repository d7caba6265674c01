"""Requests to the FHIR door, as an agent."""

from typing import Any

import httpx

from api.fhir.identifiers import BIRTH_NUMBER
from tests.support.synthetic import synthetic_identity
from tests.support.web.api import World


async def fhir(world: World, path: str, method: str = "GET", *, by: str = "kari", **more: Any) -> httpx.Response:
    """Send a request below /fhir as the agent of that name."""
    headers = {"Authorization": f"Bearer {await world.token(by)}", **more.pop("headers", {})}
    return await world.client.request(method, f"/fhir{path}", headers=headers, **more)


async def read(world: World, path: str, **more: Any) -> dict[str, Any]:
    """The resource at that address."""
    answer = await fhir(world, path, **more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def of_patient(world: World, n: int, *, by: str = "kari", **more: str) -> httpx.Response:
    """Search for the tasks of person `n`."""
    form = {"patient:identifier": f"{BIRTH_NUMBER}|{synthetic_identity(n)}", **more}
    return await fhir(world, "/Task/_search", "POST", by=by, data=form)


def ids(bundle: dict[str, Any]) -> list[str]:
    """The ids of the resources in a Bundle."""
    return [each["resource"]["id"] for each in bundle.get("entry", ())]


def refused(answer: httpx.Response, status: int, id: str) -> None:
    """Check that the answer is an OperationOutcome with the id of this problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert {each["details"]["coding"][0]["code"] for each in outcome["issue"]} == {id}
