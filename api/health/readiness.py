"""Checks of what the api depends on.

Details are fixed sentences without addresses, passwords or text of another system. For the operators' own files they
name the line and its fault.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from desk.access.actor import SYSTEM
from desk.audit.anchors import AnchorFault
from desk.audit.fallback import AuditFallback
from desk.callbacks.floods import Floods
from desk.clock_check.clock_check import ClockCheck
from desk.connections.health import Component
from desk.connections.standby import standby_answers
from desk.connections.tls import client_context
from desk.controllers.controllers import Controllers
from desk.controllers.model import LEASE, ControllerLease, Load
from desk.database.deadline import within
from desk.database.errors import StorageUnavailable
from desk.departments.departments import Departments
from desk.departments.file import DepartmentsFile
from desk.dials.dials import Dials
from desk.settings.ari import AriSettings
from desk.settings.standby import StandbySettings
from desk.spool.errors import SpoolUnavailable

ASTERISK_SECONDS = 2.0
DATABASE_SECONDS = 2.0
REFUSED = "refused.txt"
"""The note that a refused build leaves in prompts/build."""


class Asterisk:
    """Pings Asterisk's own HTTP server (GET /ari/asterisk/ping), with the password in a header."""

    def __init__(self, settings: AriSettings) -> None:
        base = settings.url.rstrip("/").removesuffix("/ari")
        user, password = (settings.user, settings.password)
        if settings.reader_password is not None:
            user, password = (settings.reader, settings.reader_password)
        self._client = httpx.AsyncClient(
            base_url=base,
            auth=httpx.BasicAuth(user, password.get_secret_value() if password else ""),
            timeout=ASTERISK_SECONDS,
            trust_env=False,
            verify=client_context("ARI", settings.ca) if settings.ca else True,
        )

    async def check(self) -> Component:
        """Check that Asterisk answers. Never raises."""
        try:
            answer = await self._client.get("/ari/asterisk/ping")
        except httpx.TimeoutException:
            return Component(False, f"Asterisk did not answer within {ASTERISK_SECONDS:.0f} seconds")
        except (httpx.HTTPError, httpx.InvalidURL):
            return Component(False, "Asterisk can't be reached")
        if answer.status_code == httpx.codes.OK:
            return Component(True, "answers")
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            return Component(False, "Asterisk refuses the user or password of ARI")
        return Component(False, "something that is not Asterisk's ARI answers")

    async def read(self, resource: str) -> Any:
        """Get an ARI resource as parsed JSON; None if it does not exist or Asterisk does not answer. Never raises."""
        try:
            answer = await self._client.get(f"/ari/{resource}")
            return answer.json() if answer.status_code == httpx.codes.OK else None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            return None

    async def close(self) -> None:
        await self._client.aclose()


async def check_database(controllers: Controllers) -> Component:
    """Check that the database takes a write, as a callback needs one. Never raises."""
    try:
        await within(DATABASE_SECONDS, controllers.probe(SYSTEM))
    except StorageUnavailable as error:
        return Component(False, error.fault.value if error.fault else "the database can't be reached")
    return Component(True, "takes writes")


async def check_clock(clock: ClockCheck) -> Component:
    """Compare the machine's clock with the database's and with what was stored before. Never raises."""
    try:
        state = await within(DATABASE_SECONDS, clock.check())
    except StorageUnavailable:
        return Component(False, "unknown while the database can't be reached")
    if state.doubt:
        return Component(False, f"nothing is deleted: {state.doubt}")
    if state.fault:
        return Component(False, state.fault)
    return Component(True, "agrees with what is stored" if state.skew is None else "agrees with the database's")


async def check_phone_doors(controllers: Controllers, now: datetime) -> dict[str, Component]:
    """Check that each Asterisk's controller gives signs of life, and that its spool is in order. Never raises."""
    try:
        leases = await within(DATABASE_SECONDS, controllers.all(SYSTEM))
    except StorageUnavailable:
        unknown = Component(False, "unknown while the database can't be reached")
        return {"phone_door": unknown, "spool": unknown}
    return {"phone_door": _phone_door(leases, now), "spool": _spool([lease.load for lease in leases])}


