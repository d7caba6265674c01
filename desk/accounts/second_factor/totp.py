"""The second factor of local accounts: time-based one-time codes (RFC 6238), and recovery codes for a lost phone. Pure.

A code is six digits, valid for its thirty seconds and one step before and after, since clocks differ. A recovery code
is 120 random bits, so storing its SHA-256 is enough (ASVS 5.0, V6.5.2).
"""

import base64
import hmac
import secrets
from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from desk.access.permissions import Grant, Role

DIGITS: Final = 6
STEP: Final = 30
"""Seconds for which a code is shown."""
SKEW: Final = 1
"""Steps by which a clock may be ahead or behind."""
SECRET_BYTES: Final = 20
"""The length RFC 4226 recommends; every authenticator supports it."""
ISSUER: Final = "Innringing"
RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 15
GROUP: Final = 4


class SecondFactorPolicy(StrEnum):
    """Which agents need a second factor when they log in with a password."""

    OFF = "off"
    PRIVILEGED = "privileged"
    ALL = "all"

    def asks(self, grants: Collection[Grant]) -> bool:
        """Whether an agent with these grants needs one. `privileged`: any role except agent."""
        if self is SecondFactorPolicy.ALL:
            return True
        return self is SecondFactorPolicy.PRIVILEGED and any(grant.role is not Role.AGENT for grant in grants)


def new_secret() -> str:
    """160 random bits in base32, as authenticators take them."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def otpauth_address(secret: str, account: str) -> str:
    """The address an authenticator reads as a QR code (otpauth://…). It holds the secret."""
    return _codes(secret).get_provisioning_uri(account, ISSUER)


def code_at(secret: str, step: int) -> str:
    """The code of that step; steps are counted from 1970."""
    return _codes(secret).generate(step * STEP).decode()


def step_of(now: datetime) -> int:
    """The step of that moment."""
    return int(now.timestamp()) // STEP


def step_shown(secret: str, code: str, now: datetime) -> int | None:
    """The step whose code this is, among those valid now, or None. Takes the same time for any code."""
    found = None
    for step in range(step_of(now) - SKEW, step_of(now) + SKEW + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), code.encode()):
            found = step
    return found


def new_recovery_code() -> str:
    """Six groups of four letters and digits."""
    code = base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower()
    return "-".join(code[start : start + GROUP] for start in range(0, len(code), GROUP))


def plain(code: str) -> str:
    """A code of either kind in the form that is compared: without grouping, in lower case."""
    return "".join(sign for sign in code.lower() if sign.isascii() and sign.isalnum())


def is_timed(code: str) -> bool:
    """Whether it could be a code of an authenticator; `code` is plain."""
    return len(code) == DIGITS and code.isdigit()


def _codes(secret: str) -> TOTP:
    return TOTP(base64.b32decode(secret), DIGITS, SHA1(), STEP)
