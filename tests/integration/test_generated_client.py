"""A client that a generator writes from the API's document is complete, typed, and works the queue."""

import json
import subprocess
import sys
from pathlib import Path

import httpx

from desk.access.permissions import Scope
from desk.inquiries.model import ClosedReason, Status
from tests.support.desk.desk import as_agent
from tests.support.web.api_process import environment, running_api
from tests.support.web.api_queue import open_queue, people_ring

PACKAGE = "innringing_client"
PROGRAM = """
import sys
from uuid import UUID

from innringing_client import AuthenticatedClient
from innringing_client.api.callbacks import claim_next_callbacks, close_callback, list_callbacks, record_attempt
from innringing_client.models import AttemptedCallback, AttemptIn, AttemptOutcome, CallbackOut, CallbackPage
from innringing_client.models import ClaimedCallback, ClaimedCallbacks, ClaimIn, ClosedReason, CloseIn


def claim(client: AuthenticatedClient) -> ClaimedCallback:
    claimed = claim_next_callbacks.sync(client=client, body=ClaimIn(department="kirurgi"))
    assert isinstance(claimed, ClaimedCallbacks), claimed
    return claimed.items[0]


def work(address: str, token: str) -> None:
    client = AuthenticatedClient(base_url=address, token=token, raise_on_unexpected_status=True)
    first = claim(client)
    busy = AttemptIn(fence=first.fence, outcome=AttemptOutcome.BUSY)
    tried = record_attempt.sync(UUID(first.id), client=client, body=busy)
    assert isinstance(tried, AttemptedCallback), tried
    second = claim(client)
    done = CloseIn(reason=ClosedReason.REACHED, fence=second.fence)
    closed = close_callback.sync(UUID(second.id), client=client, body=done)
    assert isinstance(closed, CallbackOut), closed
    page = list_callbacks.sync(client=client)
    assert isinstance(page, CallbackPage), page
    print([first.id, second.id], tried.next_, closed.status, len(page.items), page.items[0].promise.from_.tzinfo)


work(sys.argv[1], sys.argv[2])
"""


def run(folder: Path, *arguments: str) -> str:
    """Run Python in `folder`. Returns what it says; a failure fails the test."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def generate(document: dict[str, object], folder: Path) -> str:
    """Write the client into `folder`. Returns what the generator says."""
    (folder / "openapi.json").write_text(json.dumps(document), "utf-8")
    to = ("--meta", "none", "--output-path", PACKAGE)
    return run(folder, "-m", "openapi_python_client", "generate", "--path", "openapi.json", *to)


async def test_generated_client_works_the_queue(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'innringing.db'}"
    folder = tmp_path / "client"
    folder.mkdir()
    (folder / "work.py").write_text(PROGRAM, "utf-8")
    async with open_queue(url, tmp_path) as desk:
        ids = await people_ring(desk, "kirurgi", 2)
        with running_api(environment(url, tmp_path)) as api:
            async with httpx.AsyncClient(trust_env=False) as client:
                document = (await client.get(f"{api.url}/api/openapi.json")).json()
            warnings = generate(document, folder)
            # A recording is a WAV file: clients fetch it with their own HTTP library.
            assert warnings.count("WARNING") == warnings.count("audio/wav)") == 1, warnings
            run(folder, "-m", "mypy", "--strict", "--python-version", "3.11", "work.py")
            worked = run(folder, "work.py", api.url, api.token)
        assert all(id in worked for id in ids)
        page = await desk.lists.page(as_agent("reader", Scope.of(["kirurgi"])), limit=10)
    ends = sorted((callback.status, callback.closed_reason or "") for callback in page.items)
    assert ends == [(Status.CLOSED, ClosedReason.REACHED), (Status.WAITING, "")]
    models = {path.stem for path in (folder / PACKAGE / "models").iterdir()}
    assert len(models) > 0.9 * len(document["components"]["schemas"])
