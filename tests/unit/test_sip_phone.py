"""The test phone without a network: what it parses, signs and recognises."""

import numpy as np
import pytest

from ops.softphone.listening import PromptRecogniser
from ops.softphone.rtp import FRAME, RATE, Recording, Samples, decode_alaw
from ops.softphone.sip import MalformedMessage, authorization, build, media_address, offer, parse, tag_of, uri_of


def voice(seed: int, seconds: float) -> Samples:
    """A unique sound: noise in the band of speech."""
    source = np.random.default_rng(seed)
    noise = np.convolve(source.normal(0, 1, int(seconds * RATE)), np.hanning(9), "same")
    return (noise / np.abs(noise).max() * 9000).astype(np.int16)


PROMPTS = {"welcome": voice(1, 3), "ask": voice(2, 2), "digit": voice(3, 0.3), "received": voice(4, 2)}
SILENCE = np.zeros(RATE // 2, dtype=np.int16)


def test_prompts_are_found_in_order_with_their_times() -> None:
    sound = np.concatenate([SILENCE, PROMPTS["welcome"], PROMPTS["digit"], PROMPTS["digit"], SILENCE, PROMPTS["ask"]])
    heard = PromptRecogniser(PROMPTS).recognise(sound)
    assert [one.key for one in heard] == ["welcome", "digit", "digit", "ask"]
    assert [one.start for one in heard] == pytest.approx([0.5, 3.5, 3.8, 4.6], abs=0.01)
    assert all(one.whole and one.score > 0.99 for one in heard)


def test_interrupted_prompt_is_distinguished_from_a_complete_one() -> None:
    sound = np.concatenate([PROMPTS["welcome"][: int(1.2 * RATE)], SILENCE, PROMPTS["received"]])
    welcome, received = PromptRecogniser(PROMPTS).recognise(sound)
    assert (welcome.key, welcome.whole) == ("welcome", False)
    assert welcome.length == pytest.approx(1.2, abs=0.11)
    assert (received.key, received.whole) == ("received", True)


def test_longest_match_is_chosen_of_prompts_that_start_alike() -> None:
    longer = np.concatenate([PROMPTS["ask"], voice(9, 1)])
    listener = PromptRecogniser({"short": PROMPTS["ask"], "long": longer})
    assert [one.key for one in listener.recognise(longer)] == ["long"]
    heard = listener.recognise(np.concatenate([PROMPTS["ask"], SILENCE]))
    assert [(one.key, one.whole) for one in heard] == [("short", True)]


def test_prompts_with_a_common_opening_are_undecided_until_they_differ() -> None:
    thanks = voice(20, 1.0)
    alike = {"received": np.concatenate([thanks, voice(21, 1)]), "added": np.concatenate([thanks, voice(22, 2)])}
    listener = PromptRecogniser(PROMPTS | alike)
    (opening,) = listener.recognise(np.concatenate([SILENCE, alike["added"][: int(0.9 * RATE)]]))
    assert {opening.key, *opening.rivals} == {"received", "added"}
    assert not opening.decided
    (more,) = listener.recognise(np.concatenate([SILENCE, alike["added"][: int(1.2 * RATE)]]))
    assert (more.key, more.rivals, more.decided) == ("added", frozenset(), True)
    assert listener.starting_like("added") == {"received"}
    assert listener.starting_like("ask") == frozenset()


def test_prompt_that_another_one_begins_with_is_undecided_until_something_follows() -> None:
    listener = PromptRecogniser({"short": PROMPTS["ask"], "long": np.concatenate([PROMPTS["ask"], voice(9, 1)])})
    (alone,) = listener.recognise(PROMPTS["ask"])
    assert ({alone.key, *alone.rivals}, alone.decided) == ({"short", "long"}, False)
    (followed,) = listener.recognise(np.concatenate([PROMPTS["ask"], SILENCE]))
    assert (followed.key, followed.decided) == ("short", True)


def test_prompt_cut_within_a_common_opening_names_both() -> None:
    thanks = voice(20, 1.0)
    alike = {"received": np.concatenate([thanks, voice(21, 1)]), "added": np.concatenate([thanks, voice(22, 2)])}
    (cut,) = PromptRecogniser(alike).recognise(np.concatenate([thanks[: int(0.8 * RATE)], SILENCE]))
    assert ({cut.key, *cut.rivals}, cut.decided) == ({"received", "added"}, True)


def test_noise_and_silence_match_no_prompt() -> None:
    listener = PromptRecogniser(PROMPTS)
    assert listener.recognise(voice(77, 5)) == []
    assert listener.recognise(np.zeros(5 * RATE, dtype=np.int16)) == []
    assert listener.recognise(np.zeros(0, dtype=np.int16)) == []


def test_received_sound_keeps_its_gaps() -> None:
    recording = Recording(1000.0)
    loud = b"\x2a" * FRAME
    recording.add(1, 0, loud, 1000.100)
    recording.add(2, FRAME, loud, 1000.155)  # late, but it is what follows
    recording.add(9, 9999, loud, 1000.500)  # after a gap
    samples = recording.samples()
    assert len(samples) == round(0.5 * RATE) + FRAME
    assert np.flatnonzero(samples)[0] == round(0.1 * RATE)
    assert np.count_nonzero(samples) == 3 * FRAME
    assert recording.instant(round(0.1 * RATE) + FRAME) == 1000.155
    assert recording.instant(len(samples) - 1) == 1000.500


def test_sound_that_arrives_before_the_answer_is_kept() -> None:
    recording = Recording(1000.0)
    recording.add(1, 0, b"\x2a" * FRAME, 1000.100)
    recording.begin(1000.110)
    recording.add(2, FRAME, b"\x2a" * FRAME, 1000.120)
    recording.add(9, 9999, b"\x2a" * FRAME, 1000.300)
    assert recording.started == 1000.100
    assert np.count_nonzero(recording.samples()[: 2 * FRAME]) == 2 * FRAME
    assert np.flatnonzero(recording.samples()[2 * FRAME :])[0] == round(0.2 * RATE) - 2 * FRAME
    silent = Recording(1000.0)
    silent.begin(1005.0)
    silent.add(1, 0, b"\x2a" * FRAME, 1005.5)
    assert np.flatnonzero(silent.samples())[0] == round(0.5 * RATE)


def test_alaw_is_decoded_by_the_standard() -> None:
    assert decode_alaw(bytes([0xD5, 0x55, 0xAA, 0x2A])).tolist() == [8, -8, 32256, -32256]


def test_message_survives_writing_and_reading() -> None:
    headers = [("CSeq", "7 INVITE"), ("f", "<sip:a@b>;tag=x")]
    message = parse(build("INVITE sip:1000@127.0.0.1 SIP/2.0", headers, offer("127.0.0.1", 4000)))
    assert (message.method, message.uri, message.sequence) == ("INVITE", "sip:1000@127.0.0.1", (7, "INVITE"))
    assert tag_of(message.header("from")) == "x"
    assert uri_of('"A" <sip:a@b;p=1>;tag=x') == "sip:a@b;p=1"
    assert (media_address(message.body).port, media_address(message.body).events) == (4000, 101)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::7"])
def test_sound_is_offered_at_an_address_of_either_family(host: str) -> None:
    description = offer(host, 4000)
    assert description.count(f"IN IP{6 if ':' in host else 4} {host}") == 2
    assert media_address(description).host == host


@pytest.mark.parametrize(
    "datagram",
    [b"", b"\xff\xfe", b"hello", b"SIP/2.0 200 OK\r\nnonsense\r\n\r\n", b"A b c\r\n\r\n", b"A b c\r\nCSeq: x"],
)
def test_invalid_message_is_refused(datagram: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse(datagram)


def test_challenge_is_answered_by_the_standard() -> None:
    """The example of RFC 2069, as corrected by its erratum 749."""
    challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c"'
    signed = authorization(challenge, method="GET", uri="/dir/index.html", user="Mufasa", password="CircleOfLife")
    assert 'response="1949323746fe6a43ef61f9606e7febea"' in signed
    assert 'opaque="5ccc069c"' in signed
