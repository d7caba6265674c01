"""Build, parse and sign SIP messages (RFC 3261, digest by RFC 2617). Pure functions, without sockets."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Final

from ops.softphone.srtp import crypto_line, key_of

USER_AGENT: Final = "innringing-phone"
_SHORT_NAMES: Final = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length"}
_CHALLENGE: Final = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))')


class MalformedMessage(Exception):
    """This is not a SIP message."""


@dataclass(frozen=True, slots=True)
class Message:
    """One request (`method`, `uri`) or response (`status`, `reason`). Header names are in lower case."""

    headers: tuple[tuple[str, str], ...]
    body: str
    method: str = ""
    uri: str = ""
    status: int = 0
    reason: str = ""

    def header(self, name: str) -> str:
        """Return the first header with this name, or ''."""
        return next((value for found, value in self.headers if found == name), "")

    def all(self, name: str) -> list[str]:
        return [value for found, value in self.headers if found == name]

    @property
    def sequence(self) -> tuple[int, str]:
        """The number and the method of CSeq."""
        number, _, method = self.header("cseq").partition(" ")
        return int(number), method.strip()

    @property
    def branch(self) -> str:
        """The id of the transaction: the branch of the topmost Via."""
        found = re.search(r"branch=([^;,\s]+)", self.header("via"))
        return found[1] if found else ""


def parse(datagram: bytes) -> Message:
    """Parse one datagram. Raises MalformedMessage."""
    try:
        head, _, body = datagram.decode("utf-8").partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        headers = tuple(_header(line) for line in lines)
        if first.startswith("SIP/2.0 "):
            _, status, reason = (first + " ").split(" ", 2)
            message = Message(headers, body, status=int(status), reason=reason.strip())
        else:
            method, uri, _ = first.split(" ")
            message = Message(headers, body, method=method, uri=uri)
        _ = message.sequence
    except ValueError as error:  # includes UnicodeDecodeError
        raise MalformedMessage from error
    return message


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise ValueError("a header without a colon")
    name = name.strip().lower()
    return _SHORT_NAMES.get(name, name), value.strip()


def build(first: str, headers: list[tuple[str, str]], body: str = "", content_type: str = "application/sdp") -> bytes:
    """Build one datagram from its first line, headers and body."""
    lines = [first, *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append(f"Content-Type: {content_type}")
    lines.append(f"Content-Length: {len(body.encode())}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def tag_of(header: str) -> str:
    """Return the tag parameter of a From or To header, or ''."""
    found = re.search(r";\s*tag=([^;>\s]+)", header)
    return found[1] if found else ""


def uri_of(header: str) -> str:
    """Return the URI of a Contact, From or To header."""
    found = re.search(r"<([^>]+)>", header)
    return found[1] if found else header.split(";")[0].strip()


def new_branch() -> str:
    return "z9hG4bK" + secrets.token_hex(8)


def authorization(challenge: str, *, method: str, uri: str, user: str, password: str) -> str:
    """Build the response to a Digest challenge (MD5, with or without qop=auth)."""
    asked = {name.lower(): quoted or bare for name, quoted, bare in _CHALLENGE.findall(challenge)}
    realm, nonce = asked.get("realm", ""), asked.get("nonce", "")
    secret, action = _md5(f"{user}:{realm}:{password}"), _md5(f"{method}:{uri}")
    fields = {"username": user, "realm": realm, "nonce": nonce, "uri": uri}
    plain = {"algorithm": "MD5"}
    if "auth" in asked.get("qop", "").split(","):
        fields["cnonce"] = secrets.token_hex(8)
        plain |= {"qop": "auth", "nc": "00000001"}
        fields["response"] = _md5(f"{secret}:{nonce}:00000001:{fields['cnonce']}:auth:{action}")
    else:
        fields["response"] = _md5(f"{secret}:{nonce}:{action}")
    if "opaque" in asked:
        fields["opaque"] = asked["opaque"]
    quoted = [f'{name}="{value}"' for name, value in fields.items()]
    return "Digest " + ", ".join([*quoted, *(f"{name}={value}" for name, value in plain.items())])


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def in_url(host: str) -> str:
    """Write a host as in a URI: an IPv6 address gets brackets."""
    return f"[{host}]" if ":" in host else host


def offer(host: str, port: int, key: bytes | None = None) -> str:
    """Build a session description: A-law (payload type 8) and RFC 4733 key presses (101), over SRTP with a `key`."""
    at = f"IN {'IP6' if ':' in host else 'IP4'} {host}"
    lines = [
        "v=0",
        f"o=- {secrets.randbelow(2**31)} 1 {at}",
        "s=-",
        f"c={at}",
        "t=0 0",
        f"m=audio {port} RTP/{'SAVP' if key else 'AVP'} 8 101",
        *([crypto_line(key)] if key else []),
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16",
        "a=ptime:20",
        "a=sendrecv",
    ]
    return "\r\n".join(lines) + "\r\n"


@dataclass(frozen=True, slots=True)
class MediaAddress:
    """The other side's address for sound, and the payload type for key presses (None: it accepts none).

    `key` decrypts its sound. None when it is not encrypted.
    """

    host: str
    port: int
    events: int | None
    key: bytes | None = None


def media_address(description: str) -> MediaAddress:
    """Parse the other side's session description. Raises MalformedMessage when it has no audio."""
    host = re.search(r"^c=IN IP[46] (\S+)", description, re.MULTILINE)
    audio = re.search(r"^m=audio (\d+) ", description, re.MULTILINE)
    events = re.search(r"^a=rtpmap:(\d+) telephone-event/8000", description, re.MULTILINE | re.IGNORECASE)
    if not host or not audio:
        raise MalformedMessage
    return MediaAddress(host[1], int(audio[1]), int(events[1]) if events else None, key_of(description))
