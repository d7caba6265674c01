"""Settings, commands and problems: what the documents name exists, and what exists is documented."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from desk.paths import ROOT
from desk.settings.api import ApiSettings
from desk.settings.group import PREFIX
from desk.settings.settings import Settings
from desk.settings.settings import names as setting_names
from desk.settings.sip import SipSettings
from desk.settings.variables import TOOL_VARIABLES, known, unread
from innringing import app
from ops.commands import compose
from ops.commands.run import STOP_LIMIT
from ops.machine import reference
from tests.support.sources import DOORS_AND_DESK, PRODUCT, python_files

DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    + [path for path in (ROOT / "docs" / "examples").iterdir() if path.is_file()]
)
API = ROOT / "docs" / "api.md"
SECURITY = ROOT / "docs" / "security.md"
SINGLE_SIGN_ON = ROOT / "docs" / "single-sign-on.md"

GATEWAY = {
    **{"sms_gateway": "link", "sms_url": "https://sms.example", "sms_user": "u", "sms_password": "p"},
    **{"sms_sender": "Sykehuset", "sms_platform_id": "1", "sms_partner_id": "2"},
    **{"sms_gate_id": "3", "sms_report_secret": "s" * 16},
}
PROVIDER = {
    **{"oidc_issuer": "https://idp.example", "oidc_client_id": "c", "oidc_client_key": "{}", "oidc_profile": "helseid"},
    "oidc_redirect_uri": "https://a.example/api/v1/login/oidc/callback",
}


def text_of(path: Path) -> str:
    return path.read_text("utf-8")


def section(path: Path, heading: str) -> str:
    """The text under a heading of the second level."""
    found = re.search(rf"(?ms)^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text_of(path))
    assert found, f"{path.name} has no «{heading}»"
    return found[1]


def test_systemd_unit_matches_the_checklist() -> None:
    unit = text_of(ROOT / "docs" / "examples" / "innringing.service")
    given = dict(line.split("=", 1) for line in unit.splitlines() if re.match(r"[A-Z][A-Za-z]+=", line))
    checklist = section(SECURITY, "Before going live")
    assert f"cat > {given['EnvironmentFile']} <<" in checklist
    command = given["ExecStart"].removeprefix(f"{given['WorkingDirectory']}/")
    assert f"`{command}`" in checklist
    assert given["ReadWritePaths"] == given["WorkingDirectory"]
    assert int(given["TimeoutStopSec"]) > 3 * STOP_LIMIT  # two doors and Asterisk, one after another
    assert int(SipSettings.model_fields["port"].default) > 1023  # without any capability
    assert int(ApiSettings.model_fields["port"].default) > 1023


@pytest.mark.parametrize("name", reference.PAGES)
def test_reference_page_is_what_the_code_says(name: str) -> None:
    assert text_of(ROOT / "docs" / name) == reference.PAGES[name](), "run: make docs"


def test_every_setting_is_described() -> None:
    page = text_of(ROOT / "docs" / "settings.md")
    rows = re.findall(r"(?m)^\| `([A-Z0-9_]+)` \| [^|]*\| (.+?) \|$", page)
    described = {name for name, meaning in rows if meaning.strip()}
    assert described == {name.upper() for name in setting_names()} | set(TOOL_VARIABLES)


def first_cells(text: str) -> str:
    return "\n".join(line.split("|")[1] for line in text.splitlines() if line.lstrip().startswith("|"))


def test_single_sign_on_names_only_variables_that_are_read() -> None:
    named = re.findall(r"`([A-Z][A-Z0-9_]+)`", first_cells(section(SINGLE_SIGN_ON, "Set it up")))
    assert {f"OIDC_{name}" for name in named} - known() == set()


def test_every_variable_that_is_named_is_read() -> None:
    """In messages, examples and the operators' files too."""
    places = [*DOCUMENTS, *(ROOT / "dialplan").iterdir(), *(ROOT / "prompts").glob("*.toml"), ROOT / "Makefile"]
    places += python_files(*DOORS_AND_DESK, at_least=200)
    lost = {
        f"{path.name}: {name}"
        for path in places
        if path.is_file()
        for name in re.findall(r"INNRINGING_([A-Z][A-Z0-9_]*[A-Z0-9])\b(?!_)", text_of(path))
        if name not in known() | {"NAME", "SMS", "OIDC"}
    }
    assert lost == set()


