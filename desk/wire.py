"""Build the desk's services from the settings."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from desk.callbacks.reception import Reception
from desk.callbacks.services import CallbackServices, callback_services
from desk.clock import Clock
from desk.database.engine import Database
from desk.departments.departments import Departments
from desk.departments.file import DepartmentsFile
from desk.departments.own_numbers import OwnNumbers
from desk.dials.dials import Dials
from desk.key_rotation.keyring import Keyring
from desk.messages.notices import Notices
from desk.messages.texts import SmsTextsFile
from desk.numbers.errors import InvalidPhone
from desk.numbers.phone_number import parse_phone
from desk.recordings.recordings import Recordings
from desk.settings.database import DatabaseSettings
from desk.settings.dials import DialSettings
from desk.settings.settings import Settings
from desk.settings.sms import SmsSettings
from desk.settings.vault import VaultSettings
from desk.spool.drainer import Drainer
from desk.spool.spool import Spool
from desk.vault.vault import Vault


@asynccontextmanager
async def open_database(settings: DatabaseSettings) -> AsyncIterator[Database]:
    """Open the database of the settings, and close it at the end. Nothing is connected before it is used."""
    database = Database(settings.url)
    try:
        yield database
    finally:
        await database.close()


def make_vault(settings: VaultSettings) -> Vault:
    """Build the vault with the settings' keys. Raises SettingsError if one is missing."""
    identity, index = settings.keys()
    return Vault(
        identity_key=identity.key,
        version=identity.current,
        older=identity.older,
        index_key=index.key,
        index_version=index.current,
        older_index=index.older,
    )


def make_notices(settings: SmsSettings, vault: Vault, texts: SmsTextsFile | None = None) -> Notices:
    """Build what writes to patients. Share `texts` with other users of the file."""
    texts = texts or sms_texts(settings)
    return Notices(vault=vault, texts=texts or (lambda: None), rate=settings.text_rate)


def sms_texts(settings: SmsSettings) -> SmsTextsFile | None:
    """Return the file of texts to patients; None if SMS is off."""
    return SmsTextsFile(settings.texts) if settings.active_gateway != "off" else None


async def check_keys(database: Database, vault: Vault, clock: Clock) -> None:
    """Check the keys. Raises SettingsError if the database was sealed with another, or one it needs is missing."""
    await Keyring(database=database, vault=vault, clock=clock).check()


def make_callbacks(
    database: Database,
    settings: Settings,
    clock: Clock,
    departments: DepartmentsFile | None = None,
    *,
    lease_clock: Clock | None = None,
    texts: SmsTextsFile | None = None,
) -> CallbackServices:
    """Build the services of callbacks. Share `departments` and `texts` with other users of the files.

    Raises DepartmentsFileError.
    """
    departments = departments or DepartmentsFile(settings.files.departments)
    vault = make_vault(settings.vault)
    notices = make_notices(settings.sms, vault, texts)
    return callback_services(
        database=database,
        departments=departments,
        vault=vault,
        clock=clock,
        lease_clock=lease_clock,
        notices=notices,
    )


def make_own_numbers(settings: Settings, departments: Callable[[], Departments]) -> OwnNumbers:
    """Build what knows the hospital's own numbers: departments', the switchboard's, and those that are set."""
    others = list(settings.numbers.own)
    with suppress(InvalidPhone):  # a phone's name, or no number that can be called from outside
        others.append(parse_phone(settings.sip.switchboard, asserted=True))
    return OwnNumbers(departments, others)


def make_spool(settings: Settings) -> Spool:
    """Open the spool of this machine."""
    return Spool(settings.files.spool_folder, vault=make_vault(settings.vault))


def make_reception(
    callbacks: CallbackServices,
    *,
    spool: Spool,
    departments: DepartmentsFile,
    clock: Clock,
    is_ready: Callable[[], bool],
) -> Reception:
    """Build what calls use: the database first, else the spool."""
    return Reception(
        registration=callbacks.registration,
        repeat_callers=callbacks.repeat_callers,
        spool=spool,
        departments=departments,
        clock=clock,
        is_ready=is_ready,
    )


def make_drainer(spool: Spool, callbacks: CallbackServices) -> Drainer:
    """Build what moves calls from the spool into the database."""
    return Drainer(spool, callbacks.spooled_calls.stores())


def make_dials(
    database: Database,
    callbacks: CallbackServices,
    settings: DialSettings,
    *,
    departments: Callable[[], Departments],
    clock: Clock,
) -> Dials:
    """Build the dials, with the caps of the settings."""
    return Dials(
        database=database,
        claiming=callbacks.claiming,
        outcomes=callbacks.outcomes,
        departments=departments,
        clock=clock,
        caps=settings.caps,
    )


def make_recordings(database: Database, settings: Settings, clock: Clock) -> Recordings:
    """Build the service of recordings."""
    return Recordings(database=database, vault=make_vault(settings.vault), clock=clock)
