"""Callbacks added to a database from outside, as by the phone door, before an api starts on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from desk.access.actor import CALLER
from desk.callbacks.model import CallKey
from desk.callbacks.services import CallbackServices, callback_services
from desk.clock import SystemClock
from desk.database.engine import Database
from desk.departments.file import load_departments
from desk.numbers.identity_number import parse_identity
from desk.numbers.phone_number import parse_phone
from desk.schema.migrate import migrate
from desk.settings.settings import Settings
from desk.wire import make_vault
from tests.support.synthetic import synthetic_identity


@asynccontextmanager
async def open_queue(database_url: str, var_dir: Path) -> AsyncIterator[CallbackServices]:
    """A desk on the database, migrated, with the keys of an api in the same folder."""
    settings = Settings.load(environment="demo", database_url=database_url, var_dir=var_dir)
    departments = load_departments(settings.files.departments)
    await migrate(settings.database.url)
    database = Database(settings.database.url)
    try:
        yield callback_services(
            database=database,
            departments=lambda: departments,
            vault=make_vault(settings.vault),
            clock=SystemClock(),
        )
    finally:
        await database.close()


async def people_ring(desk: CallbackServices, department: str, people: int) -> set[str]:
    """Register calls of `count` different people. Returns the ids of their callbacks."""
    ids = set()
    for n in range(people):
        patient = parse_identity(synthetic_identity(n), allow_test=True, allow_h=False)
        phone = parse_phone(f"+476805{n:04}")
        registration = await desk.registration.register(
            CALLER, CallKey("node-1", f"{department}-{n}"), department, patient, phone
        )
        ids.add(registration.callback.id)
    return ids
