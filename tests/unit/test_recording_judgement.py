"""What a new recording of a prompt is refused for, and what its reader is advised."""

import numpy as np
import pytest

from ivr.prompts.examine import MARGIN_SECONDS, Judgement, judge, without_long_ends
from ivr.prompts.keys import Prompt, all_keys
from ivr.prompts.levels import Samples
from ivr.prompts.places import ORDER, place_of, reading_order

RATE = 48_000
TEXT = "Hei. Du har ringt sykehuset."  # about two seconds


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE))


def tone(seconds: float, amplitude: float = 0.2) -> Samples:
    wave: Samples = amplitude * np.sin(2 * np.pi * 300 * np.arange(round(seconds * RATE)) / RATE)
    return wave


def noise(seconds: float, amplitude: float) -> Samples:
    return amplitude * np.random.default_rng(1).standard_normal(round(seconds * RATE))


def spoken(seconds: float = 2.0, amplitude: float = 0.2, background: float = 0.0) -> Samples:
    """A voice with a pause before and after it."""
    sound = np.concatenate([silence(0.5), tone(seconds, amplitude), silence(0.5)])
    return sound + noise(len(sound) / RATE, background)[: len(sound)]


def test_clear_recording_is_accepted_without_a_word() -> None:
    assert judge(spoken(), RATE, TEXT) == Judgement()


@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        (silence(2), "nothing is heard"),
        (np.zeros(0), "nothing is heard"),
        (spoken(amplitude=0.001), "nothing is heard"),
        (spoken(0.4), "is it cut off, or of another text?"),
        (tone(0.01), "is it cut off, or of another text?"),
        (spoken(7), "is it cut off, or of another text?"),
        (np.clip(spoken(amplitude=3.0), -1, 1), "too loud"),
    ],
)
def test_recording_that_callers_could_not_use_is_refused(sound: Samples, reason: str) -> None:
    (refusal,) = judge(sound, RATE, TEXT).refusals
    assert reason in refusal


@pytest.mark.parametrize(
    ("sound", "advice"), [(spoken(amplitude=0.012), "soft"), (spoken(background=0.05), "noise behind the voice")]
)
def test_recording_that_could_be_better_is_accepted_with_advice(sound: Samples, advice: str) -> None:
    judged = judge(sound, RATE, TEXT)
    assert judged.refusals == ()
    assert any(advice in each for each in judged.advice)


def test_short_word_may_be_read_slowly_but_is_no_speech() -> None:
    assert judge(spoken(0.3), RATE, "to") == Judgement()
    assert judge(spoken(5), RATE, "to").refusals != ()


def test_loud_voice_that_is_not_cut_is_accepted() -> None:
    assert judge(spoken(amplitude=0.99), RATE, TEXT).refusals == ()


def test_long_silence_is_trimmed_and_a_margin_left() -> None:
    sound = np.concatenate([silence(3), tone(1), silence(2)])
    assert len(without_long_ends(sound, RATE)) / RATE == pytest.approx(1 + 2 * MARGIN_SECONDS, abs=0.02)
    assert len(without_long_ends(tone(1), RATE)) / RATE == pytest.approx(1, abs=0.02)


def test_every_prompt_has_a_place_in_the_script() -> None:
    keys = {*all_keys(), "welcome_kirurgi", "answer_address"}
    assert {place_of(key) for key in keys} == {*ORDER, "wordless"}
    read = sorted(keys, key=reading_order)
    assert read[0] == Prompt.WELCOME
    assert read.index("minute_9") < read.index("minute_10")
