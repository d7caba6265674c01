"""Open every sealed value of a database once, as proof that the keys at hand are the right ones."""

from dataclasses import dataclass

from desk.access.actor import SYSTEM
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, reading
from desk.key_rotation.sealed_columns import SEALED, SealedColumn, SealedValue, page
from desk.vault.errors import CannotOpen
from desk.vault.vault import Vault

ROWS_A_STEP = 500


@dataclass(frozen=True)
class OpeningResult:
    """How many values were opened, and how many could not be, by column."""

    opened: int
    closed: dict[str, int]


class Opening(Service):
    """Opens the sealed values of one database."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock) -> None:
        super().__init__(database=database, clock=clock)
        self._vault = vault

    async def open_all(self) -> OpeningResult:
        """Open every sealed value. What was in them is not kept."""
        opened, closed = 0, dict[str, int]()
        for of in SEALED:
            after: str | int | None = None
            while values := await self._page(SYSTEM, of, after):
                for value in values:
                    if self._opens(of, value):
                        opened += 1
                    else:
                        closed[of.name] = closed.get(of.name, 0) + 1
                after = values[-1].row
        return OpeningResult(opened, closed)

    @reading
    async def _page(self, unit: Unit, of: SealedColumn, after: str | int | None) -> list[SealedValue]:
        return list(await page(unit, of, after, ROWS_A_STEP))

    def _opens(self, of: SealedColumn, value: SealedValue) -> bool:
        try:
            self._vault.open(value.sealed, of.name, value.row)
        except CannotOpen:
            return False
        return True
