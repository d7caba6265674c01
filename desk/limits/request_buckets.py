"""The requests of a log-in or token, counted together over all processes that share the database."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from desk.database.unit_of_work import Service, Unit, unit_of_work
from desk.limits import repository as rows


class RequestBuckets(Service):
    """The buckets of one database. Each process counts by itself, and adds here what it has spent."""

    @unit_of_work
    async def spend(self, unit: Unit, spent: Mapping[str, timedelta], *, per: timedelta) -> dict[str, datetime]:
        """Add what was spent of each bucket. Returns when each is full again, with what other processes spent.

        `per`: the time in which an empty bucket fills; none is further from full.
        """
        await rows.delete_full_buckets(unit)
        found = await rows.locked_buckets(unit, list(spent))
        full_at = {key: min(max(found[key], unit.now) + spent[key], unit.now + per) for key in spent}
        await rows.set_buckets(unit, full_at)
        return full_at
