"""Loudness, peaks and A-law, compared with the standards."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.prompts.levels import (
    LIMIT_DBTP,
    Samples,
    from_alaw,
    from_pcm16,
    gained,
    limited,
    loudness,
    measure,
    resampled,
    to_alaw,
    to_pcm16,
    trimmed,
    true_peak,
)

RATE = 16_000


def tone(hertz: float, seconds: float, amplitude: float = 1.0, phase: float = 0.0, rate: int = RATE) -> Samples:
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate + phase)


def test_full_scale_sine_measures_minus_three_lufs() -> None:
    """ITU-R BS.1770: 997 Hz at full scale in one channel reads -3.01."""
    assert loudness(tone(997, 5), RATE) == pytest.approx(-3.01, abs=0.1)
    assert loudness(gained(tone(997, 5), -17), RATE) == pytest.approx(-20.01, abs=0.1)


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.39, 0.4, 1.0])
def test_word_shorter_than_the_gate_measures_like_a_long_one(seconds: float) -> None:
    assert loudness(tone(1000, seconds, 0.1), RATE) == pytest.approx(loudness(tone(1000, 5, 0.1), RATE), abs=0.2)


def test_silence_around_a_word_does_not_change_its_loudness() -> None:
    word = tone(1000, 0.3, 0.1)
    silence = np.zeros(RATE)
    assert loudness(np.concatenate([silence, word, silence]), RATE) == pytest.approx(loudness(word, RATE), abs=0.2)


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(7), np.zeros(RATE)])
def test_empty_sound_has_no_loudness_and_no_peak(samples: Samples) -> None:
    levels = measure(samples, RATE)
    assert math.isinf(levels.lufs) and math.isinf(levels.peak_dbtp)


def test_a_true_peak_lies_between_the_samples() -> None:
    """A quarter of the sample rate, 45° off: every sample is at -3.01 dB, the wave itself at 0."""
    samples = tone(RATE / 4, 1, phase=math.pi / 4)
    assert 20 * math.log10(np.max(np.abs(samples))) == pytest.approx(-3.01, abs=0.01)
    assert true_peak(samples) == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_the_limiter_holds_the_peak_and_leaves_the_rest(rate: int) -> None:
    quiet, burst = tone(300, 0.5, 0.2, rate=rate), tone(700, 0.02, 3.0, rate=rate)
    samples = np.concatenate([quiet, burst, quiet])
    held = limited(samples, rate)
    assert true_peak(held) <= LIMIT_DBTP + 0.1
    np.testing.assert_allclose(held[: rate // 3], samples[: rate // 3])
    assert np.max(np.abs(held[len(quiet) : len(quiet) + len(burst)])) > 0.5


def test_limiter_leaves_quiet_sound_unchanged() -> None:
    samples = tone(300, 0.5, 0.2)
    assert limited(samples, RATE) is samples


def test_ends_are_cut_to_a_fixed_silence() -> None:
    samples = np.concatenate([np.zeros(8000), tone(440, 0.5, 0.3), np.zeros(12000)])
    levels = measure(trimmed(samples, RATE, lead=0.02, tail=0.25), RATE)
    assert levels.lead == pytest.approx(0.02, abs=0.011)
    assert levels.tail == pytest.approx(0.25, abs=0.011)
    assert levels.seconds == pytest.approx(0.77, abs=0.02)


def test_resampling_keeps_frequencies_that_both_rates_can_hold() -> None:
    assert loudness(resampled(tone(1000, 2, 0.1, rate=22_050), 22_050, RATE), RATE) == pytest.approx(
        loudness(tone(1000, 2, 0.1), RATE), abs=0.1
    )
    folded = resampled(tone(6000, 1, 0.5), RATE, 8_000)[800:-800]  # above what 8 kHz can hold
    assert np.max(np.abs(folded)) < 0.01


def test_alaw_codes_of_the_standard() -> None:
    """ITU-T G.711: silence is 0xD5 or 0x55, the highest level 0xAA, the lowest 0x2A."""
    assert to_alaw(np.array([1.0, -1.0])) == bytes([0xAA, 0x2A])
    assert set(to_alaw(np.zeros(3))) <= {0xD5, 0x55}
    assert from_alaw(bytes([0xAA]))[0] == pytest.approx(32256 / 32768)


@given(st.binary(max_size=300))
def test_every_alaw_code_survives_a_round_trip(codes: bytes) -> None:
    assert to_alaw(from_alaw(codes)) == codes


@given(st.lists(st.floats(-1, 1), max_size=50))
def test_alaw_is_the_nearest_level(values: list[float]) -> None:
    samples = np.array(values, dtype=np.float64)
    every = from_alaw(bytes(range(256)))
    for value, level in zip(samples, from_alaw(to_alaw(samples)), strict=True):
        assert abs(value - level) == pytest.approx(np.min(np.abs(every - value)))


@given(st.lists(st.floats(-2, 2), max_size=50))
def test_pcm_clips_and_never_wraps(values: list[float]) -> None:
    samples = np.array(values, dtype=np.float64)
    np.testing.assert_allclose(from_pcm16(to_pcm16(samples)), np.clip(samples, -1.00004, 1.00004), atol=5e-5)
