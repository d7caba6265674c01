"""The second factor of local accounts: time-based one-time codes (RFC 6238), and recovery codes for a lost phone. Pure.

A code is six digits, good for its thirty seconds and one step before and after, since clocks differ. A recovery code is
120 random bits, so that its SHA-256 is enough to keep (ASVS 5.0, V6.5.2).
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
"""Seconds a code is shown for."""
SKEW: Final = 1
"""So many steps a clock may be before or behind."""
SECRET_BYTES: Final = 20
"""What RFC 4226 recommends, and what every authenticator takes."""
ISSUER: Final = "Innringing"
RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 15
GROUP: Final = 4


class SecondFactorPolicy(StrEnum):
    """Whose log-in with a password must have a second factor."""

    OFF = "off"
    PRIVILEGED = "privileged"
    ALL = "all"

    def asks(self, grants: Collection[Grant]) -> bool:
        """Whether it asks one of somebody with these grants. `privileged`: any role but agent."""
        if self is SecondFactorPolicy.ALL:
            return True
        return self is SecondFactorPolicy.PRIVILEGED and any(grant.role is not Role.AGENT for grant in grants)


def new_secret() -> str:
    """160 random bits in base32, as authenticators take them."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def address(secret: str, account: str) -> str:
    """What an authenticator reads as a QR code (otpauth://…): it holds the secret."""
    return _codes(secret).get_provisioning_uri(account, ISSUER)


def code_at(secret: str, step: int) -> str:
    """The code of that step, counted from 1970."""
    return _codes(secret).generate(step * STEP).decode()


def step_of(now: datetime) -> int:
    """The step of that moment."""
    return int(now.timestamp()) // STEP


def step_shown(secret: str, code: str, now: datetime) -> int | None:
    """Which step's code it is, of those that are good now; None: no such. As much work whichever it is."""
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
    """A code of either kind as it is compared: however it was grouped and in whichever case it was written."""
    return "".join(sign for sign in code.lower() if sign.isascii() and sign.isalnum())


def is_timed(code: str) -> bool:
    """Whether that could be a code an authenticator shows; `code` is plain."""
    return len(code) == DIGITS and code.isdigit()


def _codes(secret: str) -> TOTP:
    return TOTP(base64.b32decode(secret), DIGITS, SHA1(), STEP)
