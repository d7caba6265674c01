"""Find callbacks by what a patient says on the phone: a telephone number, an identity number, or words of a note.

Someone who calls the switchboard must be found in one step. What was searched for is on the trail: a search by identity
number shows whether that person waits here, so it counts against the agent's hourly limit, found or not.
"""

import re
from dataclasses import dataclass
from typing import Final

from desk.access.actor import Actor
from desk.callbacks import calls_repository as calls
from desk.callbacks import repository as rows
from desk.callbacks.errors import NothingToSearchFor
from desk.callbacks.model import Callback, RecordedCall
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work
from desk.inquiries import lists_repository as lists
from desk.inquiries.model import InquiryFilter, Kind
from desk.limits import agent_limit
from desk.limits.agent_limit import Limited
from desk.limits.errors import TooManyNumbers
from desk.limits.rate import Rate
from desk.numbers.errors import InvalidIdentity, InvalidPhone
from desk.numbers.identity_number import IdentityNumber, parse_identity
from desk.numbers.phone_number import PhoneNumber, parse_phone
from desk.vault.vault import Vault

MOST_FOUND: Final = 50
SHORTEST_WORD: Final = 2
_SEPARATORS: Final = re.compile(r"[\s.\-/]+")


@dataclass(frozen=True)
class SearchTerm:
    """What to search for: one of the three is set."""

    identity: IdentityNumber | None = None
    phone: PhoneNumber | None = None
    words: str | None = None


@dataclass(frozen=True)
class SearchHits:
    """What was found. `calls` are incomplete calls that no one has dealt with."""

    callbacks: list[Callback]
    calls: list[RecordedCall]


def read_term(text: str, *, allow_test: bool, allow_h: bool) -> SearchTerm:
    """Read what someone typed. Eleven digits that are an identity number are one; else a telephone number; else words.

    Raises NothingToSearchFor for a number that is neither, and for fewer than two letters.
    """
    plain = text.strip()
    digits = _SEPARATORS.sub("", plain)
    if digits.isascii() and digits.isdigit() and len(digits) == 11:
        try:
            return SearchTerm(identity=parse_identity(digits, allow_test=allow_test, allow_h=allow_h))
        except InvalidIdentity:
            pass  # perhaps a telephone number with a country code
    if digits.lstrip("+(").replace(")", "").isdigit():
        try:
            return SearchTerm(phone=parse_phone(plain, allow_foreign=True))
        except InvalidPhone:
            raise NothingToSearchFor from None
    if len(plain) < SHORTEST_WORD or sum(sign.isdigit() for sign in plain) > 4:
        raise NothingToSearchFor
    return SearchTerm(words=plain)


class CallbackSearch(Service):
    """Searches the callbacks within the actor's scope."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock, rate: Rate = agent_limit.NUMBERS) -> None:
        """`rate`: how many identity numbers one agent may be shown, or search for."""
        super().__init__(database=database, clock=clock)
        self._vault = vault
        self._rate = rate

    async def find(self, by: Actor, term: SearchTerm) -> SearchHits:
        """Find at most 50 callbacks, the open ones first, then the newest; and at most 50 incomplete calls.

        Words find no calls. Raises TooManyNumbers.
        """
        if term.identity is None:
            return await self._by_phone_or_words(by, term)
        found = await self._by_identity(by, term.identity)
        if isinstance(found, int):  # committed all the same
            raise TooManyNumbers(found)
        return found

    @reading
    async def _by_phone_or_words(self, unit: Unit, term: SearchTerm) -> SearchHits:
        if term.phone is not None:
            waiting = await calls.waiting_of(unit, calls.c.phone == term.phone.e164, MOST_FOUND)
            return SearchHits(await rows.of_phone(unit, term.phone, MOST_FOUND), waiting)
        page = await lists.page(unit, Kind.CALLBACK, InquiryFilter(text=term.words), cursor=None, limit=MOST_FOUND)
        return SearchHits(await rows.show(unit, page.items), [])

    @unit_of_work
    async def _by_identity(self, unit: Unit, identity: IdentityNumber) -> SearchHits | int:
        """As `find`; a whole number is the seconds until the agent may search for one more."""
        if wait := await agent_limit.count(unit, Limited.NUMBERS, self._rate):
            return wait
        unit.trail.revealed(identity.value)
        indexes = self._vault.indexes(identity.value)
        waiting = await calls.waiting_of(unit, calls.c.patient_index.in_(indexes), MOST_FOUND)
        return SearchHits(await rows.of_person(unit, indexes, MOST_FOUND), waiting)
