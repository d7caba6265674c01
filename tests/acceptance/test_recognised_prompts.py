"""The test phone's ears, on the prompts as they are built: no sentence is taken for another that starts alike."""

import pytest

from desk.paths import ROOT
from ops.softphone.rtp import RATE, decode_alaw
from tests.support.phone.callers import listener_for

STEP = 0.17  # seconds; no divisor of the length of a block, so that blocks are cut anywhere
ALIKE = ("received", "number_added", "we_ring_as_told", "identity_wrong", "to_switchboard", "closed_today", "rescue")


@pytest.mark.parametrize("language", ["nb", "nn", "en"])
def test_sentence_is_named_only_when_it_can_be_no_other(prompts: None, language: str) -> None:
    folder = ROOT / "prompts" / "build" / language
    for key in ALIKE:
        listener, sound = listener_for(folder, frozenset({key})), decode_alaw((folder / f"{key}.alaw").read_bytes())
        for steps in range(1, int(len(sound) / RATE / STEP)):
            for heard in listener.recognise(sound[: int(steps * STEP * RATE)])[:1]:
                assert heard.key == key or (key in heard.rivals and not heard.decided)
        first = listener.recognise(sound)[0]
        assert (first.key, first.rivals) == (key, frozenset())
    assert len(listener_for(folder, frozenset({"received"}))) > 1, "the receipt starts like the notice of a new number"
