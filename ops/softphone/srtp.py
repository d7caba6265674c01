"""Encrypted sound: SRTP (RFC 3711) with AES_CM_128_HMAC_SHA1_80 and keys in the session description (RFC 4568).

Phones and trunks offer this suite first, and Asterisk requires no other. One `Srtp` is one direction of one call.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

SUITE: Final = "AES_CM_128_HMAC_SHA1_80"
KEY, SALT, TAG = 16, 14, 10  # bytes
_ENCRYPTION, _AUTHENTICATION, _SALTING = 0, 1, 2  # labels of RFC 3711, section 4.3.2
_HALF: Final = 1 << 15


def new_key() -> bytes:
    """Make a master key and salt, 30 bytes."""
    return secrets.token_bytes(KEY + SALT)


def crypto_line(key: bytes) -> str:
    """Build the line of a session description with our key."""
    return f"a=crypto:1 {SUITE} inline:{base64.b64encode(key).decode()}"


def key_of(description: str) -> bytes | None:
    """Return the other side's key. None when it offers none that we can use."""
    found = re.search(rf"^a=crypto:\d+ {SUITE} inline:([A-Za-z0-9+/=]+)", description, re.MULTILINE)
    try:
        key = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        return None
    return key if len(key) == KEY + SALT else None


class Srtp:
    """Encrypts or decrypts the packets of one direction, with its master key and salt (30 bytes)."""

    def __init__(self, master: bytes) -> None:
        self._key = _derive(master, _ENCRYPTION, KEY)
        self._authentication = _derive(master, _AUTHENTICATION, 20)
        self._salt = int.from_bytes(_derive(master, _SALTING, SALT), "big") << 16
        self._rounds = 0  # how often the sequence number has wrapped around
        self._last: int | None = None

    def protect(self, packet: bytes) -> bytes:
        """Encrypt an RTP packet and add its tag. Call it in the order of sequence numbers."""
        sequence = int.from_bytes(packet[2:4], "big")
        rounds = self._rounds_of(sequence)
        self._seen(rounds, sequence)
        head = _head_length(packet)
        encrypted = packet[:head] + self._crypt(packet, packet[head:], rounds, sequence)
        return encrypted + self._tag(encrypted, rounds)

    def unprotect(self, packet: bytes) -> bytes | None:
        """Decrypt a packet. None when its tag does not match: it has another key or was changed."""
        encrypted, tag = packet[:-TAG], packet[-TAG:]
        if len(encrypted) < 12 or len(encrypted) < _head_length(encrypted):
            return None
        sequence = int.from_bytes(encrypted[2:4], "big")
        rounds = self._rounds_of(sequence)
        if rounds < 0 or not hmac.compare_digest(tag, self._tag(encrypted, rounds)):
            return None
        self._seen(rounds, sequence)
        head = _head_length(encrypted)
        return encrypted[:head] + self._crypt(encrypted, encrypted[head:], rounds, sequence)

    def _rounds_of(self, sequence: int) -> int:
        """Estimate the wrap-around count of a sequence number (RFC 3711, section 3.3.1)."""
        if self._last is None:
            return self._rounds
        ahead = sequence - self._last
        return self._rounds + (ahead < -_HALF) - (ahead > _HALF)

    def _seen(self, rounds: int, sequence: int) -> None:
        if self._last is None or (rounds, sequence) > (self._rounds, self._last):
            self._rounds, self._last = rounds, sequence

    def _crypt(self, packet: bytes, payload: bytes, rounds: int, sequence: int) -> bytes:
        source = int.from_bytes(packet[8:12], "big")
        start = self._salt ^ (source << 64) ^ ((rounds << 16 | sequence) << 16)
        return _keystream(self._key, start, payload)

    def _tag(self, encrypted: bytes, rounds: int) -> bytes:
        return hmac.digest(self._authentication, encrypted + rounds.to_bytes(4, "big"), hashlib.sha1)[:TAG]


def _derive(master: bytes, label: int, length: int) -> bytes:
    """Derive a session key, with a key derivation rate of 0."""
    salt = int.from_bytes(master[KEY:], "big")
    return _keystream(master[:KEY], (salt ^ label << 48) << 16, bytes(length))


def _keystream(key: bytes, start: int, data: bytes) -> bytes:
    return Cipher(AES(key), CTR(start.to_bytes(16, "big"))).encryptor().update(data)


def _head_length(packet: bytes) -> int:
    """Return the length of the RTP header: 12 bytes, the sources and an extension."""
    length = 12 + 4 * (packet[0] & 15)
    if packet[0] & 0x10 and len(packet) >= length + 4:
        length += 4 + 4 * int.from_bytes(packet[length + 2 : length + 4], "big")
    return length
