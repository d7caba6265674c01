"""Every part that the service depends on, and how it is: for machines (/readyz) and for operators (/operate)."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from api.auth.oidc.single_sign_on import SingleSignOn
from api.health import telephony
from api.health.readiness import (
    Asterisk,
    OperatorsFiles,
    check_audit,
    check_clock,
    check_database,
    check_flood,
    check_phone_doors,
    check_standby,
    check_trunk,
)
from desk.audit.audit import Audit
from desk.audit.fallback import AuditFallback
from desk.callbacks.services import CallbackServices
from desk.clock import Clock
from desk.clock_check.clock_check import ClockCheck
from desk.connections.health import Component
from desk.controllers.controllers import Controllers
from desk.departments.departments import Departments
from desk.dials.dials import Dials
from desk.messages.sender import Sender
from desk.settings.settings import Settings


class CheckedServices(Protocol):
    """The part of api/services.py that is checked."""

    @property
    def settings(self) -> Settings: ...

    @property
    def controllers(self) -> Controllers: ...

    @property
    def asterisk(self) -> Asterisk: ...

    @property
    def callbacks(self) -> CallbackServices: ...

    @property
    def dials(self) -> Dials: ...

    @property
    def departments(self) -> Callable[[], Departments]: ...

    @property
    def files(self) -> OperatorsFiles: ...

    @property
    def clock_check(self) -> ClockCheck: ...

    @property
    def lease_clock(self) -> Clock: ...

    @property
    def audit(self) -> Audit: ...

    @property
    def audit_fallback(self) -> AuditFallback: ...

    @property
    def sender(self) -> Sender: ...

    @property
    def single_sign_on(self) -> SingleSignOn | None: ...


async def components(services: CheckedServices) -> dict[str, Component]:
    """Check everything that the service depends on."""
    database, asterisk, clock, standby = await asyncio.gather(
        check_database(services.controllers),
        services.asterisk.check(),
        check_clock(services.clock_check),
        check_standby(services.settings.standby),
    )
    asked = telephony.Telephony(services.asterisk.read)
    found = {
        "database": database,
        "asterisk": asterisk,
        **await check_phone_doors(services.controllers, services.lease_clock.now()),
        "standby": standby,
        **(await asked.check(services.departments().all()) if asterisk.ok else telephony.unknown("not known")),
        "clock": clock,
        "audit": await check_audit(services.audit_fallback, services.audit.anchor_fault),
        "trunk_budget": await check_trunk(services.dials),
        "flood": await check_flood(services.callbacks.floods),
        "departments": await asyncio.to_thread(services.files.departments),
        "prompts": await asyncio.to_thread(services.files.prompts),
        "sms": await services.sender.check(),
    }
    if services.single_sign_on is not None:
        found["groups"] = await services.single_sign_on.groups()
    return found
