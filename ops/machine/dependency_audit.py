"""Part of `make check`: look for known vulnerabilities in our dependencies (pip-audit on requirements.txt, with OSV).

Exit code 0 if none are known, 1 if some are. If OSV cannot be reached, or has no answer for a package, it prints one
line and exits with 0, or with 1 if INNRINGING_AUDIT=required.
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
REQUEST_TIMEOUT, TOTAL_TIMEOUT = 15, 300  # seconds
FIELDS = frozenset({"id", "reason", "until"})


class AuditError(Exception):
    """The audit failed. The message is one line."""


class AdvisoriesUnavailable(AuditError):
    """The advisories are not available for all packages."""


@dataclass(frozen=True)
class Vulnerability:
    """A known vulnerability of a version that we depend on. `ids` has its id and its aliases."""

    package: str
    version: str
    ids: tuple[str, ...]
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        fix = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "not fixed yet"
        return f"{self.package} {self.version}: {', '.join(self.ids)}, {fix}"


@dataclass(frozen=True)
class IgnoredAdvisory:
    """An advisory that does not affect us, the reason, and the last day on which we ignore it."""

    id: str
    reason: str
    until: date


def vulnerabilities(requirements: Path, url: str) -> list[Vulnerability]:
    """Return the known vulnerabilities of the pinned versions. Raises AdvisoriesUnavailable."""
    command = [
        *(sys.executable, "-m", "pip_audit", "-r", str(requirements), "--require-hashes", "--disable-pip"),
        *("--vulnerability-service", "osv", "--osv-url", url, "--format", "json", "--aliases", "on", "--desc", "off"),
        *("--progress-spinner", "off", "--timeout", str(REQUEST_TIMEOUT)),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TOTAL_TIMEOUT)
    except subprocess.TimeoutExpired:
        raise AdvisoriesUnavailable(f"no response within {TOTAL_TIMEOUT} seconds") from None
    try:
        return list(_read(json.loads(done.stdout)["dependencies"]))
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise AdvisoriesUnavailable(last.partition(":")[0].rpartition(".")[2][:80]) from None


def _read(dependencies: Iterable[Mapping[str, Any]]) -> Iterable[Vulnerability]:
    skipped = [each["name"] for each in dependencies if "skip_reason" in each]
    if skipped:
        raise AdvisoriesUnavailable(f"no answer for {len(skipped)} packages, such as {skipped[0]}")
    for each in dependencies:
        for known in each["vulns"]:
            ids = (known["id"], *known.get("aliases", ()))
            yield Vulnerability(each["name"], each["version"], ids, tuple(known.get("fix_versions", ())))


def load_ignored(file: Path) -> list[IgnoredAdvisory]:
    """Load the advisories to ignore. Raises AuditError if the file is invalid."""
    try:
        entries = tomllib.loads(file.read_text("utf-8")).get("ignored", [])
    except (OSError, ValueError) as error:
        raise AuditError(f"{file.name} can't be read: {type(error).__name__}") from None
    for entry in entries:
        right = set(entry) == FIELDS and str(entry["reason"]).strip() and type(entry["until"]) is date
        if not right:
            raise AuditError(f"{file.name}: each [[ignored]] needs exactly id, reason and until = <a date>")
    return [IgnoredAdvisory(**entry) for entry in entries]


def audit(requirements: Path, ignored_file: Path, url: str, *, today: date) -> list[str]:
    """Return what must be fixed, one line each. Raises AuditError."""
    ignored = load_ignored(ignored_file)
    faults = [f"{one.id} was ignored until {one.until}: check it again" for one in ignored if one.until < today]
    ignored_ids = {one.id for one in ignored}
    faults += [str(one) for one in vulnerabilities(requirements, url) if not ignored_ids.intersection(one.ids)]
    return faults


def main() -> int:
    required = os.environ.get(MODE) == "required"
    try:
        faults = audit(REQUIREMENTS, IGNORED, os.environ.get(URL) or OSV, today=date.today())
    except AdvisoriesUnavailable as reason:
        end = f"and {MODE} is required" if required else f"so nothing was checked ({MODE}=required makes this an error)"
        print(f"audit: the advisories are not available ({reason}), {end}")
        return int(required)
    except AuditError as error:
        print(f"audit: {error}")
        return 1
    for fault in faults:
        print(f"audit: {fault}")
    if not faults:
        print("audit: no known vulnerabilities in requirements.txt")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
