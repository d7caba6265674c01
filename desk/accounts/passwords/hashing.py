"""Passwords hashed with argon2id, and compared.

The work is done in threads, a few at a time, so that other requests don't wait for it.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, ParamSpec, TypeVar

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from desk.accounts.errors import LeakedPasswordsFault, LoginsBusy, WeakPassword
from desk.accounts.passwords.leaked_passwords import LeakedPasswords
from desk.accounts.passwords.rules import PasswordProblem, check_password, normal

AT_ONCE: Final = 2
"""Passwords hashed at a time by one process, 19 MiB and some 20 ms each; as many again for known devices."""
MOST_WAITING: Final = 100

OWASP: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""OWASP's Password Storage Cheat Sheet: argon2id with 19 MiB, two passes, one lane."""

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class PasswordCheck:
    """Whether the password was right. `better_hash`: what to store instead of a hash with weaker parameters."""

    is_right: bool
    better_hash: str | None = None


class Passwords:
    """Hashes and compares passwords. `hasher` has the parameters; hashes with other parameters are still accepted.

    A password is hashed exactly as given. It is compared exactly as given, and if that fails in its one Unicode form
    (NFKC, NIST SP 800-63B), so that it doesn't matter how a keyboard composes accented letters.
    """

    def __init__(self, *, hasher: PasswordHasher = OWASP, leaked: LeakedPasswords | None = None) -> None:
        self._hasher = hasher
        self._leaked = leaked
        self._places = {known: asyncio.Semaphore(AT_ONCE) for known in (False, True)}
        self._waiting = 0
        self._decoy: str | None = None

    async def check(self, password: str, words: Iterable[str] = ()) -> None:
        """As `check_password`, and also against the list of leaked passwords, if there is one.

        Raises WeakPassword; LeakedPasswordsFault if the list can't be read, so that no password goes unchecked.
        """
        check_password(password, words)
        if self._leaked is None:
            return
        try:
            found = [await self._in_thread(self._leaked.has, True, each) for each in {password, normal(password)}]
        except LeakedPasswordsFault as fault:
            log.error("list of leaked passwords can't be used", reason=fault.reason)
            raise
        if any(found):
            raise WeakPassword(PasswordProblem.LEAKED)

    async def hash(self, password: str) -> str:
        """The hash to store."""
        return await self._in_thread(self._hasher.hash, True, password)

    async def verify(self, hash: str | None, password: str, *, known: bool) -> PasswordCheck:
        """Compare a password with a hash. Without a hash the answer is no, after the same work.

        `known`: the request comes from a known device, which doesn't have to queue with others.
        Raises LoginsBusy when too many are waiting.
        """
        if not known and self._waiting >= MOST_WAITING:
            raise LoginsBusy
        self._waiting += 1
        try:
            return await self._in_thread(self._verify, known, hash, password)
        finally:
            self._waiting -= 1

    def _verify(self, hash: str | None, password: str) -> PasswordCheck:
        if self._decoy is None:
            self._decoy = self._hasher.hash(secrets.token_urlsafe())
        forms = [password] if normal(password) == password else [password, normal(password)]
        right = next((form for form in forms if self._fits(hash or self._decoy, form)), None)
        if hash is None or right is None:
            return PasswordCheck(False)
        return PasswordCheck(True, self._hasher.hash(right) if self._hasher.check_needs_rehash(hash) else None)

    def _fits(self, hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[P, T], known: bool, *args: P.args, **kwargs: P.kwargs) -> T:
        async with self._places[known]:
            return await asyncio.to_thread(work, *args, **kwargs)