def test_misspelt_variable_is_reported_without_its_value() -> None:
    environment = {
        **{"INNRINGING_RETENTON_DAYS": "hunter22", "INNRINGING_SMS_USER_FILE": "hunter22"},
        **{"INNRINGING_ZZZZ": "hunter22", "PATH": "/bin", "INNRINGING_SIP_ENCRYPTION": "all"},
        **{"innringing_api_port": "1", "INNRINGING_SMS_PASSWORD_FILE": "x", "INNRINGING_CACHE": "y"},
    }
    lines = unread(environment)
    assert lines == [
        "INNRINGING_RETENTON_DAYS is set, and nothing reads it: did you mean INNRINGING_RETENTION_DAYS?",
        "INNRINGING_SMS_USER_FILE is set, and nothing reads it: did you mean INNRINGING_SMS_USER?",
        "INNRINGING_ZZZZ is set, and nothing reads it: take it out, or see docs/settings.md",
    ]


def code_in(text: str) -> Iterator[str]:
    """All code: spans, fenced lines and indented lines."""
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line.strip()
        else:
            yield from re.findall(r"`([^`]+)`", line)


def commands_in(text: str) -> Iterator[list[str]]:
    """The words after `innringing` where that is the command, including a comment and what is in brackets."""
    for code in code_in(text):
        for line in re.findall(r"^(?:.*?[=/] ?\S* )?(?:\$ )?(?:\S*bin/)?innringing ([a-z].*)", code):
            yield re.sub(r"[\[\]]", " ", line.partition("  #")[0]).split()


def fault_of(words: list[str]) -> str | None:
    """The first part of the command line that does not exist."""
    command: Any = typer.main.get_command(app)
    words = list(words)
    while isinstance(command, TyperGroup) and words:
        names = words.pop(0).split("|")
        if names == ["…"]:
            return None
        missing = [name for name in names if name not in command.list_commands(None)]
        if missing:
            return f"no command {missing[0]}"
        command = command.get_command(None, names[0])
    known_options = {option for parameter in command.params for option in parameter.opts}
    used = [word.partition("=")[0] for word in words if word.startswith("--")]
    lost = [option for option in used if option not in known_options]
    return f"no option {lost[0]}" if lost else None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_in_the_documents_exists(document: Path) -> None:
    faults = {" ".join(words): fault_of(words) for words in commands_in(text_of(document))}
    assert {line: fault for line, fault in faults.items() if fault} == {}


def test_unknown_command_or_option_is_found() -> None:
    words = "Say `innringing retention hld` or `X=y .venv/bin/innringing agents add kari --rol admin`."
    assert [fault_of(each) for each in commands_in(words)] == ["no command hld", "no option --rol"]
    assert list(commands_in("    create database innringing owner innringing_owner;")) == []
    named = {tuple(words[:2]) for path in DOCUMENTS for words in commands_in(text_of(path))}
    assert {("agents", "add"), ("audit", "verify"), ("keys", "rotate"), ("person", "erase")} <= named


