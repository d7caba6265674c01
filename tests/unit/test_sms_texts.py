"""SMS texts to patients: what operators may write, which mistakes are refused, and the length of a text."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from desk.departments.departments import LANGUAGES, Policy
from desk.departments.file import load_departments
from desk.messages import gsm7
from desk.messages.errors import SmsTextsError
from desk.messages.model import SmsKind
from desk.messages.texts import LONGEST, NUMBER, WHEN, SmsTextsFile, load_sms_texts, naming_departments, written_text
from desk.numbers.phone_number import PhoneNumber, parse_phone
from desk.paths import ROOT
from desk.promises.model import Promise

FILE = ROOT / "prompts" / "sms.toml"
TEXT = FILE.read_text("utf-8").partition("\n\n")[2]
"""Without the explanation at its head."""
KIRURGI = load_departments(ROOT / "dialplan" / "departments.toml").get("kirurgi")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("ø" * 160, 1),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),  # each takes two places
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 151, 2),
        ("a" * 152 + "€" + "a" * 152, 3),  # a character is never split between two
    ],
)
def test_number_of_messages_is_counted(text: str, parts: int) -> None:
    assert gsm7.parts(text) == parts


def test_characters_outside_gsm_7_are_found() -> None:
    assert gsm7.outside("Blåbærsyltetøy, ÆØÅ! {}[]€ é ü ñ\n") == ""
    assert gsm7.outside("«Hei» – č") == "«»–č"
    assert len(gsm7.BASIC) == 127  # 128 less the escape


def test_shipped_file_has_all_languages_and_names_no_department() -> None:
    texts = load_sms_texts(FILE)
    assert set(texts.words) == set(LANGUAGES)
    departments = load_departments(ROOT / "dialplan" / "departments.toml").all()
    assert list(naming_departments(texts, departments)) == []
    for language in LANGUAGES:
        for kind in SmsKind:
            written = texts.text(kind, KIRURGI, promise(datetime(2027, 9, 22, 8, 30, tzinfo=UTC)), language)
            assert gsm7.outside(written) == ""
            assert gsm7.parts(written) == 1
            assert "68 05 00 01" in written


def promise(by: datetime, policy: Policy = Policy.ROUNDS) -> Promise:
    return Promise(policy, by, by)


@pytest.mark.parametrize(
    ("language", "policy", "words"),
    [
        ("nb", Policy.DEADLINE, "onsdag 25. november innen klokken 15"),
        ("nb", Policy.ROUNDS, "onsdag 25. november klokken 15"),
        ("nn", Policy.DEADLINE, "onsdag 25. november innan klokka 15"),
        ("en", Policy.DEADLINE, "Wednesday 25 November by 15:00"),
        ("en", Policy.ROUNDS, "Wednesday 25 November at 15:00"),
    ],
)
def test_promise_is_written_with_its_date(language: str, policy: Policy, words: str) -> None:
    assert written_text(promise(datetime(2026, 11, 25, 14, tzinfo=UTC), policy), KIRURGI, language) == words


def test_no_filled_in_value_is_longer_than_the_check_assumes() -> None:
    first = datetime(2027, 1, 1, 10, 30, tzinfo=UTC)
    whens = (
        written_text(promise(first + timedelta(days=day), policy), KIRURGI, language)
        for day in range(365)
        for policy in Policy
        for language in LANGUAGES
    )
    assert max(map(len, whens)) <= len(LONGEST[WHEN])
    numbers = ("+4740612345", "+4768050001", "02800")
    shown = [" ".join(PhoneNumber(parse_phone(each).e164, mobile=False).national_groups) for each in numbers]
    assert max(map(len, shown)) <= len(LONGEST[NUMBER])


BROKEN = [
    ("bad TOML", "[nn]", "[nn", "this is not TOML", "[nn"),
    ("not a language", "[nn]", "[dk]", "[dk] is not a language: write one of nb, nn, en", "[dk]"),
    ("no English", "[en]", "[nb.x]", "unknown key «x»", "[nb.x]"),
    ("unknown key", "receipt =", "reciept =", "unknown key «reciept»: did you mean «receipt»?", "reciept ="),
    ("no time", "deg {when}, fra", "deg, fra", "does not say when we ring: put {when} into it", "receipt ="),
    ("another placeholder", "{number}", "{phone}", "holds «{phone}», which nothing fills in", "receipt ="),
    ("a brace left over", "{when}, fra", "{when}, {fra", "holds «{», which nothing fills in", "receipt ="),
    ("not ready", "Ring oss.", "Ring oss TODO.", "holds «TODO», which would be sent as it stands", "receipt ="),
    ("quotation marks", "Ring oss.", "«Ring oss».", "holds «»»", None),
    ("emoji", "Ring oss.", "Ring oss 🙂.", "holds «🙂», which a text message can't carry", "receipt ="),
    ("too long", "Ring oss.", "Ring oss. " + "Hilsen oss. " * 20, "takes 3 messages when filled in", "receipt ="),
    ("empty", TEXT[TEXT.index('"Vi har') : TEXT.index("\nnew_promise")], '" "', "has no text", "receipt ="),
    ("a number", TEXT[TEXT.index('"Vi har') : TEXT.index("\nnew_promise")], "5", "has no text", "receipt ="),
]


@pytest.mark.parametrize(("old", "new", "reason", "line"), [each[1:] for each in BROKEN], ids=[b[0] for b in BROKEN])
def test_file_with_a_mistake_is_refused_at_its_line(
    tmp_path: Path, old: str, new: str, reason: str, line: str | None
) -> None:
    file = tmp_path / "sms.toml"
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    file.write_text(text, "utf-8")
    with pytest.raises(SmsTextsError) as refused:
        load_sms_texts(file)
    if line is None:
        assert "a text message can't carry" in refused.value.reason
        return
    assert reason in refused.value.reason
    assert refused.value.line == 1 + text[: text.index(line)].count("\n")


def test_missing_language_file_or_wrong_encoding_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "sms.toml"
    with pytest.raises(SmsTextsError, match="the texts of SMS are missing"):
        load_sms_texts(file)
    file.write_text(TEXT[: TEXT.index("[en]")], "utf-8")
    with pytest.raises(SmsTextsError, match=r"there is no \[en\]"):
        load_sms_texts(file)
    file.write_bytes(TEXT.encode("latin-1", "replace"))
    with pytest.raises(SmsTextsError, match="this is not UTF-8"):
        load_sms_texts(file)
    file.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert load_sms_texts(file) == load_sms_texts(FILE)


def test_nynorsk_falls_back_to_bokmaal(tmp_path: Path) -> None:
    file = tmp_path / "sms.toml"
    file.write_text(TEXT[: TEXT.index("[nn]")] + TEXT[TEXT.index("[en]") :], "utf-8")
    told = load_sms_texts(file).text(SmsKind.RECEIPT, KIRURGI, promise(datetime(2026, 11, 25, 9, tzinfo=UTC)), "nn")
    assert "onsdag 25. november klokken 10" in told


@pytest.mark.parametrize("word", ["Kirurgisk", "poliklinikk", "kirurgi"])
def test_text_that_names_a_department_is_refused(tmp_path: Path, word: str) -> None:
    file = tmp_path / "sms.toml"
    file.write_text(TEXT.replace("Ring oss.", f"{word}!", 1), "utf-8")
    ((language, kind, reason),) = naming_departments(load_sms_texts(file), [KIRURGI])
    assert (language, kind) == ("nb", SmsKind.RECEIPT)
    assert reason == f"says «{word.lower()}», which identifies [kirurgi]: a text names no department"


def test_valid_edit_takes_effect_and_a_mistake_does_not(tmp_path: Path) -> None:
    file, now = tmp_path / "sms.toml", 1_000_000.0
    texts = SmsTextsFile(file, seconds=lambda: now, wall=lambda: now)
    assert (texts(), texts.fault is not None) == (None, True), "no good file yet: nothing is written"
    file.write_text(TEXT, "utf-8")
    now += 1
    good = texts()
    assert good == load_sms_texts(FILE)
    assert texts.fault is None
    file.write_text(TEXT.replace("{when}", "", 1), "utf-8")
    now += 1
    assert texts() is good
    assert texts.fault is not None
