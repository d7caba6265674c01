"""Shared by the tests of the desk: departments, people, phones, calls, and a desk built from them."""

from datetime import time, timedelta
from typing import Any

from desk.access.actor import Actor
from desk.access.permissions import EVERYTHING, Scope
from desk.callbacks.model import CallKey
from desk.callbacks.reception import Reception
from desk.callbacks.services import CallbackServices, callback_services
from desk.clock import Clock
from desk.database.engine import Database
from desk.departments.departments import Department, Departments, Policy
from desk.inquiries.claiming import LEASE
from desk.numbers.identity_number import IdentityNumber, parse_identity
from desk.numbers.phone_number import PhoneNumber, parse_phone
from desk.spool.spool import Spool
from desk.vault.vault import Vault
from tests.support.synthetic import synthetic_identity

KEYS = {"identity_key": bytes(range(32)), "index_key": bytes(range(32, 64))}


def phone(n: int) -> PhoneNumber:
    """One of the ten thousand numbers reserved for fiction."""
    return parse_phone(f"6805{n:04}")


def person(n: int) -> IdentityNumber:
    """A synthetic person."""
    return parse_identity(synthetic_identity(n), allow_test=True, allow_h=False)


def call(n: int) -> CallKey:
    return CallKey("asterisk-1", f"channel-{n}")


DEPARTMENTS = Departments(
    [
        Department(
            slug="kirurgi",
            name="Kirurgisk poliklinikk",
            extension="1000",
            policy=Policy.DEADLINE,
            hospital_number=phone(0),
            cutoff=time(14),
            answer_by=time(15),
            topics={"time": "Time", "resept": "Resept"},
        ),
        Department(
            slug="hjerte",
            name="Hjertepoliklinikken",
            extension="2000",
            policy=Policy.ROUNDS,
            hospital_number=phone(0),
            rounds=(time(10), time(13)),
        ),
    ]
)


def make_desk(
    database: Database, clock: Clock, *, lease: timedelta = LEASE, departments: Departments = DEPARTMENTS, **more: Any
) -> CallbackServices:
    """The services of callbacks, as a hospital with two departments has them."""
    return callback_services(
        database=database, departments=lambda: departments, vault=Vault(**KEYS), clock=clock, lease=lease, **more
    )


def make_reception(desk: CallbackServices, spool: Spool, clock: Clock, **more: Any) -> Reception:
    """What calls use: this desk first, else the spool. `more`: its patience, or whether the database may be used."""
    return Reception(
        registration=desk.registration,
        repeat_callers=desk.repeat_callers,
        spool=spool,
        departments=lambda: DEPARTMENTS,
        clock=clock,
        **more,
    )


def as_agent(name: str, scope: Scope = EVERYTHING) -> Actor:
    """An agent, of every department unless the scope says otherwise."""
    return Actor(name, scope)
