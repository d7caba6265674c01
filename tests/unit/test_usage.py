"""Help and usage errors of the commands, in both languages."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from innringing import app
from ops.commands.lazy import COMMANDS
from ops.messages.translation import VARIABLE, norwegian

ENGLISH = re.compile(
    r"(?<![-\w])(the|is|are|what|which|for the|only|Usage|Options|Commands|default|required|Missing)\b"
)


@pytest.fixture(params=["nb", "en"])
def language(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(VARIABLE, request.param)
    return str(request.param)


def all_commands() -> Iterator[list[str]]:
    """Yield the words of every command and group of commands."""
    root: Any = typer.main.get_command(app)
    yield []
    for name in COMMANDS:
        yield [name]
        found = root.get_command(root.context_class(root, info_name="innringing"), name)
        yield from ([name, each] for each in getattr(found, "commands", ()))


def texts_of(command: Any) -> Iterator[str]:
    yield from (" ".join(part.split()) for part in (command.help or "no help").split("\n\n"))
    yield from (parameter.help or f"{command.name}: {parameter.name} has no help" for parameter in command.params)
    for each in getattr(command, "commands", {}).values():
        yield from texts_of(each)


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, prog_name="innringing")
    assert result.exit_code == 2, result.output
    return result.output


def test_each_command_and_option_has_a_help_in_both_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "en")
    root: Any = typer.main.get_command(app)
    context = root.context_class(root, info_name="innringing")
    found = [*texts_of(root), *(text for name in COMMANDS for text in texts_of(root.get_command(context, name)))]
    assert len(found) > 150
    assert [text for text in found if norwegian()(text) == text] == []


@pytest.mark.parametrize("command", [*all_commands()], ids=" ".join)
def test_page_of_help_is_in_the_language(command: list[str], language: str) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"], prog_name="innringing")
    assert shown.exit_code == 0
    assert shown.output.startswith("Bruk: innringing" if language == "nb" else "Usage: innringing")
    assert (ENGLISH.search(shown.output) is None) == (language == "nb"), shown.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("agents add", "innringing agents add: 'name' mangler. Navnet på medarbeideren"),
        ("agents add kari --role sjef", "'sjef' er ingen av 'agent', 'leader'"),
        ("agents add kari --days mange", "'mange' er ikke et helt tall. Hvor mange dager"),
        ("agents add kari --days 9999", "9999 er utenfor 0<=x<=1825."),
        ("agents add kari --days", "'--days' må ha en verdi etter seg."),
        ("agents ad kari", "Kommandoen 'ad' finnes ikke: mente du «add»?"),
        ("chek", "innringing: Kommandoen 'chek' finnes ikke: mente du «check»? Se: innringing --help"),
        ("check --prod", "Valget --prod finnes ikke: mente du --production?"),
        ("check --json=1", "'--json' skal ikke ha noen verdi."),
        ("reload nå", "Ta bort dette, eller sett det i anførselstegn: nå."),
        ("stats show --since i-går", "'i-går' er ikke en dato som 2026-12-24."),
        ("backup", "innringing backup: 'folder' mangler. En ny mappe til kopien."),
        ("--language de check", "Feil verdi for --language: «de»: nb / en."),
        ("person export 13097248022", "Kommandolinjen har et fødselsnummer"),
    ],
)
def test_usage_error_is_one_line_that_says_what_to_fix(
    arguments: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "nb")
    line = printed(*arguments.split())
    assert said in line
    assert line.endswith(" --help.\n") or line.endswith(" --help\n")
    assert line.count("\n") == 1
    assert not ENGLISH.search(line)


def test_group_without_a_command_prints_its_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "nb")
    assert printed("tokens").startswith("Bruk: innringing tokens [VALG] KOMMANDO …\n\n  Styr tokener for programmer.")


def test_language_is_known_before_the_help_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in (["--help", "--language", "en"], ["check", "--help", "--language=en"]):
        monkeypatch.setenv(VARIABLE, "nb")
        assert CliRunner().invoke(app, arguments).output.startswith("Usage:")
