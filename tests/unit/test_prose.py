"""The check of our English (`python -m ops.machine.prose`)."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from ops.machine.prose import (
    Finding,
    Passage,
    comment_passages,
    files,
    findings,
    findings_in,
    listed_words,
    main,
    markdown_passages,
    passages_of,
    python_passages,
    report,
)

HERE = Path("example.py")


def found(passages: Iterable[Passage]) -> list[tuple[int, str]]:
    """Line and words of each finding, by line."""
    return sorted((each.line, each.found) for each in findings_in(HERE, passages, listed_words()))


def in_text(text: str) -> list[str]:
    return [words for _, words in found([Passage(1, text)])]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The caller is told why.", ["told"]),
        ("The client is Told.", ["Told"]),
        ("Nothing is had for free.", ["is had"]),
        ("It begins a session.", ["begins"]),
        ("The patient is\nrung at ten.", ["is rung"]),
        ("At most so many at once.", ["so many"]),
        ("A menu beside another.", ["beside"]),
    ],
)
def test_listed_word_is_found(text: str, words: list[str]) -> None:
    assert in_text(text) == words


@pytest.mark.parametrize(
    "text",
    [
        "An identity number begins with a digit.",
        "The server is shut down.",
        "There are so many that the list is cut.",
        "The key lies beside the file.",
        "Recommended: amend nothing, untold is one word, and the phone rang.",
        "The key `told` and the text «told» are not prose.",
    ],
)
def test_ordinary_modern_use_passes(text: str) -> None:
    assert in_text(text) == []


def test_clause_as_a_subject_is_found() -> None:
    assert in_text("Who asks from outside gets none.") == ["Who asks from outside"]
    assert in_text("A rule holds. Who breaks it is refused, twice.") == ["Who breaks it is"]
    assert in_text("- one\n- Who is two waits.") == ["Who is two waits."]


def test_question_and_relative_clause_pass() -> None:
    assert in_text("Who may see this number? The agent who holds the claim.") == []


def test_docstrings_comments_names_and_messages_of_python_are_read() -> None:
    source = '''"""Told on line 1."""

limit = 1  # told on line 3
"""The attribute,
told on line 5."""


def told() -> str:
    """Return the text.

    Told on line 11.
    """
    # a comment of two lines, which is told
    # anew
    return "told" or f"{limit} is told"
'''
    prose = [(1, "Told"), (3, "told"), (5, "told"), (8, "told"), (11, "Told"), (13, "told"), (14, "anew")]
    assert found(python_passages(source)) == prose
    assert found(python_passages(source, messages=True)) == [*prose, (15, "told")]


def test_comments_of_configuration_are_read() -> None:
    text = "; told\nexten => 1,told\nkey = 'told'  # anew\n"
    assert found(comment_passages(text)) == [(1, "told"), (3, "anew")]


def test_markdown_is_read_without_code_and_headings() -> None:
    text = "# Who may see what\n\ntold [told](told.md)\n\n```\ntold\n```\n    told\n`told` mended\n"
    assert found(markdown_passages(text)) == [(3, "told"), (3, "told"), (9, "mended")]


def test_cell_of_a_table_may_begin_with_who() -> None:
    assert found(markdown_passages("| Who rings | why |\n")) == []


def test_markdown_in_another_language_is_skipped() -> None:
    text = "# Overskrift\n<!-- language: nb -->\n\ntold\n"
    assert found(markdown_passages(text)) == []
    assert found(markdown_passages(text.replace("nb", "en"))) == [(4, "told")]


def test_a_finding_names_place_and_advice(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("Fine.\nDo it once more.\n", "utf-8")
    (finding,) = findings_in(Path("docs/page.md"), passages_of(file), listed_words())
    assert str(finding) == "docs/page.md:2: «once more»: write again"


def test_the_whole_tree_is_read() -> None:
    names = {str(path.relative_to(Path(__file__).parents[2])) for path in files()}
    assert {"README.md", "desk/errors.py", "docs/security.md", "dialplan/extensions.conf", "Makefile"} <= names
    assert not any(".venv" in name for name in names)


def test_report_counts_by_folder() -> None:
    paths = ["README.md", "desk/audit/chain.py", "desk/audit/verify.py"]
    lines = list(report(Finding(Path(path), 1, "told", "write said") for path in paths))
    assert lines == ["    1  README.md", "    2  desk/audit", "    3  in all"]


def test_exit_code_says_whether_anything_was_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk" / "a.py").write_text('"""Told."""\n', "utf-8")
    (tmp_path / "README.md").write_text("A plain sentence.\n", "utf-8")
    assert [str(each.path) for each in findings(tmp_path)] == ["desk/a.py"]
    assert main(["--report"]) == 0
    assert capsys.readouterr().out.endswith(" in all\n")
