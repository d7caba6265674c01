"""Asterisk starts with the operators' dialplan, logs no warnings, and leaves nothing behind."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.machine import asterisk
from tests.support.machine.servers import machine_settings

StartAsterisk = Callable[..., asterisk.AsteriskServer]


def test_asterisk_starts_and_restarts_without_a_warning(start_asterisk: StartAsterisk) -> None:
    running = start_asterisk()
    running.restart()
    assert running.instance.complaints() == []
    assert "Asterisk 22" in running.console("core show version")


def test_every_module_listed_is_loaded(start_asterisk: StartAsterisk) -> None:
    shown = start_asterisk().console("module show")
    states = {words[0]: " ".join(words) for line in shown.splitlines() if (words := line.split())}
    listed = [line.partition("=")[2].strip() for line in Path("dialplan/modules.conf").read_text("utf-8").splitlines()]
    missing = [name for name in listed if name.endswith(".so") and "Running" not in states.get(name, "")]
    assert missing == []


def test_two_instances_run_side_by_side_under_their_own_names(start_asterisk: StartAsterisk) -> None:
    one, other = start_asterisk(), start_asterisk()
    assert one.alive() and other.alive()
    names = {running.console("core show settings").partition("Entity ID:")[2].split()[0] for running in (one, other)}
    assert len(names) == 2


def test_stop_leaves_no_process_and_no_listener(start_asterisk: StartAsterisk) -> None:
    running = start_asterisk()
    pid = running.pid
    running.stop()
    assert not Path(f"/proc/{pid}").exists()
    asterisk.check_ports(running.settings)


def test_instance_left_by_a_killed_starter_is_ended_first(start_asterisk: StartAsterisk) -> None:
    forgotten = start_asterisk()
    pid = forgotten.pid
    with asterisk.start(forgotten.settings) as running:  # the same folder, and the same ports
        assert running.alive()
        assert running.pid != pid
        assert not Path(f"/proc/{pid}/root").exists()


@pytest.mark.parametrize(
    ("kind", "port", "variable"),
    [
        (socket.SOCK_DGRAM, "sip_port", "INNRINGING_SIP_PORT"),
        (socket.SOCK_STREAM, "ari_port", "INNRINGING_ARI_PORT"),
    ],
)
def test_occupied_port_is_named_with_its_setting(
    kind: socket.SocketKind, port: str, variable: str, tmp_path: Path
) -> None:
    settings = machine_settings(tmp_path)
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", settings.values()[port]))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        with pytest.raises(asterisk.AsteriskError, match=f"{settings.values()[port]} .*taken.*{variable}"):
            asterisk.start(settings)


def test_passwords_are_readable_only_by_their_owner(start_asterisk: StartAsterisk) -> None:
    folder = start_asterisk().instance.folder
    secret = [*(folder / "etc" / "local").iterdir(), folder / "phones.json"]
    assert [path.name for path in secret if os.stat(path).st_mode & 0o077] == []


def test_wrong_line_in_the_operators_files_is_reported(tmp_path: Path) -> None:
    settings = machine_settings(tmp_path)
    with asterisk.start(settings, extra={"pjsip.conf": "\n[oops]\ntype=endpoint\nno_such_option=1\n"}) as running:
        assert any("no_such_option" in line for line in running.instance.complaints())


def test_asterisk_gets_none_of_the_service_variables(
    start_asterisk: StartAsterisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("INNRINGING_TOKEN", "PGPASSWORD"):
        monkeypatch.setenv(name, "sentinel-of-a-secret")
    environment = Path(f"/proc/{start_asterisk().pid}/environ").read_bytes()
    names = {variable.partition(b"=")[0] for variable in environment.split(b"\0")}
    assert b"PATH" in names
    assert b"sentinel" not in environment
    assert not [name for name in names if name.startswith((b"INNRINGING", b"PG"))]


def test_asterisk_folder_is_private_whatever_the_umask(start_asterisk: StartAsterisk) -> None:
    before = os.umask(0)
    try:
        running = start_asterisk()
        running.console("database put family key value")
    finally:
        os.umask(before)
    folder = running.instance.folder
    found = [path for path in (folder, *folder.rglob("*")) if not path.is_symlink()]
    assert len(found) > 20
    assert [(path, oct(path.stat().st_mode)) for path in found if path.stat().st_mode & 0o077] == []


def test_asterisk_writes_no_file_beyond_a_limit(start_asterisk: StartAsterisk) -> None:
    limits = Path(f"/proc/{start_asterisk().pid}/limits").read_text("ascii")
    assert limits.split("Max file size")[1].split()[0] == str(asterisk.LARGEST_FILE)


def test_refused_packets_do_not_fill_the_disk(start_asterisk: StartAsterisk, monkeypatch: pytest.MonkeyPatch) -> None:
    small = 100_000
    monkeypatch.setattr(asterisk, "LARGEST_FILE", small)
    running = start_asterisk(runner="tree")
    log = running.instance.folder / "log"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.2", 0))
        for n in range(20_000):
            stranger.sendto(invite(n, stranger.getsockname()[1]), ("127.0.0.1", running.settings.sip.port))
            if n % 20 == 0:
                time.sleep(0.01)
            if n % 500 == 0 and len(list(log.glob("messages.log.*"))) == 2 and n > 4_000:
                break
    assert sorted(path.name for path in log.glob("messages.log.*")) == ["messages.log.0", "messages.log.1"]
    assert sum(path.stat().st_size for path in log.glob("messages.log*")) <= 3 * small
    assert running.alive()
    assert "Asterisk 22" in running.console("core show version")


def invite(n: int, port: int) -> bytes:
    """A call from an address that no endpoint has."""
    lines = [
        "INVITE sip:99@127.0.0.1 SIP/2.0",
        f"Via: SIP/2.0/UDP 127.0.0.2:{port};branch=z9hG4bK{n}",
        f"From: <sip:stranger@127.0.0.2>;tag={n}",
        "To: <sip:99@127.0.0.1>",
        f"Call-ID: stranger-{n}",
        "CSeq: 1 INVITE",
        f"Contact: <sip:stranger@127.0.0.2:{port}>",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()
