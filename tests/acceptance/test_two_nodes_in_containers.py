"""`make two-nodes` starts two nodes and Kamailio, a call through Kamailio is answered, and nothing is left."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.paths import ROOT
from ops.commands import proxy
from ops.commands.two_nodes import NAMES
from ops.machine import engine
from ops.softphone.phone import Phone
from tests.support.environment import without_ours
from tests.support.phone.callers import PATIENCE, Caller
from tests.support.ports import free_port, free_rtp_range

pytestmark = pytest.mark.timeout(1200)  # builds images the first time
LIMIT = 1000


def make(action: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops.commands.two_nodes", action],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**without_ours(), **variables},
        timeout=LIMIT,
    )


def of_these(var: Path, kind: str) -> str:
    """What the engine has of these nodes and this Kamailio: containers (ps -aq) or volumes (volume ls -q)."""
    folders = [var / "two-nodes" / name / "compose" for name in NAMES] + [var / "two-nodes" / "proxy"]
    labels = [f"label=com.docker.compose.project={proxy.project_of(folder)}" for folder in folders]
    return "\n".join(engine.docker(*kind.split(), "--filter", label, check=False) for label in labels)


@pytest.fixture
def variables(tmp_path: Path) -> Iterator[dict[str, str]]:
    first = free_rtp_range()
    given = {
        "ENVIRONMENT": "demo",
        "VAR_DIR": str(tmp_path),
        "RUNNER": "docker",
        "PROMPTS_DIR": str(ROOT / "prompts"),
        "RTP_PORTS": f"{first}-{first + 99}",
        "SIP_PORT": str(free_port(socket.SOCK_DGRAM)),
        **{
            name: str(free_port(socket.SOCK_STREAM))
            for name in ("ARI_PORT", "API_PORT", "STANDBY_PORT", "POSTGRES_PORT")
        },
    }
    named = {f"INNRINGING_{name}": value for name, value in given.items()}
    yield named
    if of_these(tmp_path, "ps -aq").strip():
        make("down", named)
    for volume in of_these(tmp_path, "volume ls -q").split():
        engine.docker("volume", "rm", "-f", volume, check=False)


async def test_two_nodes_start_answer_a_call_and_stop(prompts: None, variables: dict[str, str], tmp_path: Path) -> None:
    done = make("up", variables)
    assert done.returncode == 0, done.stdout + done.stderr
    port = int(variables["INNRINGING_SIP_PORT"])
    async with Phone("127.0.0.1", port) as phone:
        call = await phone.ring("1000", caller="+4768050797", patience=PATIENCE)
        await Caller(call, ROOT / "prompts" / "build" / "nb").hears("welcome")
        await call.hang_up()
    assert of_these(tmp_path, "ps -aq").strip()
    done = make("down", variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not of_these(tmp_path, "ps -aq").strip()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", port))
