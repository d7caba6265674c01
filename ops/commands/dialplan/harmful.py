"""Values that Asterisk takes without a word, and that break a call: the caller is refused, silent or not understood."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ops.commands.dialplan.parser import Step

if TYPE_CHECKING:
    from ops.commands.dialplan.sip_file import SipObject

LONGEST_WAIT: Final = 3.0
"""The most seconds a caller may hear nothing before the conversation begins."""
SHORTEST_RTP_TIMEOUT: Final = 30
LONGEST_SESSION: Final = 1800
"""Seconds after which most exchanges renew a call (RFC 4028)."""
NO: Final = ("no", "false", "n", "f", "0", "off")
_REFUSING: Final = frozenset({"busy", "congestion", "incomplete", "raiseexception", "waitexten", "waitdigit"})
_CHANNEL: Final = re.compile(r"\s*_{0,2}CHANNEL\((?P<item>[^)]*)\)\s*=", re.I)
_CALLER: Final = re.compile(r"\s*_{0,2}CALLERID\([^)]*\)\s*=(?P<value>.*)", re.I | re.S)

Finding = tuple[int, str]


def on_the_way_in(step: Step, *, answered: bool) -> Iterator[Finding]:
    """What harms a call on its path from a department's number to Stasis, before and after it is answered."""
    name = step.application.lower()
    if answered and name in ("wait", "playback"):
        yield step.line, f"{step.application}() after Answer(): keys pressed meanwhile are lost, so put it before"
    if name in _REFUSING:
        yield step.line, f"{step.application}() before Stasis refuses the caller: remove it"
    elif name in ("dial", "queue"):
        yield step.line, f"{step.application}() before Stasis: callers reach people, and no callback is taken"
    elif name == "wait" and (_seconds(step.arguments) or 0.0) > LONGEST_WAIT:
        yield step.line, f"Wait({step.arguments}): the caller hears nothing for longer than {LONGEST_WAIT:.0f} seconds"
    elif name == "answer" and (_seconds(step.arguments) or 0.0) > LONGEST_WAIT * 1000:
        yield step.line, f"Answer({step.arguments}) waits that many milliseconds in silence: write Answer()"
    elif name == "set" and (channel := _CHANNEL.match(step.arguments)):
        if channel["item"].strip().lower() != "language":
            yield step.line, f"Set(CHANNEL({channel['item']})=…) can make the call silent: only language may be set"
    elif name == "set" and (caller := _CALLER.match(step.arguments)) and "${CALLERID(" not in caller["value"].upper():
        yield step.line, "Set(CALLERID(…)=…) gives every caller the same number: write it with ${CALLERID(num)}"


def in_endpoint(each: SipObject) -> Iterator[tuple[Path, int, str]]:
    """What harms the calls of an endpoint in pjsip.conf: file, line, reason."""
    for path, setting in each.settings:
        judge = ENDPOINT.get(setting.key)
        if judge and (why := judge(setting.value.strip().lower())):
            yield path, setting.line, f"{setting.key}={setting.value}: {why}"
    if each.value("context") == "from-trunk" and (named := each.last("callerid")):
        yield named[0], named[1].line, "callerid= gives every caller the same number: remove the line"


def _only(*values: str, why: str) -> Callable[[str], str]:
    return lambda value: "" if value in values else why


def _never(why: str) -> Callable[[str], str]:
    return lambda value: why


def _timeout(value: str) -> str:
    fits = value.isdigit() and (int(value) == 0 or int(value) >= SHORTEST_RTP_TIMEOUT)
    return "" if fits else f"calls would end in a silence: write 0, or {SHORTEST_RTP_TIMEOUT} or more seconds"


def _session(value: str) -> str:
    fits = value.isdigit() and int(value) <= LONGEST_SESSION
    return "" if fits else f"exchanges that renew calls more often are refused: write {LONGEST_SESSION} or less"


def _own_address(value: str) -> str:
    """Sound sent to another machine is heard by no one."""
    try:
        address = ip_address(value)
        with socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as trial:
            trial.bind((value, 0))
    except (ValueError, OSError):
        return "this machine does not have that address, so calls would be silent: remove the line"
    return ""


def _seconds(text: str) -> float | None:
    try:
        return float(text.partition(",")[0])
    except ValueError:
        return None


_NO_BROWSER = _only(*NO, why="neither phones nor telephone companies speak it: remove the line")
_NO_LIST = _never("calls from other addresses are refused: match= says who may call, the firewall does the rest")
ENDPOINT: Final[Mapping[str, Callable[[str], str]]] = {
    "dtmf_mode": _only(
        "auto", "auto_info", "rfc4733", why="the keys of most phones are not heard: write dtmf_mode=auto"
    ),
    "media_encryption": _never("INNRINGING_SIP_ENCRYPTION decides it: remove the line"),
    "100rel": _only("no", "yes", "peer_supported", why="many phones and exchanges are refused: remove the line"),
    "timers": _only("no", "yes", "always", "forced", why="many phones and exchanges are refused: remove the line"),
    "timers_min_se": _session,
    "max_audio_streams": _only("1", why="calls would be silent or refused: remove the line"),
    "rtp_timeout": _timeout,
    "rtp_timeout_hold": _timeout,
    "media_address": _own_address,
    **dict.fromkeys(("webrtc", "use_avpf", "rtcp_mux", "force_avp", "bundle"), _NO_BROWSER),
    **dict.fromkeys(("deny", "permit", "acl", "contact_deny", "contact_permit", "contact_acl"), _NO_LIST),
}
"""Options of type=endpoint, and what says what is wrong with a value; empty if nothing is."""
