"""Make a mistake in the files of a running system, ask for a reload, and call: what does the caller notice?"""

import asyncio
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from desk.departments.errors import DepartmentsFileError
from desk.departments.file import load_departments
from desk.paths import ROOT
from ops.commands.reload import NotTakenIn, Refused, check_and_take_in
from tests.support.machine.system import System
from tests.support.mistakes import Mistake
from tests.support.phone.callers import ringing
from tests.support.sly_mistakes import DEPARTMENTS
from tests.support.synthetic import synthetic_identity

READ_AGAIN = 2.5
"""Seconds until each process has read departments.toml again."""
FIRST_PERSON = 3000
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
        return self.call != "works"


class Trial:
    """The files of one running system, which is started with `live` as its folder of departments."""

    def __init__(self, system: System, live: Path, folder: Path) -> None:
        self._system, self._live, self._folder = system, live, folder
        self._calls = 0

    async def of(self, mistake: Mistake) -> Row:
        """Make the mistake, reload and call; the files are as before afterwards."""
        if mistake.file == DEPARTMENTS:
            return await self._in_departments(mistake)
        row = await self.reload(mistake)
        row = replace(row, call=await self.call())
        if row.check == "accepted":
            await asyncio.to_thread(self._take_in, ROOT / "dialplan")
        return row

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

    def _take_in(self, folder: Path) -> None:
        check_and_take_in(self._system.settings, dialplan=folder, root=folder)
