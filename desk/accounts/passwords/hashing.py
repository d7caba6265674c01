"""Passwords: what is taken for one, and how it is kept (argon2id).

The rules follow NIST SP 800-63B-4 and ASVS 5.0, 6.2: long enough, no demands on what it is made of, never one that
anybody would try first, that many have, or that has leaked. The work is done in threads, a few at a time, so that
answers to others don't wait for it.
"""

import asyncio
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, ParamSpec, TypeVar

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from desk.accounts.errors import LeakedPasswordsFault, LoginsBusy, WeakPassword
from desk.accounts.passwords.common_passwords import is_common
from desk.accounts.passwords.leaked_passwords import LeakedPasswords

SHORTEST: Final = 12
LONGEST: Final = 128
"""In characters (code points of NFKC), not bytes."""
DISTINCT: Final = 5
"""How many different characters must be left when all that is obvious is taken out."""
AT_ONCE: Final = 2
"""Passwords worked on at a time by one process, 19 MiB and some 20 ms each; as many again for known devices."""
MOST_WAITING: Final = 100

OWASP: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""OWASP's Password Storage Cheat Sheet: argon2id with 19 MiB, two passes, one lane."""

OBVIOUS: Final = (
    *("passord", "password", "passwd", "pass", "hemmelig", "secret", "login", "admin", "administrator", "bruker"),
    *("innringing", "tilbakeringing", "callback", "sykehus", "sjukehus", "hospital", "helse", "klinikk", "poliklinikk"),
    *("sykepleier", "helsesekretær", "lege", "doktor", "pasient", "avdeling", "universitet", "kontor", "jobb"),
    *("ahus", "ullevål", "rikshospitalet", "radiumhospitalet", "haukeland", "lovisenberg", "diakonhjemmet", "stolav"),
    *("akershus", "sunnaas", "nordland", "finnmark", "innlandet", "sørlandet", "østfold", "vestfold", "telemark"),
    *("vestre", "viken", "bærum", "kalnes", "rogaland", "møre", "romsdal", "sogn", "fjordane", "unn", "hus", "sus"),
    *("oslo", "bergen", "trondheim", "stavanger", "tromsø", "kristiansand", "drammen", "fredrikstad", "sarpsborg"),
    *("sandnes", "bodø", "ålesund", "tønsberg", "sandefjord", "haugesund", "skien", "porsgrunn", "arendal", "larvik"),
    *("hamar", "lillehammer", "gjøvik", "elverum", "kongsberg", "molde", "kristiansund", "volda", "førde", "levanger"),
    *("namsos", "harstad", "narvik", "hammerfest", "kirkenes", "lørenskog", "halden", "moss", "horten", "voss"),
    *("velkommen", "velkomen", "welcome", "hei", "hallo", "norge", "noreg", "norway", "norsk", "kjærlighet"),
    *("sommer", "sumar", "vinter", "høst", "haust", "vår", "påske", "jul", "iloveyou", "jegelskerdeg", "elskerdeg"),
    *("fotball", "brann", "rosenborg", "vålerenga", "liverpool", "arsenal", "manchester", "united", "chelsea"),
    *("januar", "februar", "mars", "april", "mai", "juni", "juli", "august", "september", "oktober", "november"),
    *("desember", "mandag", "måndag", "tirsdag", "onsdag", "torsdag", "fredag", "lørdag", "laurdag", "søndag"),
    *("sundag", "changeme", "letmein", "test", "demo"),
)
RUNS: Final = (
    *("abcdefghijklmnopqrstuvwxyzæøå", "01234567890", "qwertyuiopå", "asdfghjkløæ", "zxcvbnm", "!@#$%^&*()"),
    *('!"#¤%&/()=', "1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm"),
)
"""The alphabet, and the keyboard's rows and columns, Norwegian ones among them."""
RUN: Final = 3
YEAR: Final = re.compile(r"(19|20)\d\d")


P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger(__name__)


