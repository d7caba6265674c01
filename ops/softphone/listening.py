"""Recognise prompts in a recording by normalised cross-correlation with the built prompts.

A prompt is found by its opening. Then its heard length is measured in blocks, since a key press may cut it short. A
score of 1.0 is an exact copy, as on an A-law line without transcoding. Another prompt by a human voice scores below
0.2. The draft voice is synthetic: its short words are similar (0.8 to 0.95), and so are some openings (0.99).
Therefore an exact match wins over a near one, and then the longest match wins.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ops.softphone.rtp import RATE, Samples, decode_alaw

LIMIT: Final = 0.85
EXACT: Final = 0.97
OPENING: Final = int(0.6 * RATE)
BLOCK: Final = int(0.1 * RATE)
SAME_START: Final = int(0.06 * RATE)  # two matches this close are the same sound
QUIET: Final = 40.0  # root mean square below which a block is a pause, 16-bit scale
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HeardPrompt:
    """A prompt in a recording. Times are seconds from the start of the recording."""

    key: str
    start: float
    length: float  # of the heard part
    whole: bool  # heard to its end
    score: float  # correlation of the heard part, 0 to 1

    @property
    def first_sample(self) -> int:
        return round(self.start * RATE)


class PromptRecogniser:
    """Recognises a set of prompts, each as 8 kHz samples."""

    def __init__(self, prompts: Mapping[str, Samples]) -> None:
        self._prompts = {key: _without_offset(_trimmed(samples)) for key, samples in prompts.items()}
        self._prompts = {key: samples for key, samples in self._prompts.items() if len(samples) >= BLOCK}
        self._lead = {key: len(samples) - len(_trimmed(samples, end=False)) for key, samples in prompts.items()}

    @classmethod
    def of_folder(cls, folder: Path, keys: Collection[str] | None = None) -> PromptRecogniser:
        """Load all built prompts (`<key>.alaw`) in the folder, or only `keys`. Subfolders hold other sets."""
        files = [file for file in sorted(folder.glob("*.alaw")) if keys is None or file.stem in keys]
        return cls({file.stem: decode_alaw(file.read_bytes()) for file in files})

    def __len__(self) -> int:
        return len(self._prompts)

    def recognise(self, samples: Samples) -> list[HeardPrompt]:
        """Find the prompts in a recording, in order and without overlaps."""
        if len(samples) < BLOCK:
            return []
        sound = samples.astype(np.float64)
        spectrum = _Spectrum(sound)
        found = [heard for key, prompt in self._prompts.items() for heard in self._find(key, prompt, sound, spectrum)]
        return _without_overlaps(found)

    def _find(self, key: str, prompt: Floats, sound: Floats, spectrum: _Spectrum) -> list[HeardPrompt]:
        opening = prompt[: min(OPENING, len(prompt))]
        found = []
        for place in spectrum.peaks(opening):
            heard = _how_far(prompt, sound[place : place + len(prompt)])
            score = _correlation(prompt[:heard], sound[place : place + heard])
            start = max(place - self._lead[key], 0)
            found.append(HeardPrompt(key, start / RATE, heard / RATE, heard >= len(prompt) - BLOCK, round(score, 3)))
        return found


class _Spectrum:
    """The Fourier transform of a recording, computed once to correlate it with many prompts."""

    def __init__(self, sound: Floats) -> None:
        self._length = len(sound)
        self._size = -(-(len(sound) + OPENING) // 8192) * 8192  # without large prime factors
        single = sound.astype(np.float32)  # single precision is accurate enough and twice as fast
        self._transformed = np.fft.rfft(single, self._size)
        self._sum = np.concatenate(([0.0], np.cumsum(sound)))
        self._squares = np.concatenate(([0.0], np.cumsum(sound**2)))
        self._inverse: dict[int, Floats] = {}

    def peaks(self, opening: Floats) -> list[int]:
        """Find where the recording correlates with `opening` above the limit: the best place of each neighbourhood."""
        n = len(opening)
        if n > self._length:
            return []
        shape = (opening - opening.mean()).astype(np.float32)
        product = np.fft.irfft(self._transformed * np.conj(np.fft.rfft(shape, self._size)), self._size)
        scores = product[: self._length - n + 1] * (self._loudness(n) / np.sqrt(float(np.sum(shape**2))))
        places: list[int] = []
        for place in np.flatnonzero(scores > LIMIT):
            if places and place - places[-1] < n // 2:
                places[-1] = int(place) if scores[place] > scores[places[-1]] else places[-1]
            else:
                places.append(int(place))
        return places

    def _loudness(self, n: int) -> Floats:
        """Return one over the loudness of each stretch of `n` samples. Cached: most openings have the same length."""
        if n not in self._inverse:
            mean = (self._sum[n:] - self._sum[:-n]) / n
            energy = self._squares[n:] - self._squares[:-n] - n * mean**2
            self._inverse[n] = 1 / np.sqrt(np.maximum(energy, n * QUIET**2 / 4))
        return self._inverse[n]


def _how_far(prompt: Floats, sound: Floats) -> int:
    """Count the samples of the prompt that are in the sound, block by block until one differs."""
    length = min(len(prompt), len(sound))
    heard = min(OPENING, length)
    for start in range(heard, length, BLOCK):
        wanted, had = prompt[start : start + BLOCK], sound[start : start + BLOCK]
        wanted = wanted[: len(had)]
        if _loudness(wanted) < QUIET and _loudness(had) < 2 * QUIET:
            continue  # a pause in both: the next block decides
        if _correlation(wanted, had) < LIMIT:
            break
        heard = start + len(had)
    return heard


def _without_overlaps(found: list[HeardPrompt]) -> list[HeardPrompt]:
    """Drop overlapping matches. Exact matches win over near ones, then long ones over short ones."""
    kept: list[HeardPrompt] = []
    for heard in sorted(found, key=lambda one: (one.score < EXACT, -one.length, not one.whole)):
        if all(
            heard.start >= other.start + other.length - SAME_START / RATE
            or heard.start + heard.length <= other.start + SAME_START / RATE
            for other in kept
        ):
            kept.append(heard)
    return sorted(kept, key=lambda one: one.start)


def _correlation(one: Floats, other: Floats) -> float:
    n = min(len(one), len(other))
    one, other = one[:n] - one[:n].mean(), other[:n] - other[:n].mean()
    size = float(np.sqrt(np.sum(one**2) * np.sum(other**2)))
    return float(np.sum(one * other)) / size if size else 0.0


def _loudness(samples: Floats) -> float:
    return float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0


def _trimmed(samples: Samples, *, end: bool = True) -> Samples:
    """Trim the silence at both ends, which cannot be recognised."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 2 * QUIET)
    if not len(loud):
        return samples[:0]
    return samples[loud[0] : loud[-1] + 1 if end else None]


def _without_offset(samples: Samples) -> Floats:
    return samples.astype(np.float64)
