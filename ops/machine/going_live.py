"""Find settings that suit a trial and not patients: no trunk, a switchboard that rings no one, calls in clear."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from desk.files.faults import FileFault, shown
from desk.settings.group import PREFIX
from desk.settings.settings import Settings
from desk.settings.sip import SWITCHBOARD_NUMBER

UNTOUCHED = "PJSIP/switchboard"
"""The switchboard of the extensions.conf that we ship."""
_SWITCHBOARD = re.compile(r"(?m)^\s*SWITCHBOARD\s*=>?\s*([^;\n]*)")


def switchboard_faults(settings: Settings, dialplan: Path, *, own: Path, root: Path) -> Iterator[FileFault]:
    """Find a switchboard that rings no one. `own` is this machine's own extensions.conf."""
    value = settings.sip.switchboard
    if not value:
        texts = [path.read_text("utf-8") for path in (dialplan / "extensions.conf", own) if path.exists()]
        named = [each.strip() for text in texts for each in _SWITCHBOARD.findall(text)]
        if not named or named[-1] == UNTOUCHED:
            reason = (
                f"not set: when the service can't answer, no one does. Write a number, or the phone {UNTOUCHED[6:]}"
            )
            yield FileFault(f"{PREFIX}SWITCHBOARD", None, reason)
        elif "@trunk" in named[-1] and not settings.sip.ways_out:
            reason = f"SWITCHBOARD={named[-1]} is called through the trunk, and {PREFIX}TRUNK is not set"
            yield FileFault(shown(dialplan / "extensions.conf", root), None, reason)
    elif SWITCHBOARD_NUMBER.fullmatch(value) and not settings.sip.ways_out:
        yield FileFault(f"{PREFIX}SWITCHBOARD", None, f"a number is called through the trunk: set {PREFIX}TRUNK")
    elif not SWITCHBOARD_NUMBER.fullmatch(value):
        with suppress(OSError, UnicodeError):
            if not re.search(rf"(?m)^\[{re.escape(value)}\]", (dialplan / "pjsip.conf").read_text("utf-8")):
                yield FileFault(f"{PREFIX}SWITCHBOARD", None, f"no phone in dialplan/pjsip.conf is called {value}")


def trial_settings(settings: Settings) -> Iterator[FileFault]:
    """Find what is still as on a developer's machine."""
    if _is_loopback(settings.sip.host):
        reason = f"{settings.sip.host} is this machine alone: write the address that the telephone company reaches"
        yield FileFault(f"{PREFIX}SIP_HOST", None, reason)
    if not settings.sip.ways_out:
        yield FileFault(f"{PREFIX}TRUNK", None, "not set: no patient can be called (docs/carriers.md)")
    if settings.sip.encryption == "off" and "sip_encryption" not in settings.names_set():
        reason = "not set: calls are in clear. Write phones or all; or off, if that is what you have decided"
        yield FileFault(f"{PREFIX}SIP_ENCRYPTION", None, reason)


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"
