"""What is written so that it looks like something else: names, identity numbers in notes, numbers no one can call."""

from pathlib import Path

import pytest

from desk.accounts.look_alikes import look
from desk.departments.errors import DepartmentsFileError
from desk.departments.file import load_departments
from desk.numbers.errors import InvalidPhone
from desk.numbers.identity_number import holds_identity
from desk.numbers.phone_number import parse_phone
from desk.paths import ROOT
from tests.support.synthetic import synthetic_identity

NUMBER = synthetic_identity(20)


@pytest.mark.parametrize("name", ["KARI", "k\u0430ri", "Kar\u0131", "kar1", "ka\u200bri", "ｋａｒｉ", " kari ", "karl"])
def test_name_that_looks_like_another_is_the_same(name: str) -> None:
    assert look(name) == look("kari")


@pytest.mark.parametrize("name", ["kåri", "karin", "kåre", "køri"])
def test_other_norwegian_name_is_another(name: str) -> None:
    assert look(name) != look("kari")


@pytest.mark.parametrize(
    "hidden",
    [
        "\u200b".join(NUMBER),
        "\u2060".join(NUMBER),
        "".join(chr(0x660 + int(digit)) for digit in NUMBER),
        "".join(chr(0x966 + int(digit)) for digit in NUMBER),
        "".join(chr(0x1D7D8 + int(digit)) for digit in NUMBER),
        NUMBER.replace("0", "O"),
        NUMBER.replace("0", "о").replace("1", "l"),
        f"{NUMBER[:6]} {NUMBER[6:].replace('0', 'o')}",
        "\u0335".join(NUMBER),
        f"pas.{NUMBER.replace('1', 'I')}: ringes",
    ],
)
def test_disguised_identity_number_is_found(hidden: str) -> None:
    assert holds_identity(f"se {hidden} her")


@pytest.mark.parametrize("text", ["Oslo 68 05 00 01", "OOOOOOOOOOO", "lllllllllll", "rom 1O1, 0100 Oslo, tlf 68050001"])
def test_ordinary_text_holds_no_identity_number(text: str) -> None:
    assert not holds_identity(text)


@pytest.mark.parametrize("asserted", [False, True])
@pytest.mark.parametrize("number", ["81501234", "81101234", "81901234", "88001234", "+4788801234"])
def test_number_no_patient_has_is_refused(number: str, asserted: bool) -> None:
    with pytest.raises(InvalidPhone):
        parse_phone(number, asserted=asserted)


@pytest.mark.parametrize("name", ["x" * 81, "Kirurgi\\nog mer", "Kirurgi\\u202e", "\\u0007Kirurgi"])
def test_department_name_is_one_visible_line(name: str, tmp_path: Path) -> None:
    text = (ROOT / "dialplan" / "departments.toml").read_text("utf-8")
    file = tmp_path / "departments.toml"
    file.write_text(text.replace("Kirurgisk poliklinikk", name, 1), "utf-8")
    with pytest.raises(DepartmentsFileError, match="one line of at most 80"):
        load_departments(file)
