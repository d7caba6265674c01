"""`innringing reload`: give Asterisk the operators' files while it runs, or leave it as it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from desk.departments.file import load_departments
from desk.errors import DeskError
from desk.files.errors import OperatorsFileError
from desk.files.faults import FileFault
from desk.paths import ROOT
from desk.settings.settings import Settings
from ivr.prompts.catalogue import PromptsError
from ops.commands.check import table
from ops.commands.dialplan.candidate import mistakes
from ops.commands.dialplan.telephony_files import TelephonyFiles
from ops.commands.terminal import fail, load_settings, show
from ops.machine import instance
from ops.machine.engine import EngineError
from ops.machine.questions import Expected, lacking, names_of_transports
from ops.machine.running import NotRunning, RunningAsterisk, alone_with, find
from ops.messages.translation import translated

PATIENCE = 5.0  # seconds until Asterisk must have what the files say
NEEDS_RESTART = ("modules.conf", "http.conf", "rtp.conf")
"""Files that Asterisk reads only, or not wholly, when it starts."""


class NotTakenIn(Exception):
    """Asterisk did not have what the new files say; it has the previous ones again. `reasons` is never empty."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class Refused(Exception):
    """The files have mistakes, and nothing was changed."""

    def __init__(self, faults: list[FileFault]) -> None:
        super().__init__(str(faults[0]))
        self.faults = faults


class ChangedMeanwhile(Exception):
    """Someone saved a file while it was checked. Nothing was changed."""

    def __init__(self) -> None:
        super().__init__("the files changed while they were checked, and nothing was changed: run it again")


@dataclass(frozen=True)
class TakenIn:
    """What Asterisk has after a reload. `waiting` are changed files that count first after a restart."""

    expected: Expected
    waiting: list[str]


def reload() -> None:
    """Check Asterisk's files and load them in the Asterisk that runs here. Calls in progress go on.

    A mistake changes nothing. If Asterisk does not have each number, phone and transport afterwards, it gets the
    previous files back.
    """
    try:
        taken = check_and_take_in(load_settings())
    except Refused as refused:
        Console(width=None if sys.stdout.isatty() else 160).print(table(refused.faults))
        _fail("nothing was changed: Asterisk goes on with the files it has")
    except NotTakenIn as error:
        _fail(f"Asterisk has the previous files again. {'. '.join(map(translated, error.reasons))}")
    except (ChangedMeanwhile, NotRunning, DeskError, PromptsError, EngineError) as error:
        _fail(str(error))
    else:
        _report(taken)


def check_and_take_in(settings: Settings, *, dialplan: Path = instance.DIALPLAN, root: Path = ROOT) -> TakenIn:
    """Check the files, and give them to the running Asterisk.

    Raises Refused, ChangedMeanwhile, NotTakenIn or NotRunning.
    """
    running = find(settings)
    with alone_with(running):
        settings = settings.changed(environment="demo" if instance.is_demo(running.folder) else "production")
        local = running.folder / "etc" / "local" / instance.OWN
        files = _read(settings, dialplan)
        if found := mistakes(settings, local, dialplan=dialplan, root=root):
            raise Refused(found)
        expected = expected_of(settings, running, dialplan)
        if files is None or files != _read(settings, dialplan):
            raise ChangedMeanwhile
        return take_in(running, files, expected)


def _read(settings: Settings, dialplan: Path) -> dict[str, str] | None:
    """Read the files that Asterisk is to have. None if one can't be read: the check says which."""
    try:
        return instance.files_of(dialplan, demo=settings.demo)
    except OperatorsFileError:
        return None


def take_in(
    running: RunningAsterisk,
    files: Mapping[str, str],
    expected: Expected,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> TakenIn:
    """Give the files to Asterisk, and put the previous ones back if it then lacks anything. Raises NotTakenIn."""
    before = instance.copy_of(running.folder)
    previous = instance.files_in_force(running.folder)
    try:
        instance.take_in(files, running.folder)
        _reload(running)
        reasons = still_lacking(running, expected, sleep)
    except BaseException:
        _undo(running, before)
        raise
    if reasons:
        _undo(running, before)
        raise NotTakenIn(reasons)
    return TakenIn(expected, [name for name in NEEDS_RESTART if previous.get(name) != files.get(name)])


def expected_of(settings: Settings, running: RunningAsterisk, dialplan: Path) -> Expected:
    """Return what an Asterisk with the files in `dialplan` must have."""
    departments = load_departments(settings.files.departments).all()
    files = TelephonyFiles(dialplan, dialplan)
    return Expected(
        numbers=[number for each in departments for number in (each.extension, *each.extensions.values())],
        endpoints=files.endpoints(demo=settings.demo),
        transports=[*names_of_transports(running.console), *files.transports()],
    )


def still_lacking(
    running: RunningAsterisk, expected: Expected, sleep: Callable[[float], None] = time.sleep
) -> list[str]:
    """Return what Asterisk does not have after some seconds, since it loads a part of its files in the background."""
    reasons = lacking(running.console, expected)
    for _ in range(int(PATIENCE / 0.25)):
        if not reasons:
            break
        sleep(0.25)
        reasons = lacking(running.console, expected)
    return reasons


def _reload(running: RunningAsterisk) -> None:
    running.give_files()
    running.console("core reload")


def _undo(running: RunningAsterisk, before: Mapping[Path, bytes]) -> None:
    instance.put_back(before, running.folder)
    _reload(running)


def _report(taken: TakenIn) -> None:
    expected = taken.expected
    show(
        f"Asterisk has the new files: {len({*expected.numbers})} numbers, {len(expected.endpoints)} phones and trunks, "
        f"{len(expected.transports)} transports. Calls in progress went on."
    )
    for name in taken.waiting:
        show(f"{name} has changed too: that counts from the next start of Asterisk.")


def _fail(reason: str) -> NoReturn:
    fail(f"innringing reload: {reason}")
