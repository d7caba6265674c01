"""Sound over RTP: A-law in both directions, key presses by RFC 4733, and a recording with arrival times."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import struct
import time
import wave
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from desk.recordings.sound import ALAW_LEVELS
from ops.softphone.srtp import Srtp, new_key

Samples = NDArray[np.int16]

RATE: Final = 8000  # samples per second
FRAME: Final = 160  # samples per packet: 20 ms
SILENCE: Final = b"\xd5" * FRAME  # zero in A-law
ALAW: Final = 8  # static payload type
KEY_PACKETS: Final = 5  # 100 ms of key press
GAP_PACKETS: Final = 4  # 80 ms of silence between keys
MOST_LATE: Final = 0.02  # seconds
EVENTS: Final = "0123456789*#"  # the position is the RFC 4733 event code
_KERNEL_TIMESTAMP: Final = 35  # SO_TIMESTAMPNS on Linux: a struct timespec with each datagram


_ALAW: Final[Samples] = np.array(ALAW_LEVELS, dtype=np.int16)


def decode_alaw(data: bytes) -> Samples:
    """Decode A-law bytes to 16-bit samples, 8 kHz."""
    return _ALAW[np.frombuffer(data, dtype=np.uint8)]


class Recording:
    """The received sound, in order of arrival. Sample 0 is the moment when the call was answered.

    Consecutive packets are joined. After a gap, the next packet is placed by its arrival time. `instant` returns the
    kernel's arrival time of a sample's packet, which does not depend on how busy this program is.
    """

    def __init__(self, started: float) -> None:
        self.started = started  # Unix time, seconds
        self._starts: list[int] = []
        self._arrivals: list[float] = []
        self._pieces: list[bytes] = []
        self._end = 0
        self._next: tuple[int, int] | None = None  # the next sequence number and timestamp, if there is no gap

    def add(self, sequence: int, timestamp: int, payload: bytes, arrived: float) -> None:
        start = self._end
        if self._next != (sequence, timestamp):
            start = max(start, round((arrived - self.started) * RATE))
        self._starts.append(start)
        self._arrivals.append(arrived)
        self._pieces.append(payload)
        self._end = start + len(payload)
        self._next = ((sequence + 1) & 0xFFFF, (timestamp + len(payload)) & 0xFFFFFFFF)

    def begin(self, now: float) -> None:
        """Make sample 0 now, or the first packet so far: sound may arrive before the answer."""
        self.started = min([now, *self._arrivals[:1]])
        first = self._starts[0] if self._starts else 0
        self._starts = [start - first for start in self._starts]
        self._end -= first

    @property
    def seconds(self) -> float:
        return self._end / RATE

    def samples(self, first: int = 0) -> Samples:
        """Return the sound so far, from a sample on, with silence in the gaps."""
        heard = np.zeros(max(self._end - first, 0), dtype=np.int16)
        begin = max(bisect_right(self._starts, first) - 1, 0)
        for start, piece in zip(self._starts[begin:], self._pieces[begin:], strict=True):
            decoded = decode_alaw(piece)[max(first - start, 0) :]
            place = max(start - first, 0)
            heard[place : place + len(decoded)] = decoded
        return heard

    def instant(self, sample: int) -> float:
        """Return the Unix time at which the packet with this sample, or the last one before it, arrived."""
        if not self._starts:
            return self.started
        return self._arrivals[max(bisect_right(self._starts, sample) - 1, 0)]

    def save(self, path: Path) -> None:
        """Write a WAV file, 8 kHz, mono, 16 bit."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as raw, wave.open(raw, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(self.samples().astype("<i2").tobytes())


@dataclass(slots=True)
class _Slot:
    """The packets of one 20 ms slot, usually one. Its key press started `back` slots ago."""

    payloads: list[bytes]
    is_press: bool = False
    back: int = 0
    sent: asyncio.Future[None] | None = None


