"""What the commands print runs as printed, and addresses of either family are understood."""

import os
import socket
import sys
from pathlib import Path

import pytest
import typer

from desk.numbers.identity_number import parse_identity
from desk.numbers.phone_number import parse_phone
from ops.commands.call import DEMO_CALLER
from ops.commands.run import SYNTHETIC_IDENTITY
from ops.commands.terminal import load_settings, this_command
from ops.machine.asterisk import port_is_free
from ops.machine.ready import address, from_here

HERE = Path(sys.executable).parent


def test_command_is_printed_with_the_path_that_works_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.chdir(HERE.parent)
    assert this_command() == f"{HERE.name}/innringing"
    monkeypatch.chdir("/")
    assert Path(this_command()) == HERE.relative_to("/") / "innringing"
    monkeypatch.setenv("PATH", f"{HERE}{os.pathsep}/bin")
    assert this_command() == "innringing"


def test_newcomer_calls_as_a_person_with_a_mobile() -> None:
    assert parse_identity(SYNTHETIC_IDENTITY, allow_test=True, allow_h=False)
    assert parse_phone(DEMO_CALLER).mobile


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_free_and_taken_ports_are_distinguished_on_ipv6(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET6, kind) as holder:
        holder.bind(("::1", 0))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        port = holder.getsockname()[1]
        assert not port_is_free(kind, "::1", port)
    assert port_is_free(kind, "::1", port)
    assert (address("::1", 80), address("127.0.0.1", 80)) == ("[::1]:80", "127.0.0.1:80")
    assert [from_here(host) for host in ("::", "0.0.0.0", "192.0.2.1")] == ["::1", "127.0.0.1", "192.0.2.1"]


def test_commands_take_a_folder_with_a_demo_as_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNRINGING_VAR_DIR", str(tmp_path))
    for name in ("ENVIRONMENT", "IDENTITY_KEY", "INDEX_KEY", "DATABASE_URL"):
        monkeypatch.delenv(f"INNRINGING_{name}", raising=False)
    assert not load_settings().demo
    monkeypatch.setenv("INNRINGING_ENVIRONMENT", "demo")
    load_settings(need_keys=True)
    monkeypatch.delenv("INNRINGING_ENVIRONMENT")
    assert load_settings().demo
    monkeypatch.setenv("INNRINGING_ENVIRONMENT", "production")
    with pytest.raises(typer.Exit):
        load_settings(need_keys=True)
