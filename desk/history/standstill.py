"""Whether anything has happened in some departments since they were read, so that what was read can be shown again."""

from desk.database.unit_of_work import Service, Unit, reading
from desk.history import feed_repository as rows


class Standstill(Service):
    """Asks the history, in which each change of an inquiry that is not claimed has a row (a longer lease has none)."""

    @reading
    async def mark(self, unit: Unit) -> int | None:
        """The position in the history before which nothing more can appear; None while a unit of work is unfinished.

        What is read afterwards holds everything up to it.
        """
        return await rows.settled(unit)

    @reading
    async def is_broken(self, unit: Unit, since: int) -> bool:
        """Whether anything has happened in the actor's departments after that mark."""
        return await rows.has_more(unit, since)
