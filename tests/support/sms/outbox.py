"""A desk whose department gives receipts by SMS, an outbox, and a gateway on loopback."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from api.messaging.link_mobility import LinkMobility
from desk.access.actor import CALLER, SYSTEM
from desk.callbacks.model import Callback, CallKey
from desk.callbacks.services import callback_services
from desk.database.engine import Database
from desk.departments.departments import Departments
from desk.ledger.ledger import Ledger
from desk.messages.notices import Notices
from desk.messages.outbox import Outbox
from desk.messages.texts import load_sms_texts
from desk.numbers.phone_number import PhoneNumber, parse_phone
from desk.paths import ROOT
from desk.settings.settings import Settings
from desk.vault.vault import Vault
from tests.support.desk.desk import DEPARTMENTS, KEYS, call, person
from tests.support.fakes import FakeClock
from tests.support.sms.link_gateway import LinkGateway

MOBILE = parse_phone("+4740612345")
OTHER_MOBILE = parse_phone("+4740612346")
LANDLINE = parse_phone("+4768050009")
TEXTS = load_sms_texts(ROOT / "prompts" / "sms.toml")
RECEIPTS = Departments([replace(each, sms_receipt=each.slug == "kirurgi") for each in DEPARTMENTS.all()])
SOON = 2.0
"""The time limit for a gateway in seconds, so that one that hangs does not delay a test longer."""


def link(gateway: LinkGateway, *, seconds: float = SOON) -> LinkMobility:
    """Our client for the gateway."""
    settings = Settings.read(environment="demo", **gateway.settings()).sms
    settings.check()
    return LinkMobility(settings, seconds=seconds)


@dataclass
class Office:
    """One database with everything that writes texts, and one sender."""

    database: Database
    clock: FakeClock
    departments: Departments = field(default_factory=lambda: RECEIPTS)
    on: bool = True

    def __post_init__(self) -> None:
        vault = Vault(**KEYS)
        notices = Notices(vault=vault, texts=lambda: TEXTS if self.on else None)
        common = {"database": self.database, "departments": lambda: self.departments, "vault": vault}
        common |= {"clock": self.clock, "notices": notices}
        self.desk = callback_services(**common)
        self.callers, self.edits = self.desk.repeat_callers, self.desk.edits
        self.outbox = self.another_outbox(self.database)
        self.ledger = Ledger(
            database=self.database, departments=lambda: self.departments, clock=self.clock, lease=timedelta(minutes=15)
        )

    def another_outbox(self, database: Database) -> Outbox:
        return Outbox(database=database, vault=Vault(**KEYS), clock=self.clock, chance=lambda: 0.0)

    async def rings(self, n: int = 1, phone: PhoneNumber = MOBILE, **more: Any) -> Callback:
        """Register the first call of person `n`."""
        return (await self.desk.registration.register(CALLER, call(n), "kirurgi", person(n), phone, **more)).callback

    async def rows(self, columns: str) -> list[tuple[Any, ...]]:
        """These columns of the outbox, oldest first."""
        async with self.database.read() as connection:
            return [tuple(row) for row in await connection.execute(text(f"select {columns} from outbox order by id"))]

    async def states(self) -> list[tuple[str, str]]:
        return [(kind, state) for kind, state in await self.rows("kind, state")]

    async def key(self) -> str:
        """The key of the newest text, as the gateway knows it."""
        return str(UUID(str((await self.rows("key"))[-1][0])))

    async def events(self, id: str) -> list[tuple[str, dict[str, Any]]]:
        """The events of the callback's texts."""
        found = await self.desk.lists.history(SYSTEM, id)
        return [(row.event, dict(row.details)) for row in found if row.event.startswith("sms_")]

    def at(self, moment: datetime) -> None:
        self.clock.set(moment)


def another_call(n: int) -> CallKey:
    return CallKey("asterisk-1", f"again-{n}")


@asynccontextmanager
async def databases(url: str, many: int) -> AsyncIterator[list[Database]]:
    """`count` separate connection pools for one database, as in several processes."""
    async with AsyncExitStack() as stack:
        opened = [Database(url, pool_size=3) for _ in range(many)]
        for each in opened:
            stack.push_async_callback(each.close)
        yield opened
