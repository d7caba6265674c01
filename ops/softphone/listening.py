"""Recognise prompts in a recording by normalised cross-correlation with the built prompts.

A prompt is found by its opening. Then its heard length is measured in blocks, since a key press may cut it short. A
score of 1.0 is an exact copy, as on an A-law line without transcoding. Another prompt by a human voice scores below
0.2. The draft voice is synthetic: its short words are similar (0.8 to 0.95), and so are some openings (0.99).
Therefore an exact match wins over a near one, and then the longest match wins. Some prompts share whole words with
another from the start («Takk. Vi har …»): while a recording has only those words, both are named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
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
SHORT, LONG = 16384, 32768  # samples of a block that is transformed at once
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
    rivals: frozenset[str] = frozenset()  # other prompts that the heard part could be as well
    decided: bool = True  # False if more sound could show that it is one of the rivals

    @property
    def first_sample(self) -> int:
        return round(self.start * RATE)


class PromptRecogniser:
    """Recognises a set of prompts, each as 8 kHz samples."""

    def __init__(self, prompts: Mapping[str, Samples]) -> None:
        self._prompts = {key: _without_offset(_trimmed(samples)) for key, samples in prompts.items()}
        self._prompts = {key: samples for key, samples in self._prompts.items() if len(samples) >= BLOCK}
        self._openings = {key: _Opening(samples[:OPENING]) for key, samples in self._prompts.items()}
        self._lead = {key: len(samples) - len(_trimmed(samples, end=False)) for key, samples in prompts.items()}

    @classmethod
    def of_folder(cls, folder: Path, keys: Collection[str] | None = None) -> PromptRecogniser:
        """Load all built prompts (`<key>.alaw`) in the folder, or only `keys`. Subfolders hold other sets."""
        files = [file for file in sorted(folder.glob("*.alaw")) if keys is None or file.stem in keys]
        return cls({file.stem: decode_alaw(file.read_bytes()) for file in files})

    def __len__(self) -> int:
        return len(self._prompts)

    def __contains__(self, key: str) -> bool:
        return key in self._prompts

    def starting_like(self, key: str) -> frozenset[str]:
        """Find the prompts that could be mistaken for `key`, because they start with the same sound."""
        return frozenset(other for other in self._prompts if other != key and self._starts_like(key, other))

    def _starts_like(self, key: str, other: str) -> bool:
        shorter, longer = sorted((self._prompts[key][:OPENING], self._prompts[other][:OPENING]), key=len)
        around = np.zeros(SAME_START)
        return bool(_Spectrum(np.concatenate((around, longer, around))).peaks(_Opening(shorter)))

    def recognise(self, samples: Samples) -> list[HeardPrompt]:
        """Find the prompts in a recording, in order and without overlaps."""
        if len(samples) < BLOCK:
            return []
        sound = samples.astype(np.float64)
        spectrum = _Spectrum(sound)
        matches = [match for key, prompt in self._prompts.items() for match in self._find(key, prompt, sound, spectrum)]
        return [best.named(matches) for best in _without_overlaps(matches)]

    def _find(self, key: str, prompt: Floats, sound: Floats, spectrum: _Spectrum) -> Iterator[_Match]:
        for place in spectrum.peaks(self._openings[key]):
            heard, differs = _how_far(prompt, sound[place : place + len(prompt)])
            score = _correlation(prompt[:heard], sound[place : place + heard])
            runs_on = not differs and place + len(prompt) > len(sound)
            start = max(place - self._lead[key], 0)
            yield _Match(key, start, heard, heard >= len(prompt) - BLOCK, runs_on, round(score, 3))


@dataclass(frozen=True, slots=True)
class _Match:
    """A prompt that fits a stretch of the recording, in samples."""

    key: str
    start: int
    length: int
    whole: bool
    runs_on: bool  # the recording ended before the prompt did, or differed
    score: float

    def named(self, others: Iterable[_Match]) -> HeardPrompt:
        rivals = [other for other in others if self._could_be(other)]
        decided = not rivals or not (self.runs_on or any(rival.runs_on for rival in rivals))
        keys = frozenset(rival.key for rival in rivals)
        return HeardPrompt(
            self.key, self.start / RATE, self.length / RATE, self.whole, self.score, rivals=keys, decided=decided
        )

    def _could_be(self, other: _Match) -> bool:
        """Whether the other prompt fits as well. One that runs on may still turn out to be the longer match."""
        if other.key == self.key or abs(other.start - self.start) >= SAME_START:
            return False
        as_exact = other.score >= EXACT or self.score < EXACT
        as_long = other.length > self.length - SAME_START and other.whole == self.whole
        return as_exact and (other.runs_on or as_long)

    def overlaps(self, other: _Match) -> bool:
        return (
            self.start < other.start + other.length - SAME_START and self.start + self.length > other.start + SAME_START
        )


class _Opening:
    """The sound that a prompt starts with. Its Fourier transforms are computed once, for every recording."""

    def __init__(self, samples: Floats) -> None:
        self._shape = (samples - samples.mean()).astype(np.float32)
        self._transformed: dict[int, NDArray[np.complex64]] = {}
        self.strength = float(np.sqrt(np.sum(self._shape**2)))

    def __len__(self) -> int:
        return len(self._shape)

    def transformed(self, size: int) -> NDArray[np.complex64]:
        """Return the transform that correlates it with a block of `size` samples."""
        if size not in self._transformed:
            self._transformed[size] = np.conj(np.fft.rfft(self._shape, size))
        return self._transformed[size]


class _Spectrum:
    """The Fourier transforms of a recording, block by block, computed once to correlate it with many prompts.

    Blocks overlap by the length of an opening, so that every place is wholly in one of them. They have one
    of two sizes, so that the transforms of openings can be used again, and they fit into the processor's cache.
    """

    def __init__(self, sound: Floats) -> None:
        self._length = len(sound)
        self._size = SHORT if len(sound) <= SHORT else LONG
        self._step = self._size - OPENING + 1
        count = max(1, -(-len(sound) // self._step))
        padded = np.zeros((count - 1) * self._step + self._size, np.float32)  # accurate enough and twice as fast
        padded[: len(sound)] = sound
        blocks = np.lib.stride_tricks.sliding_window_view(padded, self._size)[:: self._step]
        self._transformed = np.fft.rfft(blocks, axis=1)
        self._sum = np.concatenate(([0.0], np.cumsum(sound)))
        self._squares = np.concatenate(([0.0], np.cumsum(sound**2)))
        self._inverse: dict[int, NDArray[np.float32]] = {}

    def peaks(self, opening: _Opening) -> list[int]:
        """Find where the recording correlates with `opening` above the limit: the best place of each neighbourhood."""
        n = len(opening)
        if n > self._length:
            return []
        product = np.fft.irfft(self._transformed * opening.transformed(self._size), self._size, axis=1)
        scores = product[:, : self._step].reshape(-1)[: self._length - n + 1] * self._loudness(n)
        places: list[int] = []
        for place in np.flatnonzero(scores > LIMIT * opening.strength):
            if places and place - places[-1] < n // 2:
                places[-1] = int(place) if scores[place] > scores[places[-1]] else places[-1]
            else:
                places.append(int(place))
        return places

    def _loudness(self, n: int) -> NDArray[np.float32]:
        """Return one over the loudness of each stretch of `n` samples. Cached: most openings have the same length."""
        if n not in self._inverse:
            mean = (self._sum[n:] - self._sum[:-n]) / n
            energy = self._squares[n:] - self._squares[:-n] - n * mean**2
            self._inverse[n] = (1 / np.sqrt(np.maximum(energy, n * QUIET**2 / 4))).astype(np.float32)
        return self._inverse[n]


def _how_far(prompt: Floats, sound: Floats) -> tuple[int, bool]:
    """Count the samples of the prompt that are in the sound, block by block until one differs. Whether one did."""
    length = min(len(prompt), len(sound))
    heard = min(OPENING, length)
    for start in range(heard, length, BLOCK):
        wanted, had = prompt[start : start + BLOCK], sound[start : start + BLOCK]
        wanted = wanted[: len(had)]
        if _loudness(wanted) < QUIET and _loudness(had) < 2 * QUIET:
            continue  # a pause in both: the next block decides
        if _correlation(wanted, had) < LIMIT:
            return heard, True
        heard = start + len(had)
    return heard, False


def _without_overlaps(found: list[_Match]) -> list[_Match]:
    """Drop overlapping matches. Exact matches win over near ones, then long ones over short ones."""
    kept: list[_Match] = []
    for match in sorted(found, key=lambda one: (one.score < EXACT, -one.length, not one.whole)):
        if not any(match.overlaps(other) for other in kept):
            kept.append(match)
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
