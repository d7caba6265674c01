"""The commands' messages in Norwegian: each text of the code has one, with the same values."""

import re

import pytest
from typer.testing import CliRunner

from innringing import app
from ops.messages.translation import VARIABLE, norwegian, translated
from tests.support.messages import FILES, PLACE, printed_as_they_are, texts, without_names

NOT_MESSAGES = re.compile(
    r"core reload|core waitfullybooted|pjsip show|dialplan show|Unable to find object|fully booted|Basic |flowchart"
    r"|Could not create|named '|\(\?|\\|\[general\]|Context|Input should|Value error|it should$|openid profile"
    r"|count\(\) never|deadlock:|departments held|a text stream|torsdag|The .* (is refused|are refused|read again)"
    r"|^token |: .* in |^on the list$|^caller (keys|says)$|^ ?\(|^ and |^  \(|» is$|`make check`|How many days the"
    r"|[æøå]|siffer|et nummer|sier (noe|ikke)|feil nummer|Skjult nummer|Samtalen er|docs/examples|Debian|Unset"
    r"|^deb |^umask|/dev/null|^export |--aptopt|\"false\"|import sys|astetcdir|astmoddir|^; |#include \"local"
    r"|^VersionedKeys|^rejected SSL$|type=identify|^not (valid|there)$|--library-path|Metadata-Version"
    r"|Python 3.11 or newer"
    r"|the tools are unpacked|The port of the Postgre|PostgreSQL of the tests"
)
"""Literals that are no message: commands to Asterisk, patterns, log messages, diagrams, parts of a text."""


@pytest.mark.parametrize("pattern", FILES)
def test_each_text_of_the_commands_is_in_norwegian(pattern: str) -> None:
    found = [(place, text) for place, text in texts(pattern) if not NOT_MESSAGES.search(text)]
    unknown = [(place, text) for place, text in found if norwegian().words_left(without_names(text).replace("{}", "X"))]
    assert unknown == [], "write them in ops/messages/"


def test_no_command_prints_a_text_without_translating_it() -> None:
    assert [
        place for pattern in ("ops/commands/**/*.py", "innringing.py") for place in printed_as_they_are(pattern)
    ] == []


def test_values_of_a_message_are_the_same_in_both_languages() -> None:
    wrong = [
        text
        for text, written in norwegian().texts.items()
        if {*PLACE.findall(text)} != {*PLACE.findall(written)} or text.count("«") != written.count("«")
    ]
    assert wrong == []


def test_messages_are_norwegian_unless_english_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    assert translated("The database is current.") == "Databasen er klar for denne utgaven."
    monkeypatch.setenv(VARIABLE, "en")
    assert translated("The database is current.") == "The database is current."


@pytest.mark.parametrize("arguments", [["--language", "en"], ["--language=en"]])
def test_language_may_be_chosen_before_or_after_the_command(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["tokens", "add", "anna", "--label", ""]
    for written, said in (
        (command, "En merkelapp har 1 til"),
        ([*arguments, *command], "A label has 1 to"),
        ([*command, *arguments], "A label has 1 to"),
    ):
        monkeypatch.setenv(VARIABLE, "nb")  # restored afterwards: the option sets it
        assert said in CliRunner().invoke(app, written).output


def test_unknown_language_is_refused() -> None:
    result = CliRunner().invoke(app, ["tokens", "list", "--language", "de"])
    assert result.exit_code == 2
    assert "nb / en" in result.output
