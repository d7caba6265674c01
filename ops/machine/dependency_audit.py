"""`make check`: whether what we depend on has known weaknesses (pip-audit over requirements.txt, against OSV).

Three outcomes: none known (exit 0), some known (each named, exit 1), the service of advisories can't be reached (one
line, exit 0; exit 1 where INNRINGING_AUDIT=required). What pip-audit could not look up counts as not reached: it would
else pass for clean.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from desk.paths import ROOT

REQUIREMENTS = ROOT / "requirements.txt"
IGNORED = ROOT / "docker" / "dependency-audit-ignored.toml"
MODE, URL = "INNRINGING_AUDIT", "INNRINGING_AUDIT_URL"
OSV = "https://api.osv.dev/v1/query"
SECONDS_AN_ANSWER, SECONDS_IN_ALL = 15, 300
FIELDS = frozenset({"id", "reason", "until"})


class AuditError(Exception):
    """The audit can't be made as asked; the message is one line."""


class NotReached(AuditError):
    """Nobody answered for some package."""


@dataclass(frozen=True)
class Weakness:
    """One advisory that holds for a version we depend on. `ids`: its own and its other names."""

    package: str
    version: str
    ids: tuple[str, ...]
    mended_in: tuple[str, ...]

    def __str__(self) -> str:
        mended = f"mended in {', '.join(self.mended_in)}" if self.mended_in else "not mended yet"
        return f"{self.package} {self.version}: {', '.join(self.ids)}, {mended}"


@dataclass(frozen=True)
class Ignored:
    """An advisory that does not concern us, why, and the last day on which that is believed."""

    id: str
    reason: str
    until: date


def weaknesses(requirements: Path, url: str) -> list[Weakness]:
    """Every known weakness of what the file pins. Raises NotReached."""
    command = [
        *(sys.executable, "-m", "pip_audit", "-r", str(requirements), "--require-hashes", "--disable-pip"),
        *("--vulnerability-service", "osv", "--osv-url", url, "--format", "json", "--aliases", "on", "--desc", "off"),
        *("--progress-spinner", "off", "--timeout", str(SECONDS_AN_ANSWER)),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS_IN_ALL)
    except subprocess.TimeoutExpired:
        raise NotReached(f"no answer within {SECONDS_IN_ALL} seconds") from None
    try:
        return list(_read(json.loads(done.stdout)["dependencies"]))
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise NotReached(last.partition(":")[0].rpartition(".")[2][:80]) from None


def _read(dependencies: Iterable[Mapping[str, Any]]) -> Iterable[Weakness]:
    skipped = [each["name"] for each in dependencies if "skip_reason" in each]
    if skipped:
        raise NotReached(f"nobody answers for {len(skipped)} packages, {skipped[0]} among them")
    for each in dependencies:
        for known in each["vulns"]:
            ids = (known["id"], *known.get("aliases", ()))
            yield Weakness(each["name"], each["version"], ids, tuple(known.get("fix_versions", ())))


def load_ignored(file: Path) -> list[Ignored]:
    """What the file leaves out. Raises AuditError: it is not as it should be."""
    try:
        entries = tomllib.loads(file.read_text("utf-8")).get("ignored", [])
    except (OSError, ValueError) as error:
        raise AuditError(f"{file.name} can't be read: {type(error).__name__}") from None
    for entry in entries:
        right = set(entry) == FIELDS and str(entry["reason"]).strip() and type(entry["until"]) is date
        if not right:
            raise AuditError(f"{file.name}: each [[ignored]] has an id, a reason, and until = <a date>, and no more")
    return [Ignored(**entry) for entry in entries]


def audit(requirements: Path, ignored_file: Path, url: str, *, today: date) -> list[str]:
    """What must be mended, a line each. Raises AuditError."""
    ignored = load_ignored(ignored_file)
    faults = [f"{one.id} was ignored until {one.until}: look again" for one in ignored if one.until < today]
    left_out = {one.id for one in ignored}
    faults += [str(one) for one in weaknesses(requirements, url) if not left_out.intersection(one.ids)]
    return faults


def main() -> int:
    required = os.environ.get(MODE) == "required"
    try:
        faults = audit(REQUIREMENTS, IGNORED, os.environ.get(URL) or OSV, today=date.today())
    except NotReached as reason:
        end = f"and {MODE} is required" if required else f"so nothing is known ({MODE}=required makes this an error)"
        print(f"audit: the advisories can't be reached ({reason}), {end}")
        return int(required)
    except AuditError as error:
        print(f"audit: {error}")
        return 1
    for fault in faults:
        print(f"audit: {fault}")
    if not faults:
        print("audit: no weakness is known of what requirements.txt pins")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
