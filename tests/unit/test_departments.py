"""departments.toml: the demo's file, and one error line for each mistake."""

from datetime import date, time, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from desk.departments.departments import Departments, HalfDay, Policy
from desk.departments.errors import DepartmentNotFound, DepartmentsFileError
from desk.departments.file import load_departments
from desk.files.toml_lines import key_lines
from desk.paths import ROOT
from tests.support.desk.edited_departments import GOOD as KIRURGI

GOOD = (
    KIRURGI
    + """
[hjerte]
name = "Hjertepoliklinikken"
extension = "2000"
hospital_number = "+4768050002"
policy = "rounds"
rounds = ["10:00", "13:00"]
"""
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "departments.toml"


def load(file: Path, text: str) -> Departments:
    file.write_text(text, encoding="utf-8")
    return load_departments(file)


def refusal(file: Path, text: str) -> tuple[int | None, str]:
    with pytest.raises(DepartmentsFileError) as refused:
        load(file, text)
    assert refused.value.file == str(file)
    assert "\n" not in str(refused.value)
    assert str(file) in str(refused.value)
    return refused.value.line, refused.value.reason


def test_demo_departments_are_read() -> None:
    departments = load_departments(ROOT / "dialplan" / "departments.toml")
    assert list(departments) == ["kirurgi", "hjerte"]
    kirurgi, hjerte = departments.all()
    assert (kirurgi.extension, kirurgi.policy, kirurgi.cutoff, kirurgi.answer_by) == (
        "1000",
        Policy.DEADLINE,
        time(14),
        time(15),
    )
    assert (hjerte.extension, hjerte.policy, hjerte.rounds) == ("2000", Policy.ROUNDS, (time(10), time(13)))
    assert kirurgi.half_days[date(2027, 3, 24)] == HalfDay(time(11), time(12))
    assert hjerte.half_days[date(2027, 3, 24)] == HalfDay(rounds=(time(10),))
    assert date(2026, 12, 31) in kirurgi.closed_days
    for department in departments.all():
        assert department.hospital_number.e164.startswith("+476805")
        assert (department.max_attempts, department.min_spacing) == (3, timedelta(hours=2))


def test_defaults_are_set(file: Path) -> None:
    kirurgi = load(file, GOOD).get("kirurgi")
    assert (kirurgi.max_attempts, kirurgi.min_spacing, kirurgi.identity) == (3, timedelta(hours=2), "optional")
    assert (kirurgi.languages, kirurgi.allow_foreign, kirurgi.closed_days, dict(kirurgi.half_days)) == (
        ("nb",),
        False,
        frozenset(),
        {},
    )


def test_unknown_department_raises_an_error(file: Path) -> None:
    with pytest.raises(DepartmentNotFound):
        load(file, GOOD).get("barn")


def test_a_file_saved_on_windows_is_read(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert list(load_departments(file)) == ["kirurgi", "hjerte"]


@pytest.mark.parametrize(
    ("right", "wrong", "line", "reason"),
    [
        ('cutoff = "14:00"', 'cutof = "14:00"', 6, "unknown key «cutof»: did you mean «cutoff»?"),
        ('cutoff = "14:00"', 'cutoff = "14:00"\nzzz = 1', 7, "unknown key «zzz»"),
        ('cutoff = "14:00"', "cutoff = 14", 6, "«cutoff» must be hours and minutes in quotes"),
        ('cutoff = "14:00"', "cutoff = 14:00:00", 6, "«cutoff» must be hours and minutes in quotes"),
        ('cutoff = "14:00"', 'cutoff = "24:00"', 6, "«cutoff» must be hours and minutes in quotes"),
        ('cutoff = "14:00"', 'cutoff = "12:60"', 6, "«cutoff» must be hours and minutes in quotes"),
        ('cutoff = "14:00"', 'cutoff = "9:00"', 6, "«cutoff» must be hours and minutes in quotes"),
        ('cutoff = "14:00"', 'cutoff = "٠٩:00"', 6, "«cutoff» must be hours and minutes in quotes"),
        ('cutoff = "14:00"\n', "", 1, "«cutoff» is missing: the deadline policy needs it"),
        ('answer_by = "15:00"\n', "", 1, "«answer_by» is missing: the deadline policy needs it"),
        ('answer_by = "15:00"', 'answer_by = "13:59"', 7, "«answer_by» is before «cutoff»"),
        ('answer_by = "15:00"', 'answer_by = "15:00"\nrounds = ["10:00"]', 8, "«rounds» does not belong here"),
        ('rounds = ["10:00", "13:00"]', 'rounds = ["13:00", "10:00"]', 14, "«rounds» must ascend"),
        ('rounds = ["10:00", "13:00"]', 'rounds = ["10:00", "10:00"]', 14, "«rounds» must ascend"),
        ('rounds = ["10:00", "13:00"]', "rounds = []", 14, "«rounds» is empty"),
        ('rounds = ["10:00", "13:00"]', 'rounds = "10:00"', 14, "«rounds» must be a list"),
        ('rounds = ["10:00", "13:00"]', 'rounds = ["10:00", 13]', 14, "«rounds» must be hours and minutes"),
        ('rounds = ["10:00", "13:00"]\n', "", 9, "«rounds» is missing: the rounds policy needs it"),
        ('rounds = ["10:00", "13:00"]', 'rounds = ["10:00"]\ncutoff = "09:00"', 15, "«cutoff» does not belong here"),
        ('extension = "2000"', 'extension = "1000"', 11, "«extension» is the same as in [kirurgi]"),
        ('extension = "2000"', "extension = 2000", 11, "«extension» must be text in quotes"),
        ('extension = "2000"', 'extension = "2000&PJSIP/1"', 11, "«extension» must be 1 to 15 digits"),
        ('extension = "2000"', 'extension = "²"', 11, "«extension» must be 1 to 15 digits"),
        ('extension = "2000"\n', "", 9, "«extension» is missing"),
        ("[hjerte]", "[Hjerte]", 9, "«Hjerte» can't name a department"),
        ("[hjerte]", '["hjerte og lunge"]', 9, "«hjerte og lunge» can't name a department"),
        ("[hjerte]", '[""]', 9, "«» can't name a department"),
        ("[hjerte]", "[kirurgi]", 9, "this is not TOML"),
        ("[hjerte]", "[hjerte", 9, "this is not TOML"),
        ('policy = "rounds"', 'policy = "round"', 13, "«policy» must be one of deadline, rounds"),
        ('policy = "rounds"', "policy = 1", 13, "«policy» must be one of deadline, rounds"),
        ('name = "Hjertepoliklinikken"', 'name = " "', 10, "«name» is empty"),
        (
            '"+4768050002"',
            '"82012345"',
            12,
            "«hospital_number» is not a Norwegian phone number that can be called (premium)",
        ),
        (
            '"+4768050002"',
            '"113"',
            12,
            "«hospital_number» is not a Norwegian phone number that can be called (short_number)",
        ),
        ('"+4768050002"', '"+46701740605"', 12, "(foreign)"),
        (
            'cutoff = "14:00"',
            'cutoff = "14:00"\nmax_attempts = 0',
            7,
            "«max_attempts» must be a whole number from 1 to",
        ),
        ('cutoff = "14:00"', 'cutoff = "14:00"\nmax_attempts = true', 7, "«max_attempts» must be a whole number"),
        ('cutoff = "14:00"', 'cutoff = "14:00"\nmax_attempts = 2.5', 7, "«max_attempts» must be a whole number"),
        (
            'cutoff = "14:00"',
            'cutoff = "14:00"\nmin_spacing_minutes = -1',
            7,
            "«min_spacing_minutes» must be a whole number",
        ),
        (
            'cutoff = "14:00"',
            'cutoff = "14:00"\nidentity = "yes"',
            7,
            "«identity» must be one of required, optional, off",
        ),
        (
            'cutoff = "14:00"',
            'cutoff = "14:00"\nlanguages = ["no"]',
            7,
            "«languages» must be a list of one or more of nb",
        ),
        ('cutoff = "14:00"', 'cutoff = "14:00"\nlanguages = []', 7, "«languages» must be a list"),
        ('cutoff = "14:00"', 'cutoff = "14:00"\nlanguages = [["nb"]]', 7, "«languages» must be a list"),
        ('cutoff = "14:00"', 'cutoff = "14:00"\nallow_foreign = "no"', 7, "«allow_foreign» must be true or false"),
        (
            'cutoff = "14:00"',
            'cutoff = "14:00"\nclosed_days = ["2026-12-24"]',
            7,
            "«closed_days» must be a list of dates",
        ),
        (
            'cutoff = "14:00"',
            'cutoff = "14:00"\nclosed_days = [2026-12-24T10:00:00]',
            7,
            "«closed_days» must be a list",
        ),
        ('cutoff = "14:00"', 'cutoff = "14:00"\nclosed_days = [\n  2026-02-30,\n]', 8, "this is not TOML"),
        ('cutoff = "14:00"', 'cutoff = "14:00"\nhalf_days = 3', 7, "«half_days» must be a table"),
        # topics, in a table of their own after the department's keys
        ("\n[hjerte]", '\n[kirurgi.topics]\n"Ny time" = "Time"\n[hjerte]', 10, "«Ny time» can't name a topic"),
        ("\n[hjerte]", '\n[kirurgi.topics]\ntime = ""\n[hjerte]', 10, "«time» is empty"),
        ("\n[hjerte]", f'\n[kirurgi.topics]\ntime = "{"x" * 41}"\n[hjerte]', 10, "one line of at most 40"),
        ("\n[hjerte]", '\n[kirurgi.topics]\na = "Time"\nb = "Time"\n[hjerte]', 9, "different words for each topic"),
        # half days, in a table of their own after the department's keys
        ("\n[hjerte]", "\n[kirurgi.half_days]\n2026-13-24 = {}\n[hjerte]", 10, "«2026-13-24» is not a date"),
        ("\n[hjerte]", "\n[kirurgi.half_days]\n\n20261224 = {}\n[hjerte]", 11, "«20261224» is not a date"),
        ("\n[hjerte]", "\n[kirurgi.half_days]\n2026-12-24 = 3\n[hjerte]", 10, "«2026-12-24» must be a table"),
        ("\n[hjerte]", "\n[kirurgi.half_days]\n2026-12-24 = {}\n[hjerte]", 10, "«cutoff» is missing"),
        (
            "\n[hjerte]",
            '\n[kirurgi.half_days.2026-12-24]\n# earlier\ncutoff = "10:00"\nanswer_by = "09:00"\n[hjerte]',
            12,
            "«answer_by» is before «cutoff»",
        ),
        (
            'cutoff = "14:00"',
            'cutoff = "14:00"\nclosed_days = [2026-12-24]\nhalf_days.2026-12-24 = {cutoff="10:00", answer_by="11:00"}',
            8,
            "2026-12-24 is in «closed_days» too",
        ),
        (
            "\n[hjerte]",
            '\n[kirurgi.half_days]\n2026-12-24 = { cutoff = "10:00", answerby = "11:00" }\n[hjerte]',
            10,
            "unknown key «answerby»: did you mean «answer_by»?",
        ),
        ("[kirurgi]", 'zone = "Oslo"\n[kirurgi]', 1, "«zone» must be a table"),
        ("[hjerte]", "[[hjerte]]", 9, "«hjerte» must be a table"),
    ],
)
def test_a_faulty_file_is_refused_with_its_line(file: Path, right: str, wrong: str, line: int, reason: str) -> None:
    assert GOOD.count(right) == 1
    found_line, found_reason = refusal(file, GOOD.replace(right, wrong))
    assert reason in found_reason
    assert found_line == line


def test_ringing_hours_and_prefixes_are_read(file: Path) -> None:
    kirurgi = load(file, GOOD).get("kirurgi")
    assert kirurgi.ringing_hours == (time(8), time(16))
    assert (kirurgi.ringing_days, kirurgi.ring_prefixes) == ("workdays", ("+47",))
    own = (
        'ringing_hours = ["07:30", "00:00"]\nringing_days = "every-day"\n'
        'allow_foreign = true\nring_prefixes = ["+47", "+46"]\n'
    )
    kirurgi = load(file, GOOD.replace('answer_by = "15:00"\n', 'answer_by = "15:00"\n' + own, 1)).get("kirurgi")
    assert kirurgi.ringing_hours == (time(7, 30), time(0))
    assert (kirurgi.ringing_days, kirurgi.ring_prefixes) == ("every-day", ("+47", "+46"))
    foreign = load(file, GOOD.replace('answer_by = "15:00"\n', 'answer_by = "15:00"\nallow_foreign = true\n', 1))
    assert foreign.get("kirurgi").ring_prefixes == ("+",)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ('ringing_hours = ["16:00", "08:00"]', "must end after they start"),
        ('ringing_hours = ["08:00"]', "must be two times"),
        ('ringing_hours = ["8", "16:00"]', "hours and minutes"),
        ('ringing_days = "sundays"', "must be one of workdays, every-day"),
        ('ring_prefixes = ["47"]', "is not the start of a number"),
        ('ring_prefixes = ["+46"]', "is foreign"),
        ('ring_prefixes = ["+"]', "is foreign"),
        ("ring_prefixes = []", "one or more texts"),
        ("ring_prefixes = [47]", "one or more texts"),
    ],
)
def test_faulty_ringing_settings_are_refused_with_their_line(file: Path, wrong: str, reason: str) -> None:
    line, told = refusal(file, GOOD.replace('answer_by = "15:00"\n', f'answer_by = "15:00"\n{wrong}\n', 1))
    assert reason in told
    assert line == 8


