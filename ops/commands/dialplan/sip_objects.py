"""Rules for what the sections of pjsip.conf say about each other and about who may call."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from ops.commands.dialplan import harmful
from ops.commands.dialplan.words import nearest

if TYPE_CHECKING:
    from ops.commands.dialplan.sip_file import SipObject

WIDEST = {4: 24, 6: 48}
"""The shortest prefix of an address range of a telephone company, by version of IP."""
SPOKEN = ("alaw", "ulaw")
"""The codecs that the prompts can be played in."""
_HOST_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.?", re.I)

Finding = tuple[Path, int, str]


def findings(
    objects: Sequence[SipObject], contexts: Collection[str], generated: Collection[tuple[str, str]]
) -> Iterator[Finding]:
    """All that is wrong. `contexts` are those of the dialplan; `generated` sections exist without being in a file."""
    known = {*generated, *((each.name, each.kind) for each in objects)}
    for each in objects:
        match each.kind:
            case "endpoint":
                yield from _endpoint(each, contexts, known)
            case "aor":
                yield from _aor(each)
            case "identify":
                yield from _identify(each, known)
            case "auth":
                yield from _auth(each)
            case "global":
                yield from _identifiers(each)
    if not any(each.kind == "endpoint" and each.value("context") == "from-trunk" for each in objects) and objects:
        yield objects[0].path, 1, "no endpoint has context=from-trunk: no call from the telephone company is taken"


def _endpoint(each: SipObject, contexts: Collection[str], known: Collection[tuple[str, str]]) -> Iterator[Finding]:
    path, line = each.path, each.section.line
    if each.name.partition("@")[0] == "anonymous":
        yield path, line, "[anonymous] lets anyone on the network call the departments: remove it, and write match="
    context = each.last("context")
    if context is None:
        yield path, line, f"[{each.name}] has no context=: write context=phones, or context=from-trunk for a trunk"
    elif context[1].value not in contexts:
        reason = f"context={context[1].value}: extensions.conf has no such [context]"
        yield context[0], context[1].line, reason + nearest(context[1].value, contexts)
    identify_by = [part.strip() for part in each.value("identify_by", "username,ip").split(",")]
    if not each.value("auth") and {"username", "auth_username"} & {*identify_by}:
        yield path, line, f"[{each.name}] has no auth=, so anyone can call as it: write auth={each.name}"
    yield from _lost_auth(each, known)
    for name, kind in (("aors", "aor"), ("transport", "transport")):
        if found := each.last(name):
            for word in (part.strip() for part in found[1].value.split(",")):
                if (word, kind) not in known:
                    others = [other for other, its_kind in known if its_kind == kind]
                    reason = f"{name}={word}: there is no [{word}] with type={kind}{nearest(word, others)}"
                    yield found[0], found[1].line, reason
    yield from _codecs(each)
    yield from harmful.in_endpoint(each)


def _lost_auth(each: SipObject, known: Collection[tuple[str, str]]) -> Iterator[Finding]:
    """A password is generated for `auth=` with the phone's own name. Another name must have a section."""
    if found := each.last("auth"):
        for word in (part.strip() for part in found[1].value.split(",")):
            if word != each.name and (word, "auth") not in known:
                reason = f"auth={word}: there is no [{word}] with type=auth; write auth={each.name} for a generated one"
                yield found[0], found[1].line, reason


def _codecs(each: SipObject) -> Iterator[Finding]:
    allowed: set[str] = set()
    last = None
    for path, setting in each.settings:
        names = {part.strip().lower() for part in setting.value.split(",")}
        if setting.key == "disallow":
            allowed = set() if "all" in names else allowed - names
            last = (path, setting)
        elif setting.key == "allow":
            allowed = names if "!all" in names else allowed | names
            last = (path, setting)
    if last and not allowed & {*SPOKEN, "all"}:
        reason = f"[{each.name}] allows neither alaw nor ulaw, so calls are silent: write allow=alaw,ulaw"
        yield last[0], last[1].line, reason


def _aor(each: SipObject) -> Iterator[Finding]:
    count = each.last("max_contacts")
    if count and not count[1].value.isdigit():
        yield count[0], count[1].line, f"max_contacts={count[1].value}: write a number, such as 1"
    elif not each.all("contact") and (count is None or not int(count[1].value)) and each.name != "trunk":
        reason = f"[{each.name}] has no max_contacts=1, so no phone can register"
        yield each.path, count[1].line if count else each.section.line, reason


def _identify(each: SipObject, known: Collection[tuple[str, str]]) -> Iterator[Finding]:
    name = each.last("endpoint")
    if name is None:
        yield each.path, each.section.line, f"[{each.name}] names no endpoint: write endpoint=trunk"
    elif (name[1].value, "endpoint") not in known:
        others = [other for other, kind in known if kind == "endpoint"]
        reason = f"endpoint={name[1].value}: there is no such endpoint{nearest(name[1].value, others)}"
        yield name[0], name[1].line, reason
    if not each.all("match"):
        header = each.last("match_header") or each.last("match_request_uri")
        why = "anyone can send a header" if header else "it matches no one"
        line = header[1].line if header else each.section.line
        yield each.path, line, f"[{each.name}]: {why}: write match= with your telephone company's addresses"
    for path, setting in each.all("match"):
        for part in setting.value.split(","):
            if wrong := _wrong_range(part.strip()):
                yield path, setting.line, f"match={part.strip()}: {wrong}"


def _wrong_range(text: str) -> str | None:
    """Say what is wrong with an address of `match=`; None if nothing is."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        if _HOST_NAME.fullmatch(text):
            return None
        return "this is no address: write one such as 192.0.2.10 or 192.0.2.0/29"
    widest = WIDEST[network.version]
    if network.prefixlen < widest:
        return (
            f"{network.num_addresses:,} addresses may call as the telephone company: write its own, /{widest} or less"
        )
    return None


def _auth(each: SipObject) -> Iterator[Finding]:
    if not each.value("username"):
        yield each.path, each.section.line, f"[{each.name}] has no username=: write username={each.name}"
    if not (each.value("password") or each.value("md5_cred") or each.value("password_digest")):
        yield each.path, each.section.line, f"[{each.name}] has no password=: write one, or remove this section"


def _identifiers(each: SipObject) -> Iterator[Finding]:
    if found := each.last("endpoint_identifier_order"):
        names = [part.strip() for part in found[1].value.split(",")]
        for needed, who in (("ip", "the telephone company"), ("username", "phones")):
            if needed not in names:
                yield found[0], found[1].line, f"«{needed}» is missing: no call from {who} is taken"
        for wrong in (name for name in names if name not in ("ip", "username", "auth_username", "header")):
            yield found[0], found[1].line, f"«{wrong}» is unknown: write username,ip"
