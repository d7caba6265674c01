"""Find parts of the demo in the operators' files. None of them may be there in production."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from desk.departments.demo import demo_departments
from desk.departments.errors import DepartmentsFileError
from desk.files.faults import FileFault, of_file, shown

PHONE = re.compile(r"\bPJSIP/demo-phone\b")
MATCH = re.compile(r"\s*match\s*=")


def demo_parts(departments_file: Path, dialplan: Path, *, root: Path) -> list[FileFault]:
    """Find the demo's departments and phones, and add a note where the telephone company's addresses are missing.

    Unreadable files are ignored here.
    """
    found: list[FileFault] = []
    with suppress(DepartmentsFileError):
        found += [of_file(fault, root) for fault in demo_departments(departments_file)]
    extensions, pjsip = dialplan / "extensions.conf", dialplan / "pjsip.conf"
    for number, line in enumerate(_lines(extensions), start=1):
        if PHONE.search(line):
            reason = "demo-phone belongs to the demo: name the phones of your agents, or remove the line"
            found.append(FileFault(shown(extensions, root), number, reason))
    if not any(MATCH.match(line) for line in _lines(pjsip)):
        reason = "no match= has your telephone company's addresses: its calls are refused"
        found.append(FileFault(shown(pjsip, root), None, reason, note=True))
    return found


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeError):
        return []
    return [line.partition(";")[0] for line in text.splitlines()]
