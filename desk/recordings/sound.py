"""Speech as a telephone line carries it: A-law (ITU-T G.711), 8 kHz, mono, one byte a sample. Pure."""

import io
import sys
import wave
from array import array
from typing import Final

RATE: Final = 8000
FRAME: Final = 160  # samples: 20 ms
AUDIBLE: Final = 100
"""Of 32767: a sample this far from zero is no line noise (A-law's own quietest step is 8)."""
AUDIBLE_SAMPLES: Final = 16  # of a frame
SPOKEN_FRAMES: Final = 10  # 0.2 s: less is a click


def _linear(code: int) -> int:
    """Decode one A-law byte to a 16-bit value. Its even bits are inverted on the line."""
    code ^= 0x55
    exponent, mantissa = (code >> 4) & 7, code & 15
    value = (mantissa << 4) + 8 if exponent == 0 else ((mantissa << 4) + 0x108) << (exponent - 1)
    return value if code & 0x80 else -value


ALAW_LEVELS: Final = tuple(_linear(code) for code in range(256))
"""The 16-bit value of each A-law byte (ITU-T G.711, table 1). This is the only A-law table in the product."""
_AUDIBLE: Final = bytes(abs(value) >= AUDIBLE for value in ALAW_LEVELS)


def seconds(alaw: bytes) -> float:
    """Return how long the recording lasts."""
    return len(alaw) / RATE


def is_silent(alaw: bytes) -> bool:
    """Whether it can't contain speech: less than 0.2 s of it is audible."""
    audible = alaw.translate(_AUDIBLE)
    frames = (sum(audible[start : start + FRAME]) for start in range(0, len(audible), FRAME))
    return sum(count >= AUDIBLE_SAMPLES for count in frames) < SPOKEN_FRAMES


def as_wav(alaw: bytes) -> bytes:
    """Return it as a WAV file that every player can play: 16 bit, 8 kHz, mono."""
    samples = array("h", map(ALAW_LEVELS.__getitem__, alaw))
    if sys.byteorder == "big":
        samples.byteswap()
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())
    return file.getvalue()
