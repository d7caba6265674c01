"""One controller per Asterisk, and its heartbeat."""

from collections.abc import Sequence

from desk.controllers import repository as rows
from desk.controllers.model import LONGEST_LEASE, ControllerLease, Load
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work


class Controllers(Service):
    """The leases of all controllers."""

    @unit_of_work
    async def take(self, unit: Unit, asterisk_id: str, controller: str, load: Load) -> bool:
        """Take or keep the lease of an Asterisk. False while another controller has it and shows signs of life.

        `controller` is its seat, a slash and its own name.
        """
        lease = await rows.locked(unit, asterisk_id)
        if lease is None:
            await rows.add(unit, asterisk_id, controller, load)
        elif lease.controller == controller:
            await rows.renew(unit, asterisk_id, controller, load)
        elif unit.now < lease.lease_until <= unit.now + LONGEST_LEASE and not _replaces(controller, lease.controller):
            return False
        else:
            await rows.take_over(unit, lease, controller, load)
        return True

    @unit_of_work
    async def renew(self, unit: Unit, asterisk_id: str, controller: str, load: Load) -> bool:
        """Record a heartbeat and extend the lease. False when another controller has it."""
        return await rows.renew(unit, asterisk_id, controller, load)

    @unit_of_work
    async def end(self, unit: Unit, asterisk_id: str, controller: str) -> None:
        """End the controller's lease. Does nothing when another has it."""
        await rows.end(unit, asterisk_id, controller)

    @reading
    async def all(self, unit: Unit) -> Sequence[ControllerLease]:
        """Return the newest heartbeat of each Asterisk's controller."""
        return await rows.all_leases(unit)

    @reading
    async def serving(self, unit: Unit) -> int:
        """Return how many controllers serve an Asterisk now."""
        return await rows.serving(unit)

    @unit_of_work
    async def probe(self, unit: Unit) -> None:
        """Write to the database. Raises StorageUnavailable with the fault when that fails."""
        await rows.write_probe(unit)


def _replaces(controller: str, earlier: str) -> bool:
    """Whether the earlier controller is dead, because this one has its seat, or is this one, in another seat."""
    return any(one == other for one, other in zip(controller.split("/"), earlier.split("/"), strict=False))