class PasswordProblem(StrEnum):
    """Why something can't be a password."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    OBVIOUS = "obvious"
    COMMON = "common"
    LEAKED = "leaked"
    THE_SAME = "the_same"


def check_password(password: str, words: Iterable[str] = ()) -> None:
    """Raises WeakPassword. `words`: what is obvious here and now, such as the account's name and the departments'."""
    text = normal(password)
    if len(text) < SHORTEST:
        raise WeakPassword(PasswordProblem.TOO_SHORT)
    if len(text) > LONGEST:
        raise WeakPassword(PasswordProblem.TOO_LONG)
    if len(set(_less_obvious(text.casefold(), words))) < DISTINCT:
        raise WeakPassword(PasswordProblem.OBVIOUS)
    if is_common(text.casefold()):
        raise WeakPassword(PasswordProblem.COMMON)


def made_up() -> str:
    """A random one, 120 bits, to be told once."""
    return secrets.token_urlsafe(15)


def normal(password: str) -> str:
    """The same characters however a keyboard made them (NFKC): what the rules go by, never what is kept."""
    return unicodedata.normalize("NFKC", password)


@dataclass(frozen=True)
class Verdict:
    """Whether it was the password. `anew`: what to keep from now on, where it was kept by weaker parameters."""

    right: bool
    anew: str | None = None


class Passwords:
    """Keeps and compares passwords. `hasher` has the parameters; what was kept by others still opens.

    What is kept is exactly what was given. Compared is exactly what was given, too, and only where that is not it the
    same characters in their one Unicode form (NIST SP 800-63B): so those typed on a keyboard that puts its accents
    together, and those kept in that form before, go on opening.
    """

    def __init__(self, *, hasher: PasswordHasher = OWASP, leaked: LeakedPasswords | None = None) -> None:
        self._hasher = hasher
        self._leaked = leaked
        self._places = {known: asyncio.Semaphore(AT_ONCE) for known in (False, True)}
        self._waiting = 0
        self._decoy: str | None = None

    async def check(self, password: str, words: Iterable[str] = ()) -> None:
        """As `check_password`, and against the list of leaked ones, where there is one.

        Raises WeakPassword, and LeakedPasswordsFault where that list can't be read: nothing is taken unasked.
        """
        check_password(password, words)
        if self._leaked is None:
            return
        try:
            found = [await self._work(self._leaked.has, True, each) for each in {password, normal(password)}]
        except LeakedPasswordsFault as fault:
            log.error("the list of leaked passwords can't be used", reason=fault.reason)
            raise
        if any(found):
            raise WeakPassword(PasswordProblem.LEAKED)

    async def keep(self, password: str) -> str:
        """What is stored in place of the password."""
        return await self._work(self._hasher.hash, True, password)

    async def verify(self, kept: str | None, password: str, *, known: bool) -> Verdict:
        """Compare; with nothing kept the answer is no, after the same work.

        `known`: it comes from a known device, and those have places of their own.
        Raises LoginsBusy when too many wait already.
        """
        if not known and self._waiting >= MOST_WAITING:
            raise LoginsBusy
        self._waiting += 1
        try:
            return await self._work(self._verify, known, kept, password)
        finally:
            self._waiting -= 1

    def _verify(self, kept: str | None, password: str) -> Verdict:
        if self._decoy is None:
            self._decoy = self._hasher.hash(secrets.token_urlsafe())
        forms = [password] if normal(password) == password else [password, normal(password)]
        right = next((form for form in forms if self._is(kept or self._decoy, form)), None)
        if kept is None or right is None:
            return Verdict(False)
        return Verdict(True, self._hasher.hash(right) if self._hasher.check_needs_rehash(kept) else None)

    def _is(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _work(self, work: Callable[P, T], known: bool, *given: P.args, **named: P.kwargs) -> T:
        async with self._places[known]:
            return await asyncio.to_thread(work, *given, **named)


def _less_obvious(text: str, words: Iterable[str]) -> str:
    """What is left without obvious words, years and straight runs of the alphabet or the keyboard."""
    own = (part for word in words for part in re.findall(r"\w{3,}", word.casefold()))
    for word in sorted({*OBVIOUS, *own}, key=len, reverse=True):
        text = text.replace(word, " ")
    text = YEAR.sub(" ", text)
    for row in RUNS:
        for line in (row, row[::-1]):
            for size in range(len(line), RUN - 1, -1):
                for start in range(len(line) - size + 1):
                    text = text.replace(line[start : start + size], " ")
    return text.replace(" ", "")
