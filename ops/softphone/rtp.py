"""Sound over RTP: A-law both ways, key presses by RFC 4733, and a recording that knows when each sample came."""

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

RATE: Final = 8000  # samples a second
FRAME: Final = 160  # samples a packet: 20 ms
SILENCE: Final = b"\xd5" * FRAME  # zero in A-law
ALAW: Final = 8  # static payload type
KEY_PACKETS: Final = 5  # 100 ms of key press
GAP_PACKETS: Final = 4  # 80 ms of silence between keys
MOST_LATE: Final = 0.02  # seconds
EVENTS: Final = "0123456789*#"  # the position is the RFC 4733 event code
_KERNEL_TIMESTAMP: Final = 35  # SO_TIMESTAMPNS on Linux: struct timespec beside each datagram


_ALAW: Final[Samples] = np.array(ALAW_LEVELS, dtype=np.int16)


def decode_alaw(data: bytes) -> Samples:
    """Decode A-law bytes to 16-bit samples, 8 kHz."""
    return _ALAW[np.frombuffer(data, dtype=np.uint8)]


class Recording:
    """What was heard, in the order of the wire. Sample 0 is the moment the call was answered.

    Packets that follow each other without a gap are laid end to end; after a gap the next one is laid where its
    arrival says. `instant` gives the arrival of the packet that held a sample, as the kernel saw it, not as late as
    a busy program did.
    """

    def __init__(self, started: float) -> None:
        self.started = started  # Unix time, seconds
        self._starts: list[int] = []
        self._arrivals: list[float] = []
        self._pieces: list[bytes] = []
        self._end = 0
        self._next: tuple[int, int] | None = None  # sequence number and timestamp that would follow without a gap

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
        """Let sample 0 be now, or what has come already: sound may overtake the answer."""
        self.started = min([now, *self._arrivals[:1]])
        first = self._starts[0] if self._starts else 0
        self._starts = [start - first for start in self._starts]
        self._end -= first

    @property
    def seconds(self) -> float:
        return self._end / RATE

    def samples(self, first: int = 0) -> Samples:
        """What was heard so far, from that sample on; silence where nothing came."""
        heard = np.zeros(max(self._end - first, 0), dtype=np.int16)
        begin = max(bisect_right(self._starts, first) - 1, 0)
        for start, piece in zip(self._starts[begin:], self._pieces[begin:], strict=True):
            decoded = decode_alaw(piece)[max(first - start, 0) :]
            place = max(start - first, 0)
            heard[place : place + len(decoded)] = decoded
        return heard

    def instant(self, sample: int) -> float:
        """Unix time at which the packet with this sample (or the last one before it) arrived."""
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
    """What is sent in one 20 ms: usually one packet. `back` slots ago is when its key press began."""

    payloads: list[bytes]
    is_press: bool = False
    back: int = 0
    sent: asyncio.Future[None] | None = None


class Line:
    """One RTP socket on the given address. From `open` to `close` it sends a packet every 20 ms."""

    def __init__(self, host: str, *, sealed: bool = False) -> None:
        """`sealed`: all that is sent is SRTP, and nothing else is listened to."""
        self.key = new_key() if sealed else None  # ours, to be told to the other side
        self._seal = Srtp(self.key) if self.key else None
        self._unseal: Srtp | None = None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((host, 0))
        with contextlib.suppress(OSError):  # not Linux: the program's own clock has to do
            self._socket.setsockopt(socket.SOL_SOCKET, _KERNEL_TIMESTAMP, 1)
        self.port: int = self._socket.getsockname()[1]
        self.recording = Recording(time.time())
        self.last_key_at: float | None = None  # Unix time at which the last press was over
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._receive)
        self._sender: asyncio.Task[None] | None = None
        self._events: int | None = None
        self._slots: deque[_Slot] = deque()
        self._sequence, self._timestamp = secrets.randbelow(2**15), secrets.randbelow(2**31)
        self._source = secrets.randbits(32)

    def open(self, host: str, port: int, events: int | None, key: bytes | None = None) -> None:
        """Start sending there, key presses as payload type `events`. What is heard from now on is recorded.

        `key` opens what the other side sends, where both are sealed.
        """
        if key is not None:
            self._unseal = Srtp(key)
        if self._sender is None:
            self.recording.begin(time.time())
            self._events = events
            self._sender = asyncio.create_task(self._send((host, port)))

    async def press(self, keys: str, *, held: int = KEY_PACKETS, gap: int = GAP_PACKETS) -> None:
        """Key these, each `held` and then let go for so many packets of 20 ms (and one at which the press is over).

        Returns when the last press is over. Raises ValueError where the other side takes none.
        """
        if self._events is None:
            raise ValueError("the other side takes no key presses as RTP events")
        pressed: asyncio.Future[None] = self._loop.create_future()
        for place, key in enumerate(keys, 1):
            code = EVENTS.index(key)
            self._slots.extend(_Slot([_event(code, n)], True, n) for n in range(held))
            over = _event(code, held, over=True)  # said three times, in case one is lost
            self._slots.append(_Slot([over] * 3, True, held, pressed if place == len(keys) else None))
            self._slots.extend(_Slot([SILENCE]) for _ in range(gap))
        await pressed

    def say(self, alaw: bytes) -> None:
        """Let the other side hear this: A-law bytes, 8 kHz."""
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
                data, beside, _, _ = self._socket.recvmsg(2048, 128)
                self._hear(data, _arrival(beside))

    def _hear(self, data: bytes, arrived: float) -> None:
        if self._seal is not None:
            data = (self._unseal.unprotect(data) if self._unseal else None) or b""
        if len(data) < 12 or data[0] >> 6 != 2 or data[1] & 0x7F != ALAW:
            return
        sequence, timestamp = struct.unpack("!HI", data[2:8])
        self.recording.add(sequence, timestamp, data[12 + 4 * (data[0] & 15) :], arrived)

    async def _send(self, to: tuple[str, int]) -> None:
        """A slot every 20 ms, by the clock and not by the sum of sleeps.

        Who was held up for longer than MOST_LATE does not catch up: keys pressed all in one moment are misread.
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
        with contextlib.suppress(OSError):  # a full buffer or a closed port: a lost packet, as on any wire
            packet = head + payload
            self._socket.sendto(self._seal.protect(packet) if self._seal else packet, to)


def _event(code: int, n: int, *, over: bool = False) -> bytes:
    """RFC 4733: event, end bit and volume, duration so far in samples; `n` slots after the press began."""
    return struct.pack("!BBH", code, 0x8A if over else 0x0A, max(n, 1) * FRAME)


def _arrival(beside: list[tuple[int, int, bytes]]) -> float:
    for level, kind, data in beside:
        if level == socket.SOL_SOCKET and kind == _KERNEL_TIMESTAMP and len(data) >= 16:
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            return float(seconds) + float(nanoseconds) / 1e9
    return time.time()
