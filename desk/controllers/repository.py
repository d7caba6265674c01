"""Controllers' leases, and the write probe, in the database."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, insert, select, update

from desk.controllers.model import LEASE, ControllerLease, Load
from desk.database.unit_of_work import Unit
from desk.schema.tables import controllers, write_probes

c = controllers.c

PROBE = 1


async def locked(unit: Unit, asterisk_id: str) -> ControllerLease | None:
    """Find the lease of an Asterisk, and lock it for this unit of work."""
    query = select(controllers).where(c.asterisk_id == asterisk_id).with_for_update()
    row = (await unit.connection.execute(query)).one_or_none()
    return _read(row) if row else None


async def add(unit: Unit, asterisk_id: str, controller: str, load: Load) -> None:
    """Add the first lease of an Asterisk. Raises Conflict when another controller adds it."""
    values = {"asterisk_id": asterisk_id, "controller": controller, "fence": 1, "taken_at": unit.now}
    await unit.connection.execute(insert(controllers).values(**values, **_heartbeat(unit, load)))


async def take_over(unit: Unit, lease: ControllerLease, controller: str, load: Load) -> None:
    """Give the locked lease to another controller."""
    values = {"controller": controller, "fence": lease.fence + 1, "taken_at": unit.now, **_heartbeat(unit, load)}
    await unit.connection.execute(update(controllers).where(c.asterisk_id == lease.asterisk_id).values(**values))


async def renew(unit: Unit, asterisk_id: str, controller: str, load: Load) -> bool:
    """Extend the lease. False when another controller has it, or no one."""
    own = (c.asterisk_id == asterisk_id, c.controller == controller)
    found = await unit.connection.execute(update(controllers).where(*own).values(**_heartbeat(unit, load)))
    return found.rowcount == 1


async def end(unit: Unit, asterisk_id: str, controller: str) -> None:
    """End the controller's own lease, so that a successor needs not wait."""
    own = (c.asterisk_id == asterisk_id, c.controller == controller)
    await unit.connection.execute(update(controllers).where(*own).values(lease_until=unit.now))


async def all_leases(unit: Unit) -> Sequence[ControllerLease]:
    """Read every lease, by Asterisk."""
    return [_read(row) for row in await unit.connection.execute(select(controllers).order_by(c.asterisk_id))]


async def serving(unit: Unit) -> int:
    """Count the controllers whose lease has not run out."""
    query = select(func.count()).select_from(controllers).where(c.lease_until > unit.now)
    return int((await unit.connection.execute(query)).scalar_one())


async def write_probe(unit: Unit) -> None:
    """Write the time to the one row of the table."""
    written = await unit.connection.execute(update(write_probes).where(write_probes.c.id == PROBE).values(at=unit.now))
    if not written.rowcount:
        await unit.connection.execute(insert(write_probes).values(id=PROBE, at=unit.now))


def _heartbeat(unit: Unit, load: Load) -> dict[str, Any]:
    return {
        **{"seen_at": unit.now, "lease_until": unit.now + LEASE},
        **{"calls": load.calls, "spooled": load.spooled, "damaged": load.damaged},
    }


def _read(row: Any) -> ControllerLease:
    return ControllerLease(
        asterisk_id=row.asterisk_id,
        controller=row.controller,
        fence=row.fence,
        taken_at=row.taken_at,
        seen_at=row.seen_at,
        lease_until=row.lease_until,
        load=Load(row.calls, row.spooled, row.damaged),
    )
