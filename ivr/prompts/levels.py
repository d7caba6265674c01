"""Loudness, peaks and silence of a prompt, and A-law encoding. Pure functions on mono float64 samples within -1…1.

Loudness follows ITU-R BS.1770 (pyloudnorm). True peak follows its annex 2, with four times oversampling.
"""

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desk.recordings.sound import ALAW_LEVELS

Samples = NDArray[np.float64]

TARGET_LUFS = -20.0
PEAK_DBTP = -3.0
LIMIT_DBTP = -3.3
"""The limiter's ceiling. It leaves a margin, since A-law rounding can raise a peak by 0.15 dB."""

TONE_HZ = 440.0
TONE_AMPLITUDE = 0.08
"""22 dB below full scale: softer than the voice, louder than line noise."""

_MEASURED_SECONDS = 1.2
_FRAME_SECONDS = 0.005
_SILENT_DB = -40.0
_LOOKAHEAD_SECONDS = 0.004


@dataclass(frozen=True)
class Levels:
    """The measurements of a prompt: length, LUFS (-inf when silent), dBTP, and seconds of silence at both ends."""

    seconds: float
    lufs: float
    peak_dbtp: float
    lead: float
    tail: float


def soft_tone(seconds: float, rate: int) -> Samples:
    """Make a soft tone that fades in and out without clicks. Its frequency is far from all DTMF tones."""
    count = round(seconds * rate)
    swell = np.sin(np.pi * np.arange(count) / max(1, count - 1))
    tone: Samples = TONE_AMPLITUDE * swell * np.sin(2 * np.pi * TONE_HZ * np.arange(count) / rate)
    return tone


def measure(samples: Samples, rate: int) -> Levels:
    """Measure a prompt. An empty one has no length and no loudness."""
    start, end = sounding(samples, rate)
    return Levels(
        seconds=len(samples) / rate,
        lufs=loudness(samples, rate),
        peak_dbtp=true_peak(samples),
        lead=start / rate,
        tail=(len(samples) - end) / rate,
    )


def loudness(samples: Samples, rate: int) -> float:
    """Measure the integrated loudness in LUFS, without the silence at the ends.

    BS.1770 measures blocks of 0.4 s, which is too long for a single word, so short sounds are repeated.
    """
    start, end = sounding(samples, rate)
    if start == end:
        return -math.inf
    part = samples[start:end]
    part = np.tile(part, math.ceil(_MEASURED_SECONDS * rate / len(part)))
    import pyloudnorm  # takes a second: commands that measure nothing start without it

    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        warnings.simplefilter("ignore")  # pyloudnorm warns about very quiet sound, which -inf already expresses
        return float(pyloudnorm.Meter(rate).integrated_loudness(part))


def true_peak(samples: Samples) -> float:
    """Measure the highest peak, also between samples, in dBTP. -inf when silent."""
    peak = float(np.max(np.abs(_oversampled(samples)))) if len(samples) else 0.0
    return 20 * math.log10(peak) if peak > 0 else -math.inf


def sounding(samples: Samples, rate: int) -> tuple[int, int]:
    """Find the first and last sample of the sound: frames at most 40 dB below the loudest frame."""
    frame = max(1, int(_FRAME_SECONDS * rate))
    whole = len(samples) // frame * frame
    if not whole:
        return 0, 0
    power = np.mean(samples[:whole].reshape(-1, frame) ** 2, axis=1)
    loudest = float(np.max(power))
    if loudest <= 1e-9:  # -90 dB: silent
        return 0, 0
    heard = np.flatnonzero(power >= loudest * 10 ** (_SILENT_DB / 10))
    return int(heard[0]) * frame, min(len(samples), (int(heard[-1]) + 1) * frame)


def trimmed(samples: Samples, rate: int, *, lead: float, tail: float) -> Samples:
    """Trim silence, then add a fixed silence at both ends, with 2 ms fades to avoid clicks."""
    start, end = sounding(samples, rate)
    part = samples[start:end].copy()
    fade = min(int(0.002 * rate), len(part) // 2)
    if fade:
        ramp = np.linspace(0.0, 1.0, fade)
        part[:fade] *= ramp
        part[-fade:] *= ramp[::-1]
    return np.concatenate([np.zeros(round(lead * rate)), part, np.zeros(round(tail * rate))])


def resampled(samples: Samples, rate: int, to: int) -> Samples:
    """Change the sample rate, band-limited."""
    if rate == to:
        return samples
    common = math.gcd(rate, to)
    return _resampled(samples, to // common, rate // common)


def gained(samples: Samples, db: float) -> Samples:
    return np.asarray(samples * 10 ** (db / 20), dtype=np.float64)


def limited(samples: Samples, rate: int) -> Samples:
    """Limit the true peak to LIMIT_DBTP by smoothly reducing the gain from 4 ms before to 4 ms after each peak."""
    ceiling = 10 ** (LIMIT_DBTP / 20)
    for _ in range(3):  # reducing the gain shifts peaks between samples a little, so repeat
        if not len(samples) or true_peak(samples) <= LIMIT_DBTP:
            return samples
        oversampled = np.abs(_oversampled(samples))[: 4 * len(samples)].reshape(-1, 4).max(axis=1)
        wanted = np.minimum(1.0, 0.995 * ceiling / np.maximum(oversampled, 1e-9))
        window = 2 * int(_LOOKAHEAD_SECONDS * rate) + 1
        lowest = _sliding(wanted, window).min(axis=1)
        samples = samples * _sliding(lowest, window).mean(axis=1)
    return samples


def to_pcm16(samples: Samples) -> bytes:
    """Encode as signed 16-bit little-endian, the format of `.sln16` at 16 kHz."""
    return np.clip(np.round(samples * 32767), -32768, 32767).astype("<i2").tobytes()


def from_pcm16(data: bytes) -> Samples:
    return np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2").astype(np.float64) / 32767


def to_alaw(samples: Samples) -> bytes:
    """Encode as A-law, the format of `.alaw` at 8 kHz. Each sample becomes the nearest of the 256 levels."""
    order = np.argsort(_ALAW)
    levels = _ALAW[order]
    above = np.clip(np.searchsorted(levels, samples), 1, len(levels) - 1)
    nearest = np.where(samples - levels[above - 1] <= levels[above] - samples, above - 1, above)
    return order[nearest].astype(np.uint8).tobytes()


def from_alaw(data: bytes) -> Samples:
    return np.asarray(_ALAW[np.frombuffer(data, dtype=np.uint8)], dtype=np.float64)


_ALAW: Samples = np.array(ALAW_LEVELS) / 32768


def _oversampled(samples: Samples) -> Samples:
    return _resampled(samples, 4, 1)


def _resampled(samples: Samples, up: int, down: int) -> Samples:
    from scipy.signal import resample_poly  # type: ignore[import-untyped]  # as slow to load as pyloudnorm

    return np.asarray(resample_poly(samples, up, down), dtype=np.float64)


def _sliding(values: Samples, window: int) -> Samples:
    padded = np.pad(values, window // 2, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, window)
