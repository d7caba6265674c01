"""The running api and its OpenAPI document: schemathesis sends what the document allows and what it forbids.

Every operation is tried with ids that schemathesis invents, and those about callbacks again with one that exists. What
it sends to an operation does not depend on the other operations. A run for a change tries each on one engine and is the
same each time; `make deep` tries both on both, and more, with another seed each day.
"""

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.depth import DEEP, SEED, deep
from tests.support.sms.link_gateway import SECRET
from tests.support.web.api_process import WITNESSED_API, ApiProcess, environment, running_api
from tests.support.web.api_queue import open_queue, people_ring
from tests.support.web.witnessed_api import FAULT

EXAMPLES = deep(8, 100)
TRIES = [("postgresql", "made-up"), ("sqlite", "known"), *deep([], [("sqlite", "made-up"), ("postgresql", "known")])]
CURSORS = """
[[operations]]
include-name = [
  "GET /api/v1/callbacks", "GET /api/v1/calls",
  "GET /api/v1/departments/{slug}/promises", "GET /api/v1/departments/{slug}/warnings", "GET /api/v1/emergency-access",
  "GET /api/v1/tokens",
]
checks.positive_data_acceptance.expected-statuses = [200, 403, 404, 422]
"""
"""The document allows any text as a cursor. The api refuses one that no list issued, and a note with a number in it."""
RULES = """
[[operations]]
include-name = [
  "POST /api/v1/callbacks", "POST /api/v1/callbacks/{id}/promise", "POST /api/v1/emergency-access",
]
checks.positive_data_acceptance.expected-statuses = [200, 201, 404, 409, 422]

[[operations]]
include-name = "POST /api/v1/tokens"
checks.positive_data_acceptance.expected-statuses = [201, 403, 404, 409]

[[operations]]
include-name = "DELETE /api/v1/tokens/{number}"
parameters = { "path.number" = 9999999 }
checks.positive_data_acceptance.expected-statuses = [404]

[[operations]]
include-name = "POST /api/v1/search"
checks.positive_data_acceptance.expected-statuses = [200, 422, 429]

[[operations]]
include-name = "GET /api/v1/statistics" # the last day may be before the first
checks.positive_data_acceptance.expected-statuses = [200, 403, 404, 422]

[[operations]]
include-name = "PATCH /api/v1/callbacks/{id}"
checks.positive_data_acceptance.expected-statuses = [200, 404, 412, 422, 428]

[[operations]]
include-name = "POST /api/v1/callbacks/sort"
checks.positive_data_acceptance.expected-statuses = [200, 422]
"""
"""The document allows topics that a department lacks, numbers that cannot be called, texts that nothing can be found
by, reasons with numbers, and closed days. Versions and departments are invented, and the token used for all requests
must not be revoked."""
SESSIONS = """
[[operations]]
include-path-regex = "^/api/v1/sessions?(/password|/.number.)?$"
checks.positive_data_acceptance.expected-statuses = [401, 422, 429]
"""
"""The document allows any text as a name or password, and the token used for other requests cannot log in."""
REPORTS = f"""
[[operations]]
include-name = "POST /sms/reports"
headers = {{ Authorization = "Bearer {SECRET}" }}
"""
"""No agent's token opens it."""
STREAM = """
[[operations]]
include-name = "GET /api/v1/events"
parameters = { "query.seconds" = 0 }
"""
"""Without this the stream would go on, as it should."""
ABOUT_CALLBACKS = "callbacks|/calls|/events|/promises|/warnings"
"""The paths that take or show a callback. To the others it makes no difference whether ids exist."""
SECONDS = deep(540, 3540)


def try_everything(api: ApiProcess, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """One run over every operation, in `folder`, where schemathesis.toml is read from."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{api.url}/api/openapi.json"),
            *("--url", api.url, "--header", f"Authorization: Bearer {api.token}", "--checks", "all"),
            *("--exclude-path", "/readyz"),  # it answers 503 while no Asterisk runs; see test_api_health.py
            *("--max-examples", str(EXAMPLES), "--continue-on-failure", "--no-color"),
            *(("--seed", str(SEED)) if DEEP else ("--generation-deterministic",)),
            *more,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.parametrize(("database_url", "callback"), TRIES, indirect=["database_url"])
async def test_api_conforms_to_its_document(database_url: str, callback: str, tmp_path: Path) -> None:
    async with open_queue(database_url, tmp_path) as desk:
        first = min(await people_ring(desk, "kirurgi", 20))
    is_known = callback == "known"
    known = f'[parameters]\n"path.id" = "{first}"\n' if is_known else ""
    variables = environment(database_url, tmp_path, sms_report_secret=SECRET)
    with running_api(variables, command=WITNESSED_API) as api:
        async with httpx.AsyncClient(trust_env=False) as client:
            document = (await client.get(f"{api.url}/api/openapi.json")).json()
        paths = {path: each for path, each in document["paths"].items() if path != "/readyz"}
        if is_known:
            paths = {path: each for path, each in paths.items() if re.search(ABOUT_CALLBACKS, path)}
        operations = sum(len(path) for path in paths.values())
        folder = tmp_path / "rules"
        folder.mkdir()
        (folder / "schemathesis.toml").write_text(known + CURSORS + RULES + SESSIONS + REPORTS + STREAM)
        tried = try_everything(api, folder, *(("--include-path-regex", ABOUT_CALLBACKS) if is_known else ()))
        assert tried.returncode == 0, f"TEST_SEED={SEED} " + tried.stdout[-8000:] + tried.stderr[-2000:]
        assert f"Tested: {operations}" in tried.stdout
        assert FAULT not in api.log.read_text(), "a patient was shown without a trail"