@pytest.mark.parametrize("text", ["", "\n", "# nobody home\n", "\ufeff"])
def test_an_empty_file_is_refused(file: Path, text: str) -> None:
    assert refusal(file, text) == (None, "there is no department in it: write a table for each, such as [kirurgi]")


def test_a_file_that_is_not_utf_8_is_refused(file: Path) -> None:
    file.write_bytes(GOOD.replace("Hjerte", "Hjørte").encode("latin-1"))
    with pytest.raises(DepartmentsFileError, match="not UTF-8") as refused:
        load_departments(file)
    assert refused.value.line == 10


def test_a_missing_file_is_refused(file: Path) -> None:
    with pytest.raises(DepartmentsFileError, match="it can't be read: No such file") as refused:
        load_departments(file)
    assert refused.value.line is None
    with pytest.raises(DepartmentsFileError, match="it can't be read"):
        load_departments(file.parent)


def test_a_text_cut_off_in_the_middle_is_refused_at_its_end(file: Path) -> None:
    line, reason = refusal(file, GOOD + "closed_days = [\n  2026-12-24,\n")
    assert "this is not TOML" in reason
    assert line == 16


def test_line_of_a_key_is_found_in_every_form_of_toml() -> None:
    text = '''# first
a = """
[not.a.table]
x = 1
"""
"b.c" = [
  1, # ]
  2,
]

  [ t . "u" ]  # spaced
v.w = { x = 1, y = { z = 2 } }
[t.u.s]
k = "]"
[[many]]
k = 1
'''
    assert key_lines(text) == {
        ("a",): 2,
        ("b.c",): 6,
        ("t", "u"): 11,
        ("t", "u", "v"): 12,
        ("t", "u", "v", "w"): 12,
        ("t", "u", "v", "w", "x"): 12,
        ("t", "u", "v", "w", "y"): 12,
        ("t", "u", "v", "w", "y", "z"): 12,
        ("t", "u", "s"): 13,
        ("t", "u", "s", "k"): 14,
        ("many",): 15,
        ("many", "k"): 16,
    }


def damaged() -> st.SearchStrategy[bytes]:
    """The valid file with a piece replaced by something else."""
    place = st.integers(0, len(GOOD))
    junk = st.text(alphabet="[]{}=\"'\n.#, 0:a\\", max_size=6)
    return st.builds(lambda start, put, end: (GOOD[:start] + put + GOOD[end:]).encode(), place, junk, place)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=60), damaged()))
def test_any_text_is_read_or_refused(file: Path, raw: bytes) -> None:
    file.write_bytes(raw)
    try:
        assert len(load_departments(file)) >= 1
    except DepartmentsFileError as refused:
        lines = raw.count(b"\n") + 1
        assert refused.line is None or 1 <= refused.line <= lines
