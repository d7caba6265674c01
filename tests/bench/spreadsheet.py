"""LibreOffice as a reader of our workbooks: it opens one, recalculates it, and writes each sheet as CSV.

It is not installed for the tests: it is large. Debian has it as `libreoffice-calc-nogui`.
"""

import csv
import io
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

PROGRAM: Final = "soffice"
PATIENCE_SECONDS: Final = 180
ALL_SHEETS: Final = "csv:Text - txt - csv (StarCalc):59,34,76,1,,1033,false,false,false,false,false,-1"
RECALCULATE: Final = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load"><prop oor:name="OOXMLRecalcMode" oor:op="fuse">
<value>0</value></prop></item></oor:items>
"""


def sheets_as_csv(book: Path) -> tuple[dict[str, str], str]:
    """Open a workbook and recalculate it. Returns each sheet as CSV by its name, and LibreOffice's warnings."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "profile/user").mkdir(parents=True)
        (folder / "profile/user/registrymodifications.xcu").write_text(RECALCULATE, encoding="utf-8")
        command = [PROGRAM, f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--headless", "--norestore"]
        command += ["--convert-to", ALL_SHEETS, "--outdir", str(folder / "out"), str(book)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS)
        found = {
            path.stem.removeprefix(f"{book.stem}-"): path.read_text(encoding="utf-8-sig")
            for path in (folder / "out").glob("*.csv")
        }
    return found, done.stderr.strip()


def differences(sheets: Mapping[str, str], files: Mapping[str, str]) -> list[str]:
    """Compare sheets with CSV files of the same names. Returns where they differ, as `name: line`."""
    found = [f"{name}: no such sheet" for name in set(sheets) ^ set(files)]
    for name in set(sheets) & set(files):
        ours, theirs = _rows(files[name]), _rows(sheets[name])
        found += [f"{name}: {a} {b}" for a, b in zip(ours, theirs, strict=False) if a != b]
        found += [f"{name}: {len(theirs)} rows of {len(ours)}"] * (len(ours) != len(theirs))
    return sorted(found)


def _rows(text: str) -> list[list[str | float]]:
    table = csv.reader(io.StringIO(text.removeprefix("\ufeff")), delimiter=";")
    return [[_value(each) for each in row] for row in table]


def _value(text: str) -> str | float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return text
