"""Where a call may go: endpoints are built here, from checked numbers and names, and nowhere else. Pure.

A client never names an endpoint. In Asterisk's dial strings `&` calls several at once, `/` and `@` choose another
technology or trunk, and `,` ends an argument. None of them can get in, because only whole patterns are accepted.
"""

import re
from collections.abc import Sequence
from typing import Final

from desk.numbers.errors import InvalidPhone, InvalidPhoneName
from desk.numbers.phone_number import PhoneNumber, PhoneProblem, parse_phone

TRUNK: Final = "trunk"
E164: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
PHONE_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", re.ASCII)
RESERVED: Final = frozenset({TRUNK, "switchboard", "anonymous"})
"""Endpoints that are no agent's phone."""
NEVER: Final = (
    *("+4780", "+4781", "+4782", "+4788"),  # Norway: free, shared cost, premium, personal: no patient's own line
    *("+870", "+878", "+881", "+882", "+883", "+888", "+979"),  # satellites, international networks, premium services
)


def check_phone_name(name: str) -> str:
    """Return `name` if it can name an agent's phone (an endpoint in pjsip.conf). Raises InvalidPhoneName."""
    if not PHONE_NAME.fullmatch(name) or name in RESERVED:
        raise InvalidPhoneName
    return name


def agent_endpoint(name: str) -> str:
    """Return the endpoint of an agent's registered phone. Raises InvalidPhoneName."""
    return f"PJSIP/{check_phone_name(name)}"


def patient_endpoint(phone: PhoneNumber, *, prefixes: Sequence[str]) -> str:
    """Return the endpoint that calls `phone` through the trunk.

    The number must start with one of `prefixes` (`+47`; `+` allows any). It is checked again, whatever checks it
    has passed. Raises InvalidPhone.
    """
    e164 = phone.e164
    if not E164.fullmatch(e164):
        raise InvalidPhone(PhoneProblem.NOT_A_NUMBER)
    if e164.startswith(NEVER):
        raise InvalidPhone(PhoneProblem.PREMIUM)
    if not e164.startswith(tuple(prefixes)):
        raise InvalidPhone(PhoneProblem.FOREIGN)
    if parse_phone(e164, allow_foreign=True).e164 != e164:
        raise InvalidPhone(PhoneProblem.NOT_A_NUMBER)
    return f"PJSIP/{e164}@{TRUNK}"
