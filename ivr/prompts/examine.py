"""Judge a new recording of a prompt: does the caller hear the whole text, clearly? Pure functions.

What callers can't use is refused. What they can, but could be better, is a piece of advice to the reader.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from ivr.prompts.levels import Samples, sounding
from ivr.prompts.rules import READ_A_SECOND

SHORTEST_JUDGED: Final = 20
"""Characters: the length of a shorter text says little."""
MOST_OFF: Final = 2.5
"""How many times quicker or slower than READ_A_SECOND a voice may read."""
LONGEST_WORD: Final = 4.0
"""Seconds for a text shorter than SHORTEST_JUDGED."""
FULL_SCALE: Final = 0.999
CUT_TOP: Final = 3
"""Samples in a row at full scale: the top of a wave is cut off."""
MOST_CUT_TOPS: Final = 3
INAUDIBLE_DB: Final = -55.0
SOFT_DB: Final = -38.0
"""Of full scale, on average while something is heard. LUFS would take a second to compute, and a build does."""
LEAST_ABOVE_NOISE: Final = 20.0
"""Decibels between the voice and the pauses around it."""
FRAME_SECONDS: Final = 0.05
MARGIN_SECONDS: Final = 0.2
"""The silence left at both ends: breath and soft consonants are in it. A build trims the rest."""


@dataclass(frozen=True)
class Judgement:
    """`refusals`: why callers may not hear it. `advice`: what would make it better."""

    refusals: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()


def judge(samples: Samples, rate: int, text: str) -> Judgement:
    """Judge the recording of a text, at the rate it was made with."""
    start, end = sounding(samples, rate)
    level = 10 * math.log10(np.mean(samples[start:end] ** 2)) if start < end else -math.inf
    if level < INAUDIBLE_DB:
        return Judgement(("nothing is heard: check that the right microphone is chosen, and that it is on",))
    refusals = [odd for odd in (odd_length(text, (end - start) / rate),) if odd]
    if cut_tops(samples) >= MOST_CUT_TOPS:
        refusals.append("too loud, so the sound is cut: sit further away, or turn the microphone down")
    return Judgement(tuple(refusals), tuple(_advice(samples, rate, level)))


def _advice(samples: Samples, rate: int, level: float) -> Iterator[str]:
    if level < SOFT_DB:
        yield "soft: it is made louder for you, and its noise with it. Sit closer, or turn the microphone up"
    if above_noise(samples, rate) < LEAST_ABOVE_NOISE:
        yield "there is noise behind the voice: find a quieter room, and wait a moment before and after you read"


def odd_length(text: str, seconds: float) -> str:
    """Say that a recording can't be the whole text, or has more than it; empty if it may be right."""
    expected = len(text) / READ_A_SECOND
    if len(text) < SHORTEST_JUDGED:
        is_odd = seconds > LONGEST_WORD
    else:
        is_odd = not expected / MOST_OFF <= seconds <= expected * MOST_OFF
    return f"{seconds:.1f} s for a text of about {max(expected, 1):.0f} s: is it cut off, or of another text?" * is_odd


def cut_tops(samples: Samples) -> int:
    """Count the waves whose tops are cut off."""
    full = np.abs(samples) >= FULL_SCALE
    edges = np.flatnonzero(np.diff(np.concatenate(([False], full, [False])).astype(np.int8)))
    return int(np.count_nonzero(edges[1::2] - edges[::2] >= CUT_TOP))


def above_noise(samples: Samples, rate: int) -> float:
    """Return how many decibels the voice is above its pauses; infinite where they are silent, or too short to tell."""
    frame = max(1, int(FRAME_SECONDS * rate))
    whole = len(samples) // frame * frame
    if not whole:
        return math.inf
    power = np.mean(samples[:whole].reshape(-1, frame) ** 2, axis=1)
    quiet, loud = np.percentile(power, [10, 90])
    return math.inf if quiet <= 0 else float(10 * np.log10(loud / quiet))


def without_long_ends(samples: Samples, rate: int) -> Samples:
    """Trim the silence at both ends, and leave a margin."""
    start, end = sounding(samples, rate)
    margin = round(MARGIN_SECONDS * rate)
    return samples[max(0, start - margin) : end + margin]
