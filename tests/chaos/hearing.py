"""What a caller heard: the sentences, and the longest silence in which the system neither spoke nor waited for keys.

Silence is measured in the sound itself, in blocks of a tenth of a second. A ringing tone is not silence, nor are the
pauses of its cadence. It is the caller's turn from the end of a question until the last key of the answer, and for as
long as the system waits for one that is not complete.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from ivr.prompts.keys import Prompt
from ops.softphone.listening import PromptRecogniser
from ops.softphone.rtp import RATE, Samples, decode_alaw

BLOCK: Final = 0.1
QUIET: Final = 40.0
"""Root mean square below which a block is silent, 16-bit scale."""
CADENCE: Final = 4.4
"""Seconds between two ringing tones."""
RINGING: Final = 425.0
"""Hertz."""
WAITS: Final = 10.0
"""Seconds after a question in which it is the caller's turn, if no key comes."""
OPENING: Final = 1.0
"""Seconds of a question without which it is recognised too: a gap in its opening hides the question, not the turn."""

RECEIPTS: Final = frozenset({Prompt.RECEIVED, Prompt.ALREADY_ON_LIST})
ASKS_IDENTITY: Final = frozenset({Prompt.ASK_IDENTITY, Prompt.ASK_IDENTITY_SLOW})
ASKS_PHONE: Final = frozenset({Prompt.ASK_PHONE, Prompt.ASK_PHONE_SLOW})
QUESTIONS: Final = (
    ASKS_IDENTITY | ASKS_PHONE | {Prompt.KEY_REST, Prompt.SKIP_IDENTITY, Prompt.CHANGE_NUMBER, Prompt.CHECK_NUMBER}
    | {Prompt.SAY_WHAT_ABOUT, Prompt.CHANGE_OR_DECLINE, Prompt.OTHER_PERSON, Prompt.CONFIRM_SKIP}
)  # fmt: skip
LISTENED_FOR: Final = frozenset(
    QUESTIONS
    | RECEIPTS
    | {Prompt.EMERGENCY, Prompt.RECOVERED, Prompt.RESCUE, Prompt.STORAGE_DOWN, Prompt.TO_SWITCHBOARD}
    | {Prompt.SWITCHBOARD_UNANSWERED, Prompt.SWITCHBOARD_UNAVAILABLE, Prompt.NO_NUMBER, Prompt.IDENTITY_WRONG}
    | {
        Prompt.NO_KEYS,
        Prompt.MAY_HANG_UP,
        Prompt.PHONE_WITHHELD,
        Prompt.RING_NUMBER,
        Prompt.WE_RING,
        Prompt.WE_RING_AS_TOLD,
    }
)
"""The sentences and beginnings of sentences that are recognised afterwards."""

Span = tuple[float, float]


@dataclass(frozen=True)
class Sentence:
    """A sentence that was heard, in seconds from the answer."""

    key: str
    start: float
    end: float


@dataclass(frozen=True)
class Hearing:
    """What a caller heard. `silence` is the longest one, in seconds, and `silent_at` when it began."""

    sentences: tuple[Sentence, ...]
    silence: float
    silent_at: float

    @property
    def receipt(self) -> bool:
        """Whether a receipt was heard."""
        return any(each.key in RECEIPTS for each in self.sentences)


@cache
def recogniser(folder: Path, keys: frozenset[str]) -> PromptRecogniser:
    """A recogniser for these prompts."""
    return PromptRecogniser.of_folder(folder, keys)


@cache
def rests(folder: Path) -> PromptRecogniser:
    """A recogniser for what follows the opening of each question."""
    files = {key: folder / f"{key}.alaw" for key in map(str, QUESTIONS)}
    sounds = {key: decode_alaw(file.read_bytes()) for key, file in files.items() if file.exists()}
    return PromptRecogniser({key: samples[int(OPENING * RATE) :] for key, samples in sounds.items()})


def listen(folder: Path, sound: bytes, length: float, answers: Sequence[Span]) -> Hearing:
    """Recognise the sentences in a recording (16-bit samples), and measure the longest silence.

    `length` is the call's in seconds; sound may have ended before. `answers` are the spans from a first key to when the
    answer was complete.
    """
    samples = np.frombuffer(sound, dtype=np.int16)
    heard = recogniser(folder, frozenset(map(str, LISTENED_FOR))).recognise(samples)
    sentences = tuple(Sentence(each.key, each.start, each.start + each.length) for each in heard)
    asked = [*sentences, *questions_by_their_ends(rests(folder), samples)]
    silence, at = longest_silence(samples, length, callers_turns(asked, answers))
    return Hearing(sentences, silence, at)


def questions_by_their_ends(ears: PromptRecogniser, samples: Samples) -> list[Sentence]:
    """Find questions by what follows their opening."""
    found = [each for each in ears.recognise(samples) if each.whole]
    return [Sentence(each.key, max(each.start - OPENING, 0.0), each.start + each.length) for each in found]


def callers_turns(sentences: Sequence[Sentence], answers: Sequence[Span]) -> list[Span]:
    """Return when the caller was to act: from each question to the end of the answer to it, and while keying."""
    turns = list(answers)
    for question in (each for each in sentences if each.key in QUESTIONS):
        ends = question.end + WAITS
        begun = [answer for answer in answers if question.start < answer[0] < ends]
        turns.append((question.start, begun[0][1] if begun else ends))
    return turns


def longest_silence(samples: Samples, length: float, turns: Iterable[Span]) -> Span:
    """Return the longest silence outside the caller's turns: its length and its beginning, in seconds."""
    size = int(BLOCK * RATE)
    count = max(int(length / BLOCK), 1)
    sound = np.zeros(count * size, dtype=np.float64)
    sound[: min(len(samples), len(sound))] = samples[: len(sound)]
    blocks = sound.reshape(count, size)
    loud = np.sqrt((blocks**2).mean(axis=1)) >= QUIET
    _fill_cadence(loud, blocks)
    for start, end in turns:
        loud[max(int(start / BLOCK), 0) : max(int(end / BLOCK) + 1, 0)] = True
    edges = np.flatnonzero(np.concatenate(([True], loud, [True])))
    gaps = np.diff(edges) - 1
    longest = int(gaps.argmax())
    return float(gaps[longest]) * BLOCK, float(edges[longest]) * BLOCK


def _fill_cadence(loud: np.ndarray, blocks: np.ndarray) -> None:
    """Count the pauses between two ringing tones as sound."""
    spectra = np.abs(np.fft.rfft(blocks, axis=1)) ** 2
    place = round(RINGING * BLOCK)
    near = spectra[:, place - 2 : place + 4].sum(axis=1)
    tone = loud & (near > 0.9 * np.maximum(spectra.sum(axis=1), 1))
    places = np.flatnonzero(tone)
    for before, after in pairwise(places):
        if 1 < after - before <= CADENCE / BLOCK:
            loud[before:after] = True
