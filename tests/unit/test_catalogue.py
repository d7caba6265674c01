"""The catalogue of prompts: complete in every language, or refused with one line."""

import re
from pathlib import Path

import pytest

from desk.paths import ROOT
from ivr.prompts import keys
from ivr.prompts.catalogue import Catalogue, PromptsError, load_catalogue

WHOLE = ROOT / "prompts" / "catalogue.toml"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(WHOLE)


def test_every_language_has_exactly_the_known_keys(catalogue: Catalogue) -> None:
    assert set(catalogue.languages) == {"nb", "nn", "en"}
    for language in catalogue.languages:
        own = {key for key in catalogue.keys(language) if key.startswith((keys.OWN_ANSWER, keys.OWN_WELCOME))}
        assert catalogue.keys(language) - own == keys.all_keys()
        assert own - {"welcome_kirurgi", "welcome_hjerte"} == {
            "answer_address",
            "answer_parking",
            "answer_hours",
        }  # the demo's; operators have their own


def test_numbers_and_gender_in_bokmaal(catalogue: Catalogue) -> None:
    said = {
        "digit_7": "sju",
        "digit_1": "én",
        "oclock_1": "ett",
        "oclock_7": "sju",
        "oclock_21": "tjueen",
        "hour_13": "tretten",
        "minute_5": "null fem",
        "minute_31": "trettien",
        "minute_40": "førti",
        "date_2": "andre",
        "date_17": "syttende",
        "date_21": "tjueførste",
        "date_31": "trettiførste",
        "weekday_0": "mandag",
        "weekday_5": "lørdag",
        "month_12": "desember",
    }
    assert {key: catalogue.text("nb", key) for key in said} == said


def test_numbers_are_spelled_out_and_never_in_the_old_form(catalogue: Catalogue) -> None:
    for language in catalogue.languages:
        for key in catalogue.keys(language):
            text = catalogue.text(language, key)
            assert not any(character.isdigit() for character in text), key
            assert "syv" not in text and "tyve" not in text and "tredve" not in text, key


def test_required_phrases_are_in_the_catalogue(catalogue: Catalogue) -> None:
    assert catalogue.text("nb", "received") == "Takk. Vi har mottatt din innringing."
    assert catalogue.text("nb", "emergency") == "Er det akutt, ring en-en-tre. Legevakten har en-en-seks, en-en-sju."
    assert catalogue.text("nb", "ask_identity") == "Tast fødselsnummeret ditt, elleve siffer."
    assert catalogue.text("nb", "may_hang_up") == "Du kan legge på nå."
    assert catalogue.text("nb", "already_on_list") == "Vi har allerede mottatt din innringing."


def test_only_the_receipt_says_that_the_request_is_stored(catalogue: Catalogue) -> None:
    """What is said before the commit, or after it failed, must not sound as if the callback were stored."""
    assert [key for key in sorted(catalogue.keys("nb")) if "mottatt" in catalogue.text("nb", key)] == [
        "already_on_list",
        "received",
    ]


def test_texts_sound_neither_like_the_appointment_nor_like_a_dead_end(catalogue: Catalogue) -> None:
    words = (
        "avbestill",
        "avlys",
        "tatt av listen",
        "teken av lista",
        "ledige tid",
        "prøv igjen",
        "try again",
        "cancel",
    )
    for language in catalogue.languages:
        for key in catalogue.keys(language):
            assert not [word for word in words if word in catalogue.text(language, key).lower()], (language, key)


def test_one_key_means_one_thing_wherever_it_is_offered(catalogue: Catalogue) -> None:
    """One: another number, or another person. Two: we need not call."""
    offers = {
        ("tast én", "tast éin", "press one"): {"change_number", "check_number", "other_person", "change_or_decline"},
        ("tast to", "press two"): {"change_or_decline", "confirm_decline", "still_ring"},
    }
    for words, meant in offers.items():
        for language in catalogue.languages:
            texts = {key: catalogue.text(language, key).lower() for key in catalogue.keys(language)}
            found = {key for key, text in texts.items() if any(re.search(rf"{word}\b", text) for word in words)}
            assert found == meant, (language, words)


def test_every_language_names_the_duty_doctor_before_the_question(catalogue: Catalogue) -> None:
    said = {"nb": "en-en-seks, en-en-sju", "nn": "ein-ein-seks, ein-ein-sju", "en": "one one six, one one seven"}
    for language, number in said.items():
        for key in ("emergency", "switchboard_unavailable"):
            assert number in catalogue.text(language, key), (language, key)


@pytest.mark.parametrize(
    ("change", "to", "reason"),
    [
        ('welcome = "Hei. Du har ringt sykehuset', 'hello = "Hei. Du har ringt sykehuset', "[nb] lacks welcome"),
        ("[nb]\n", '[nb]\nhello = "Hei"\n', "[nb] has hello, which nothing plays"),
        ('digit_7 = "sju"', 'digit_7 = " "', "[nb] digit_7 has no text"),
        ('digit_7 = "sju"', "digit_7 = 7", "[nb] digit_7 has no text"),
        ('digit_7 = "sju"', 'digit_7 = "sju', "line"),
        ("pause = 0.25", "pause = 0", "[silence] pause must be seconds"),
        ("pause = 0.25", "pause = true", "[silence] pause must be seconds"),
        ("pause = 0.25", "pause = nan", "[silence] pause must be seconds"),
        ("[nb]\n", 'sv = "hej"\n[nb]\n', "[tone] sv must be seconds"),
        ("[nb.fragments]", '[nb.fragments]\nwelcome = "Hei"', "[nb] has welcome both"),
        ("[silence]\npause", 'sv = "hej"\n[silence]\npause', "[sv] is not a table"),
        ("[silence]\npause", "[sv]\n[silence]\npause", "[sv] lacks a"),
    ],
)
def test_a_faulty_catalogue_is_refused_in_one_line(tmp_path: Path, change: str, to: str, reason: str) -> None:
    file = tmp_path / "catalogue.toml"
    text = WHOLE.read_text("utf-8")
    assert change in text
    file.write_text(text.replace(change, to, 1), "utf-8")
    with pytest.raises(PromptsError) as refused:
        load_catalogue(file)
    assert str(refused.value).startswith(f"{file}:")
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_missing_or_unreadable_catalogue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PromptsError, match="missing"):
        load_catalogue(tmp_path / "catalogue.toml")
    (tmp_path / "catalogue.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PromptsError, match="UTF-8"):
        load_catalogue(tmp_path / "catalogue.toml")
    (tmp_path / "catalogue.toml").write_text("[silence]\npause = 1\n")
    with pytest.raises(PromptsError, match="no language"):
        load_catalogue(tmp_path / "catalogue.toml")


@pytest.mark.parametrize(
    ("family", "outside"),
    [
        (keys.digit, 10),
        (keys.oclock, 24),
        (keys.hour, -1),
        (keys.minute, 0),
        (keys.weekday, 7),
        (keys.day_of_month, 0),
        (keys.month, 13),
    ],
)
def test_number_without_a_prompt_raises_an_error_that_hides_it(family: keys.Family, outside: int) -> None:
    with pytest.raises(ValueError, match=r"no .* prompt") as refused:
        family(outside)
    assert str(outside) not in str(refused.value)