class RtpStream:
    """One RTP socket. From `open` to `close` it sends a packet every 20 ms."""

    def __init__(self, host: str, *, encrypted: bool = False) -> None:
        """With `encrypted` it sends SRTP and ignores everything else."""
        self.key = new_key() if encrypted else None  # our key, for the session description
        self._encryption = Srtp(self.key) if self.key else None
        self._decryption: Srtp | None = None
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((host, 0))
        with contextlib.suppress(OSError):  # not Linux: use the program's own clock
            self._socket.setsockopt(socket.SOL_SOCKET, _KERNEL_TIMESTAMP, 1)
        self.port: int = self._socket.getsockname()[1]
        self.recording = Recording(time.time())
        self.last_key_at: float | None = None  # Unix time when the last key was released
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._receive)
        self._sender: asyncio.Task[None] | None = None
        self._events: int | None = None
        self._slots: deque[_Slot] = deque()
        self._sequence, self._timestamp = secrets.randbelow(2**15), secrets.randbelow(2**31)
        self._source = secrets.randbits(32)

    def open(self, host: str, port: int, events: int | None, key: bytes | None = None) -> None:
        """Start sending to this address, with key presses as payload type `events`, and start the recording.

        `key` decrypts what the other side sends, where sound is encrypted.
        """
        if key is not None:
            self._decryption = Srtp(key)
        if self._sender is None:
            self.recording.begin(time.time())
            self._events = events
            self._sender = asyncio.create_task(self._send((host, port)))

    async def press(self, keys: str, *, held: int = KEY_PACKETS, gap: int = GAP_PACKETS) -> None:
        """Press keys. Each is held for `held` packets of 20 ms, plus one for its end, and followed by `gap` packets.

        Returns when the last key is released. Raises ValueError where the other side does not accept RTP events.
        """
        if self._events is None:
            raise ValueError("the other side does not accept key presses as RTP events")
        pressed: asyncio.Future[None] = self._loop.create_future()
        for place, key in enumerate(keys, 1):
            code = EVENTS.index(key)
            self._slots.extend(_Slot([_event(code, n)], True, n) for n in range(held))
            end = _event(code, held, end=True)  # sent three times, in case one is lost
            self._slots.append(_Slot([end] * 3, True, held, pressed if place == len(keys) else None))
            self._slots.extend(_Slot([SILENCE]) for _ in range(gap))
        await pressed

    def say(self, alaw: bytes) -> None:
        """Send sound: A-law bytes, 8 kHz."""
        for start in range(0, len(alaw), FRAME):
            self._slots.append(_Slot([alaw[start : start + FRAME].ljust(FRAME, SILENCE[:1])]))

    def close(self) -> None:
        if self._sender is not None:
            self._sender.cancel()
        for slot in self._slots:
            if slot.sent is not None:
                slot.sent.cancel()
        if self._socket.fileno() != -1:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def _receive(self) -> None:
        with contextlib.suppress(OSError):  # nothing more to read, or the other side's port is closed
            while True:
                data, ancillary, _, _ = self._socket.recvmsg(2048, 128)
                self._hear(data, _arrival(ancillary))

    def _hear(self, data: bytes, arrived: float) -> None:
        if self._encryption is not None:
            data = (self._decryption.unprotect(data) if self._decryption else None) or b""
        if len(data) < 12 or data[0] >> 6 != 2 or data[1] & 0x7F != ALAW:
            return
        sequence, timestamp = struct.unpack("!HI", data[2:8])
        self.recording.add(sequence, timestamp, data[12 + 4 * (data[0] & 15) :], arrived)

    async def _send(self, to: tuple[str, int]) -> None:
        """Send a slot every 20 ms, by the clock and not by the sum of sleeps.

        After a delay of more than MOST_LATE it does not catch up: key presses sent in one burst would be misread.
        """
        due = time.monotonic()
        while True:
            slot = self._slots.popleft() if self._slots else _Slot([SILENCE])
            for payload in slot.payloads:
                self._packet(to, payload, slot)
            if slot.sent is not None and not slot.sent.done():
                self.last_key_at = time.time()
                slot.sent.set_result(None)
            self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF
            due = max(due + FRAME / RATE, time.monotonic() - MOST_LATE)
            await asyncio.sleep(max(due - time.monotonic(), 0))

    def _packet(self, to: tuple[str, int], payload: bytes, slot: _Slot) -> None:
        kind = self._events if slot.is_press and self._events is not None else ALAW
        marker = 0x80 if slot.is_press and not slot.back else 0
        self._sequence = (self._sequence + 1) & 0xFFFF
        timestamp = (self._timestamp - slot.back * FRAME) & 0xFFFFFFFF
        head = struct.pack("!BBHII", 0x80, kind | marker, self._sequence, timestamp, self._source)
        with contextlib.suppress(OSError):  # a full buffer or a closed port is a lost packet
            packet = head + payload
            self._socket.sendto(self._encryption.protect(packet) if self._encryption else packet, to)


def _event(code: int, n: int, *, end: bool = False) -> bytes:
    """Build an RFC 4733 event, `n` slots after the key was pressed: event, end bit and volume, duration in samples."""
    return struct.pack("!BBH", code, 0x8A if end else 0x0A, max(n, 1) * FRAME)


def _arrival(ancillary: list[tuple[int, int, bytes]]) -> float:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _KERNEL_TIMESTAMP and len(data) >= 16:
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            return float(seconds) + float(nanoseconds) / 1e9
    return time.time()
