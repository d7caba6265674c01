"""The audit of our dependencies, with advisories from a test server: clean, vulnerable, and unreachable."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ops.machine import dependency_audit as audit
from tests.support.ports import free_port

TODAY = date(2026, 11, 24)
NONE = "ignored = []\n"
WEAK = "pydub"
ADVISORY = {
    "id": "GHSA-0000-0000-0001",
    "aliases": ["CVE-2026-00001"],
    "summary": "made up",
    "affected": [
        {
            "package": {"name": WEAK, "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
        }
    ],
}


class Advisories(BaseHTTPRequestHandler):
    """OSV's query: the advisories for one version of one package."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known: dict[str, Any] = {"vulns": [ADVISORY]} if asked["package"]["name"] == WEAK else {}
        answer = json.dumps(known).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def advisories() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Advisories) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()
        thread.join()


def requirements(folder: Path, *names: str) -> Path:
    """A file that pins these packages, each with a hash, as requirements.txt does."""
    file = folder / "requirements.txt"
    file.write_text("".join(f"{name}==1.0.0 \\\n    --hash=sha256:{'0' * 64}\n" for name in names))
    return file


def ignoring(folder: Path, text: str) -> Path:
    file = folder / "dependency-audit-ignored.toml"
    file.write_text(text)
    return file


def test_vulnerable_package_is_named_with_its_fix(tmp_path: Path, advisories: str) -> None:
    pinned = requirements(tmp_path, "aioari", WEAK)
    faults = audit.audit(pinned, ignoring(tmp_path, NONE), advisories, today=TODAY)
    assert len(faults) == 1
    for word in (f"{WEAK} 1.0.0", "GHSA-0000-0000-0001", "CVE-2026-00001", "99.1"):
        assert word in faults[0]


def test_package_without_advisories_passes(tmp_path: Path, advisories: str) -> None:
    assert audit.audit(requirements(tmp_path, "aioari"), ignoring(tmp_path, NONE), advisories, today=TODAY) == []


@pytest.mark.parametrize("id", ["GHSA-0000-0000-0001", "CVE-2026-00001"])
def test_advisory_can_be_ignored_until_a_date(tmp_path: Path, advisories: str, id: str) -> None:
    entry = f'[[ignored]]\nid = "{id}"\nreason = "never called"\nuntil = 2026-11-24\n'
    pinned, file = requirements(tmp_path, WEAK), ignoring(tmp_path, entry)
    assert audit.audit(pinned, file, advisories, today=TODAY) == []
    later = audit.audit(pinned, file, advisories, today=date(2026, 11, 25))
    assert later == [f"{id} was ignored until 2026-11-24: check it again"]


@pytest.mark.parametrize(
    "text",
    [
        '[[ignored]]\nid = "CVE-1"\nuntil = 2027-01-01\n',
        '[[ignored]]\nid = "CVE-1"\nreason = " "\nuntil = 2027-01-01\n',
        '[[ignored]]\nid = "CVE-1"\nreason = "so"\n',
        '[[ignored]]\nid = "CVE-1"\nreason = "so"\nuntil = "some day"\n',
        "[[ignored",
    ],
)
def test_ignored_advisory_needs_a_reason_and_an_end(tmp_path: Path, text: str) -> None:
    with pytest.raises(audit.AuditError):
        audit.load_ignored(ignoring(tmp_path, text))


def run(**variables: str) -> subprocess.CompletedProcess[str]:
    """Run the audit as `make check` does, with only these variables set."""
    return subprocess.run(
        [sys.executable, "-m", "ops.machine.dependency_audit"],
        capture_output=True, text=True, check=False, cwd=audit.ROOT, env={"PATH": "/usr/bin:/bin", **variables},
    )  # fmt: skip


def test_unreachable_service_is_one_line_and_an_error_where_required() -> None:
    nobody = f"http://127.0.0.1:{free_port(socket.SOCK_STREAM)}/v1/query"
    done = run(INNRINGING_AUDIT_URL=nobody)
    assert (done.returncode, len(done.stdout.splitlines()), done.stderr) == (0, 1, "")
    assert "are not available" in done.stdout
    done = run(INNRINGING_AUDIT_URL=nobody, INNRINGING_AUDIT="required")
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 1)


def test_own_requirements_are_all_looked_up(advisories: str) -> None:
    done = run(INNRINGING_AUDIT_URL=advisories)
    assert done.returncode == 1
    assert done.stdout.startswith(f"audit: {WEAK} ")
    assert len(done.stdout.splitlines()) == 1


def test_package_that_could_not_be_looked_up_is_not_clean() -> None:
    with pytest.raises(audit.AdvisoriesUnavailable, match="2 packages, such as aioari"):
        list(audit._read([{"name": "aioari", "skip_reason": "?"}, {"name": "pydub", "skip_reason": "?"}]))


def test_own_list_of_ignored_advisories_is_valid() -> None:
    audit.load_ignored(audit.IGNORED)
