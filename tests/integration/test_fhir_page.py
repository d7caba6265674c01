"""The examples of docs/fhir.md, typed as they stand at a running web door."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from desk.paths import ROOT
from tests.support.fhir.door import ids
from tests.support.fhir.validators import faults
from tests.support.synthetic import synthetic_identity
from tests.support.web.api_process import WITNESSED_API, environment, running_api
from tests.support.web.api_queue import open_queue, people_ring
from tests.support.web.witnessed_api import FAULT


def examples() -> list[str]:
    blocks = re.findall(r"```\n(.*?)```", (ROOT / "docs" / "fhir.md").read_text("utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_every_example_answers_as_the_page_says(database_url: str, tmp_path: Path) -> None:
    async with open_queue(database_url, tmp_path) as desk:
        await people_ring(desk, "kirurgi", 3)
    with running_api(environment(database_url, tmp_path), command=WITNESSED_API) as api:
        known = {"token": f"Authorization: Bearer {api.token}", "fhir": f"{api.url}/fhir"}
        known |= {"number": synthetic_identity(1), "id": ""}
        answers: list[dict[str, Any]] = []
        for line in examples():
            answers.append(json.loads(typed(line, known)))
            if answers[0].get("entry"):
                (known["id"],) = ids(answers[0])
        log = api.log.read_text()
    patient, task, messages, changes = answers
    assert patient["total"] == 1
    assert task["for"]["identifier"]["value"] == synthetic_identity(1)
    assert (task["id"], ids(messages)) == (known["id"], [])
    assert len(ids(changes)) == 3
    assert faults(answers) == []
    assert FAULT not in log
    assert synthetic_identity(1) not in log


def typed(line: str, known: dict[str, str]) -> str:
    command = ["bash", "-c", line.replace("curl ", "curl --silent --noproxy '*' ", 1)]
    return subprocess.run(
        command, env={**os.environ, **known}, capture_output=True, text=True, timeout=60, check=True
    ).stdout
