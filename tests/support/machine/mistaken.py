"""Make a mistake in the files of a running system, ask for a reload, and call: what does the caller notice?"""

import asyncio
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from desk.departments.errors import DepartmentsFileError
from desk.departments.file import load_departments
from desk.paths import ROOT
from ivr.prompts.build import build
from ivr.prompts.catalogue import PromptsError
from ops.commands.check import faults, groups
from ops.commands.reload import NotTakenIn, Refused, check_and_take_in
from tests.support.machine.system import System
from tests.support.mistakes import Mistake
from tests.support.phone.callers import ringing
from tests.support.sly_mistakes import DEPARTMENTS
from tests.support.synthetic import synthetic_identity
from tests.support.text_mistakes import ACCESS, CATALOGUE, SMS

READ_AGAIN = 2.5
"""Seconds until each process has read departments.toml again."""
FIRST_PERSON = 3000
SHOWN = ("dialplan show", "pjsip show endpoints", "pjsip show transports", "pjsip show identifies")
"""What Asterisk is asked before and after an edit that is refused."""
LONGEST_CALL = 180.0


@dataclass(frozen=True)
class Row:
    """What became of a mistake. `check`: refused, put back (Asterisk lacked something), or accepted."""

    mistake: Mistake
    check: str
    reason: str
    call: str = ""

    @property
    def hurts(self) -> bool:
        return self.call not in ("works", "")


class Trial:
    """The files of one running system, which is started with `live` as its folder of departments."""

    def __init__(self, system: System, live: Path, folder: Path) -> None:
        self._system, self._live, self._folder = system, live, folder
        self._calls = 0

    async def of(self, mistake: Mistake, *, calls: bool = True) -> Row:
        """Make the mistake, reload and call; the files are as before afterwards.

        After every refused edit, Asterisk's files and what it says it has must be as before. Without `calls`, there
        is a call only if Asterisk was touched.
        """
        if mistake.file == DEPARTMENTS:
            return await self._in_departments(mistake)
        if mistake.file in (SMS, ACCESS, CATALOGUE):
            return await self._in_texts(mistake)
        before = await asyncio.to_thread(self._in_asterisk)
        row = await self.reload(mistake)
        if row.check == "refused" and await asyncio.to_thread(self._in_asterisk) != before:
            return replace(row, call="fails: Asterisk was changed")
        if calls or row.check != "refused":
            row = replace(row, call=await self.call())
        if row.check == "accepted":
            await asyncio.to_thread(self._take_in, ROOT / "dialplan")
        return row

    def _in_asterisk(self) -> dict[str, object]:
        """Return Asterisk's files, byte by byte,, and what Asterisk itself says that it has."""
        asterisk = self._system.asterisk
        etc = asterisk.instance.folder / "etc"
        files: dict[str, object] = {str(path): path.read_bytes() for path in sorted(etc.rglob("*.conf"))}
        return files | {command: asterisk.console(command) for command in SHOWN}

    async def reload(self, mistake: Mistake) -> Row:
        candidate = self._folder / "candidate"
        shutil.rmtree(candidate, ignore_errors=True)
        shutil.copytree(ROOT / "dialplan", candidate)
        mistake.make(candidate)
        try:
            await asyncio.to_thread(self._take_in, candidate)
        except Refused as refused:
            return Row(mistake, "refused", str(refused.faults[0]))
        except NotTakenIn as lacking:
            return Row(mistake, "put back", lacking.reasons[0])
        return Row(mistake, "accepted", "")

    async def call(self) -> str:
        """Call each department as a patient: «works» if both callbacks are confirmed."""
        try:
            await asyncio.gather(self._one_call("1000"), self._one_call("2000"))
        except (AssertionError, TimeoutError, OSError, ExceptionGroup) as error:
            return f"fails: {type(error).__name__} {str(error)[:80]}"
        return "works"

    async def _one_call(self, number: str) -> None:
        self._calls += 1
        n = FIRST_PERSON + self._calls
        async with asyncio.timeout(LONGEST_CALL), ringing(self._system.settings, number, f"+4741{n:06}") as caller:
            await caller.hears("welcome")
            await caller.keys(synthetic_identity(n))
            await caller.hears("received")

    async def _in_departments(self, mistake: Mistake) -> Row:
        mistake.make(self._live)
        try:
            load_departments(self._live / DEPARTMENTS)
            row = Row(mistake, "accepted", "")
        except DepartmentsFileError as error:
            row = Row(mistake, "refused", error.reason)
        await asyncio.sleep(READ_AGAIN)
        row = replace(row, call=await self.call())
        shutil.copy(ROOT / "dialplan" / DEPARTMENTS, self._live / DEPARTMENTS)
        await asyncio.sleep(READ_AGAIN)
        return row

    async def _in_texts(self, mistake: Mistake) -> Row:
        """Make the mistake in the texts or groups that the service reads while it runs, and build the prompts."""
        prompts = self._system.settings.files.prompts
        folder = self._live if mistake.file == ACCESS else prompts
        mistake.make(folder)
        try:
            row = await asyncio.to_thread(self._checked, mistake)
            await asyncio.sleep(READ_AGAIN)
            return replace(row, call=await self.call())
        finally:
            source = ROOT / ("dialplan" if mistake.file == ACCESS else "prompts") / mistake.file
            shutil.copy(source, folder / mistake.file)
            await asyncio.sleep(READ_AGAIN)

    def _checked(self, mistake: Mistake) -> Row:
        files, root = self._system.settings.files, self._folder
        found = faults(files.departments, files.prompts, ROOT / "dialplan", root=root)
        found += groups(files.access, files.departments, root=root)
        wrong = [fault for fault in found if not fault.note]
        if mistake.file == CATALOGUE:
            try:
                build(files.prompts, departments=load_departments(files.departments))
            except PromptsError as refused:
                return Row(mistake, "refused" if wrong else "accepted", str(refused))
            return Row(mistake, "accepted", "")
        return Row(mistake, "refused", str(wrong[0])) if wrong else Row(mistake, "accepted", "")

    def _take_in(self, folder: Path) -> None:
        check_and_take_in(self._system.settings, dialplan=folder, root=folder)
