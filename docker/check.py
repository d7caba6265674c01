"""`innringing check`: whether the operators' files hold together, before anything is started."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import typer

from desk.departments import Departments, load_departments
from desk.errors import DeskError
from desk.settings import ROOT, Settings
from ivr.prompts.catalogue import PromptsError, load_catalogue

DIGIT_LEVELS = {"dtmf", "verbose", "debug", "*"}
EXTENSION = re.compile(r"(?m)^exten\s*=>\s*(?P<number>[^,\s]+),1,Set\(DEPARTMENT=(?P<slug>[^)]*)\)")


def check() -> None:
    """Check departments.toml, the prompts' catalogue and the dialplan. One line for each fault; exit code 1."""
    try:
        settings = Settings.load(need_keys=False)
        departments = load_departments(settings.departments_file)
        load_catalogue(settings.prompts_dir / "catalogue.toml")
    except (DeskError, PromptsError) as error:
        faults = [str(error)]
    else:
        faults = dialplan_faults(ROOT / "dialplan", departments)
    for fault in faults:
        print(f"innringing check: {fault}", file=sys.stderr)
    if faults:
        raise typer.Exit(1)
    print("Departments, prompts and dialplan are in order.")


def dialplan_faults(folder: Path, departments: Departments) -> list[str]:
    """What would surprise a caller, or write digits to a log: one sentence each."""
    text = (folder / "extensions.conf").read_text(encoding="utf-8")
    rung = {match["number"]: match["slug"] for match in EXTENSION.finditer(text)}
    wanted = {department.extension: department.slug for department in departments.all()}
    faults = [
        f"extensions.conf: {number} must set DEPARTMENT={slug}, as departments.toml says"
        for number, slug in wanted.items()
        if rung.get(number) != slug
    ]
    faults += [f"extensions.conf: {number} has no department" for number in sorted(set(rung) - set(wanted))]
    for line in (folder / "logger.conf").read_text(encoding="utf-8").splitlines():
        name, arrow, levels = line.partition(";")[0].partition("=>")
        loud = DIGIT_LEVELS & {level.strip() for level in levels.split(",")}
        if arrow and loud:
            faults.append(f"logger.conf: {name.strip()} lists {', '.join(sorted(loud))}, which writes callers' digits")
    return faults