def _phone_door(leases: Sequence[ControllerLease], now: datetime) -> Component:
    if not leases:
        return Component(False, "no phone door has connected to an Asterisk yet")
    silent = sum(now - lease.seen_at > LEASE for lease in leases)
    if silent:
        return Component(False, f"{silent} of {len(leases)} phone doors have been silent for over {LEASE.seconds} s")
    return Component(True, "answers")


def _spool(loads: Sequence[Load]) -> Component:
    if damaged := sum(load.damaged for load in loads):
        return Component(False, f"{damaged} files were set aside in the spool (docs/operations.md)")
    waiting = sum(load.spooled for load in loads)
    return Component(True, f"{waiting} files wait in it" if waiting else "empty")


async def check_audit(fallback: AuditFallback, anchor_fault: AnchorFault | None = None) -> Component:
    """Check that the audit can be written and continues its anchors, and that no row waits long. Never raises."""
    try:
        state = await fallback.spool.state()
    except SpoolUnavailable:
        return Component(False, "rows that wait on this machine's disk can't be read")
    if state.damaged:
        return Component(False, f"{state.damaged} files of the audit were set aside (docs/operations.md)")
    if await fallback.is_full():
        return Component(False, "reads are refused: too many rows wait on this machine's disk, or too long")
    if anchor_fault is not None:
        return Component(False, anchor_fault.value)
    return Component(True, f"{state.waiting} rows wait on this machine's disk" if state.waiting else "is written")


async def check_trunk(dials: Dials) -> Component:
    """Check that click to call may use the trunk: not where its budget of one hour is spent. Never raises."""
    try:
        use = await within(DATABASE_SECONDS, dials.trunk_use(SYSTEM))
    except StorageUnavailable:
        return Component(False, "unknown while the database can't be reached")
    used = (
        f"{use.calls} of {use.caps.trunk_calls} calls and {use.minutes:.0f} of {use.caps.trunk_minutes} minutes an hour"
    )
    return (
        Component(False, f"{used}: no more calls to patients go out for now") if use.is_spent else Component(True, used)
    )


async def check_flood(floods: Floods) -> Component:
    """Check that no callbacks wait that are marked as part of a flood of callers. Never raises."""
    try:
        waiting = await within(DATABASE_SECONDS, floods.waiting(SYSTEM))
    except StorageUnavailable:
        return Component(False, "unknown while the database can't be reached")
    if waiting:
        return Component(False, f"{sum(waiting.values())} marked callbacks wait in {', '.join(sorted(waiting))}")
    return Component(True, "no flood is suspected")


async def check_standby(settings: StandbySettings) -> Component:
    """Check that the standby answers, which talks with callers while the phone door cannot. Never raises."""
    if await standby_answers(settings.host, settings.port):
        return Component(True, "answers")
    return Component(False, "does not answer: callers whom the phone door drops reach the switchboard")


class OperatorsFiles:
    """The files that operators edit while the service runs. After a mistake the last good file stays in use."""

    def __init__(self, departments: Callable[[], Departments], prompts_dir: Path) -> None:
        self._departments = departments
        self._refused = prompts_dir / "build" / REFUSED

    def departments(self) -> Component:
        """Check that departments.toml is in use as it is on disk."""
        self._departments()  # reads the file if it has changed
        fault = self._departments.fault_on_disk() if isinstance(self._departments, DepartmentsFile) else None
        if fault is None:
            return Component(True, "in use as on disk")
        place = Path(fault.file).name + (f":{fault.line}" if fault.line is not None else "")
        return Component(False, f"{place}: {fault.reason}; the last good file goes on")

    def prompts(self) -> Component:
        """Check whether the last build of the prompts was refused."""
        try:
            reason = self._refused.read_text("utf-8").strip()
        except FileNotFoundError:
            return Component(True, "the last build is in use")
        except (OSError, UnicodeError):
            return Component(False, "what the last build left can't be read")
        return Component(False, f"{reason}; the last good prompts go on")
