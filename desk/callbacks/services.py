"""The services of callbacks, built together."""

from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from desk.callbacks.edits import CallbackEdits
from desk.callbacks.floods import Floods
from desk.callbacks.identity_reveal import IdentityReveal
from desk.callbacks.incomplete import IncompleteCalls
from desk.callbacks.lists import CallbackLists
from desk.callbacks.model import Callback
from desk.callbacks.outcomes import Outcomes
from desk.callbacks.records import CallbackRecords
from desk.callbacks.registration import Registration
from desk.callbacks.repeat_callers import RepeatCallers
from desk.callbacks.repository import CHANNEL
from desk.callbacks.search import CallbackSearch
from desk.callbacks.spooled_calls import SpooledCalls
from desk.clock import Clock
from desk.database.engine import Database
from desk.departments.departments import Departments
from desk.inquiries.claiming import LEASE, Claiming
from desk.limits.agent_limit import NUMBERS, TRANSFERS
from desk.limits.rate import Rate
from desk.messages.notices import Notices
from desk.numbers.phone_number import PhoneNumber
from desk.promises.closures import Closures
from desk.vault.vault import Vault


@dataclass(frozen=True, kw_only=True)
class CallbackServices:
    """Every service of callbacks, on one database. Any number of processes may share it."""

    registration: Registration
    spooled_calls: SpooledCalls
    repeat_callers: RepeatCallers
    claiming: Claiming[Callback]
    outcomes: Outcomes
    edits: CallbackEdits
    incomplete: IncompleteCalls
    lists: CallbackLists
    records: CallbackRecords
    identity_reveal: IdentityReveal
    search: CallbackSearch
    closures: Closures
    floods: Floods


def callback_services(
    *,
    database: Database,
    departments: Callable[[], Departments],
    vault: Vault,
    clock: Clock,
    lease_clock: Clock | None = None,
    notices: Notices | None = None,
    lease: timedelta = LEASE,
    numbers: Rate = NUMBERS,
    transfers: Rate = TRANSFERS,
    most_claimed: int | None = None,
    own_numbers: Container[PhoneNumber] = (),
) -> CallbackServices:
    """Build the services.

    `numbers`: how many identity numbers one agent may be shown; `transfers`: how many callbacks one agent may transfer;
    `most_claimed`: how many one agent may have at once, None is any number; `own_numbers`: the hospital's, which can't
    be booked. `lease_clock`: the clock that claims are counted by, if it is another: all machines share it.
    """
    leases = lease_clock or clock
    edits = CallbackEdits(
        database=database,
        departments=departments,
        vault=vault,
        clock=leases,
        notices=notices,
        transfers=transfers,
        own_numbers=own_numbers,
    )
    common: dict[str, Any] = {"database": database, "departments": departments, "vault": vault, "clock": clock}
    common["notices"] = notices
    registration = Registration(**common)
    return CallbackServices(
        registration=registration,
        spooled_calls=SpooledCalls(registration=registration, **common),
        repeat_callers=RepeatCallers(**common),
        claiming=Claiming(
            database=database,
            departments=departments,
            clock=leases,
            channel=CHANNEL,
            lease=lease,
            most_held=most_claimed,
        ),
        outcomes=Outcomes(database=database, departments=departments, vault=vault, clock=leases),
        edits=edits,
        incomplete=IncompleteCalls(database=database, vault=vault, clock=clock, edits=edits),
        lists=CallbackLists(database=database, clock=clock),
        records=CallbackRecords(database=database, clock=clock),
        identity_reveal=IdentityReveal(database=database, vault=vault, clock=clock, rate=numbers),
        search=CallbackSearch(database=database, vault=vault, clock=clock, rate=numbers),
        closures=Closures(database=database, departments=departments, clock=clock),
        floods=Floods(database=database, departments=departments, vault=vault, clock=clock),
    )
