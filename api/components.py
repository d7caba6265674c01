"""Every part that the service depends on, and how it is: for machines (/readyz) and for operators (/operate)."""

import asyncio

from api import telephony
from api.readiness import (
    check_audit,
    check_clock,
    check_database,
    check_flood,
    check_phone_door,
    check_standby,
    check_trunk,
)
from api.services import Services
from desk.connections.health import Component


async def components(services: Services) -> dict[str, Component]:
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
        "phone_door": await check_phone_door(services.controllers, services.lease_clock.now()),
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
