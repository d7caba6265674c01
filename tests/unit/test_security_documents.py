"""The security documents match the code: every requirement once, every named test exists, every column as stored."""

import ast
import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from desk.key_rotation.sealed_columns import SEALED
from desk.privacy.personal_columns import NOT_PERSONAL, PERSONAL

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
DOCS = ROOT / "docs"
ASVS = DOCS / "asvs.md"
LEVELS = TESTS / "data" / "asvs_5_levels.csv"
"""Every requirement of OWASP ASVS 5.0.0 with its level, as published by OWASP."""

STATES = ("holds", "does not apply", "open")
NAMED_TEST = re.compile(r"`([a-z]+/[a-z0-9_/]+\.py)::([a-z0-9_]+)`")
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
HOSPITALS = "The hospital's:"
OF_DOCUMENTATION = re.compile(r"V\d+\.1\.\d+")
"""The sections that ask for documentation: a document can fulfil those."""
DOCUMENTED = {"V2", "V5", "V6", "V7", "V8", "V11", "V13", "V14", "V15", "V16"}


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    id: str
    level: int
    asks: str
    state: str
    by: str


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


@cache
def rows() -> Sequence[Row]:
    found = [cells(line) for line in ASVS.read_text("utf-8").splitlines() if re.match(r"\| V\d", line)]
    assert all(len(each) == 5 for each in found)
    return [Row(id, int(level), asks, state, by) for id, level, asks, state, by in found]


def of_levels_1_and_2() -> list[tuple[str, int]]:
    with LEVELS.open(encoding="utf-8", newline="") as file:
        return [(row["id"], int(row["level"])) for row in csv.DictReader(file) if int(row["level"]) < 3]


@cache
def named_in(file: str) -> frozenset[str]:
    """The names of the tests in that file under tests/; empty when there is none."""
    path = TESTS / file
    if not path.is_file():
        return frozenset()
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    tree = ast.parse(path.read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, functions) and node.name[:5] == "test_")


def test_every_requirement_of_levels_1_and_2_is_listed_once_in_order() -> None:
    assert [(row.id, row.level) for row in rows()] == of_levels_1_and_2()
    assert len(rows()) == 253


def test_every_requirement_has_text_and_state() -> None:
    for row in rows():
        assert row.asks and row.by, row.id
        assert row.state in STATES, row.id


def test_every_requirement_that_holds_names_a_test() -> None:
    """Or a document, where the requirement is documentation."""
    for row in rows():
        if row.state == "holds":
            chapter = row.id.partition(".")[0]
            written = chapter in DOCUMENTED and OF_DOCUMENTATION.fullmatch(row.id) and LINK.search(row.by)
            assert NAMED_TEST.search(row.by) or written, row.id


@pytest.mark.parametrize("document", [ASVS, DOCS / "threat-model.md"])
def test_every_named_test_exists(document: Path) -> None:
    text = document.read_text("utf-8")
    missing = [f"{file}::{name}" for file, name in NAMED_TEST.findall(text) if name not in named_in(file)]
    assert missing == []
    assert len(re.findall(r"::", text)) == len(NAMED_TEST.findall(text)), "a test is named in a form not understood"
    files = re.findall(r"`((?:unit|integration|acceptance|chaos)/[a-z0-9_]+\.py)`", text)
    assert [file for file in files if not named_in(file)] == []


def test_missing_test_is_found() -> None:
    assert "test_sealed_value_opens_again" in named_in("unit/test_vault.py")
    assert "test_of_nothing" not in named_in("unit/test_vault.py")
    assert not named_in("unit/test_of_nothing.py")


def test_summary_matches_the_table() -> None:
    text = ASVS.read_text("utf-8")
    for level in (1, 2):
        counted = Counter(row.state for row in rows() if row.level == level)
        hospitals = sum(row.level == level and row.by.startswith(HOSPITALS) for row in rows())
        numbers = (counted["holds"], counted["does not apply"], hospitals, counted["open"], counted.total())
        assert f"| {level} | {' | '.join(str(number) for number in numbers)} |" in text


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a Markdown file."""
    headings = re.findall(r"^#{1,6} (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


DOCUMENTS = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_has_a_target(path: Path) -> None:
    lost = []
    prose = re.sub(r"(?ms)^ *```.*?^ *```$", "", path.read_text("utf-8"))  # a template of Asterisk looks like a link
    for target in LINK.findall(prose):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        to = (path.parent / file).resolve() if file else path
        if not to.exists() or (anchor and anchor not in anchors(to)):
            lost.append(target)
    assert lost == []


def test_security_page_links_to_the_other_documents() -> None:
    top = (DOCS / "security.md").read_text("utf-8").partition("\n## ")[0]
    assert {"asvs.md", "threat-model.md", "dpia.md", "inventories.md"} <= set(LINK.findall(top))


STORED = {"klartekst", "kryptert", "nøklet avtrykk", "avtrykk", "passordavtrykk"}
SEALED_BY_ITS_OWN_KEY = {"recordings.sound", "vault_keys.canary"}


def impact_rows() -> dict[str, list[str]]:
    lines = (DOCS / "dpia.md").read_text("utf-8").splitlines()
    found = [cells(line) for line in lines if re.match(r"\| `[a-z_]+\.[a-z_]+` \|", line)]
    named = {name.strip("`"): rest for name, *rest in found}
    assert len(named) == len(found), "a column stands there twice"
    return named


def test_impact_assessment_describes_every_personal_column() -> None:
    """Each declared column of desk/privacy/personal_columns.py has a line in docs/dpia.md, and no other has one."""
    deleted = {f"{each.of.table.name}.{name}" for each in PERSONAL for name in each.left}
    told = impact_rows()
    assert set(told) == deleted | set(NOT_PERSONAL), "docs/dpia.md and desk/privacy/personal_columns.py differ"
    sealed = {of.name for of in SEALED} | SEALED_BY_ITS_OWN_KEY
    for name, (what, whose, stored, until) in told.items():
        assert what and whose and until, name
        assert stored in STORED, name
        assert (stored == "kryptert") == (name in sealed), name
        if name in deleted:
            assert until != "blir stående", name