def test_every_command_in_a_message_exists() -> None:
    advised = [
        (path.name, words)
        for path in python_files(*PRODUCT, at_least=250)
        for words in re.findall(r"(?:: |[Rr]un )innringing ([a-z]+(?: [a-z]+)?)", text_of(path))
    ]
    assert len(advised) >= 10, "too few were found: do messages still advise in this form?"
    assert [(name, words) for name, words in advised if fault_of(words.split())] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_in_the_documents_exists(document: Path) -> None:
    named = re.findall(
        r"`((?:\.ci|api|desk|dialplan|docker|docs|ivr|migrations|ops|tests)/[\w./-]+)`", text_of(document)
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_make_target_in_the_documents_exists() -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", text_of(ROOT / "Makefile")))
    named = {
        name
        for path in DOCUMENTS
        for code in code_in(text_of(path))
        for name in re.findall(r"^(?:\S+=\S+ )*make ([a-z-]+)", code)
    }
    assert {"run", "test", "up"} <= named <= targets


def test_every_problem_the_documents_name_exists() -> None:
    ids = set(re.findall(r"(?m)^\| `([a-z-]+)` ", text_of(ROOT / "docs" / "problems.md")))
    assert {"claim-lost", "not-found", "internal-error"} <= ids
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", section(API, "When it is refused")))
    for document in DOCUMENTS:
        named |= set(re.findall(r"\b[45]\d\d,? `([a-z]+(?:-[a-z]+)+)`", text_of(document)))
    assert {"cross-site", "claim-lost", "cannot-open"} <= named
    assert named - ids == set()


def test_containers_get_every_setting_or_refuse_it(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(f"{PREFIX}VAR_DIR", str(tmp_path))
    given = {"audit_retention_days": 400, "session_hours": 3, "retention_at": "04:15", "dials_a_number_a_day": 2}
    settings = Settings.load(environment="demo", **given, **GATEWAY, **PROVIDER)
    variables = compose._service_variables(settings, "postgresql+asyncpg://u:p@127.0.0.1:5432/x")
    names = {name.lower() for name in variables}
    assert names | compose.NOT_FOR_CONTAINERS | set(compose.REFUSED) == setting_names()
    monkeypatch.undo()
    for line in compose._lines(variables).splitlines():
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(f"{PREFIX}VAR_DIR", str(tmp_path))
    inside = Settings.load()
    assert inside.database.url == "postgresql+asyncpg://u:p@127.0.0.1:5432/x"
    same = names - {"database_url"}
    theirs, ours = inside.values(), settings.values()
    assert {name: theirs[name] for name in same} == {name: ours[name] for name in same}


def test_containers_share_a_database_of_several_machines_or_have_their_own(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(f"{PREFIX}VAR_DIR", str(tmp_path))
    urls = {name: f"postgresql+asyncpg://{name[0]}:p@192.0.2.9/x" for name in ("database_url", "migration_url")}
    settings = Settings.load(environment="demo", **urls)
    compose._write_secrets(settings, tmp_path, {"INNRINGING_POSTGRES_PORT": "5432"})
    assert (tmp_path / "secrets" / "ivr" / "database_url").read_text() == urls["database_url"]
    assert (tmp_path / "secrets" / "migrate" / "migration_url").read_text() == urls["migration_url"]
    assert not (tmp_path / "secrets" / "ivr" / "migration_url").exists()
    assert "p@192" not in (tmp_path / "migrate.env").read_text()
    for name in urls:
        with pytest.raises(compose.ComposeError, match="set both, or neither"):
            compose.up(Settings.load(environment="demo", **{name: urls[name]}))


def test_a_secret_of_several_lines_is_one_line_for_containers() -> None:
    assert compose._lines({"INDEX_KEY": "2:bbbb\n1:aaaa", "SMS_PASSWORD": "two  spaces", "TRUNK": ""}) == (
        "INNRINGING_INDEX_KEY=2:bbbb 1:aaaa\nINNRINGING_SMS_PASSWORD=two  spaces\n"
    )


@pytest.mark.parametrize("name", [*compose.REFUSED, "tls_key_file"])
def test_containers_refuse_settings_they_cannot_honour(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv(f"{PREFIX}VAR_DIR", str(tmp_path))
    value = "postgresql+asyncpg://u:hunter22@127.0.0.1/x" if name.endswith("url") else str(tmp_path / "file")
    names = ("tls_cert_file", "tls_key_file") if name.startswith("tls") else (name,)
    settings = Settings.load(environment="demo", **dict.fromkeys(names, value))
    with pytest.raises(
        compose.ComposeError, match=r"^INNRINGING_[A-Z_]+ is set, but .*: remove the setting"
    ) as refused:
        compose.up(settings)
    assert "hunter22" not in str(refused.value)
