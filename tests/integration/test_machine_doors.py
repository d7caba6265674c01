"""The ports that Asterisk listens on, and the permissions there."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from ops.machine import asterisk
from ops.softphone.errors import SipRefusal
from ops.softphone.phone import Phone
from tests.support.certificates import make_certificate
from tests.support.ports import free_port

StartAsterisk = Callable[..., asterisk.AsteriskServer]
READER = "look-and-no-more"


def listens_on(running: asterisk.AsteriskServer) -> set[tuple[str, str, int]]:
    """(tcp or udp, address, port) of each network socket that accepts data from others.

    Two are left out: those from which pjproject asks for names (DNS), one for IPv4 and one for IPv6, on ports the
    system chose. They take answers to what was asked, and no setting closes them.
    """
    found, asks = set(), []
    for each in psutil.Process(running.pid).net_connections("inet"):
        if each.status == psutil.CONN_LISTEN:
            found.add(("tcp", each.laddr.ip, each.laddr.port))
        elif each.type == socket.SOCK_DGRAM and each.laddr.port >= chosen_by_system():
            asks.append(each.laddr.ip)
        elif each.type == socket.SOCK_DGRAM:
            found.add(("udp", each.laddr.ip, each.laddr.port))
    assert sorted(asks) in ([], ["0.0.0.0"], ["0.0.0.0", "::"])
    return found


def chosen_by_system() -> int:
    """The lowest ephemeral port of the system. Ours lie below it: see tests/support/ports.py."""
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


def test_asterisk_listens_only_for_sip_and_ari_on_this_machine(start_asterisk: StartAsterisk) -> None:
    running = start_asterisk()
    settings = running.settings
    sip = {(over, "127.0.0.1", settings.sip.port) for over in ("udp", "tcp")}
    assert listens_on(running) == sip | {("tcp", "127.0.0.1", settings.ari.port)}


@pytest.mark.parametrize("encryption", ["phones", "all"])
def test_encryption_adds_tls_and_full_encryption_removes_plain_sip(
    start_asterisk: StartAsterisk, tmp_path: Path, encryption: str
) -> None:
    made = make_certificate(tmp_path)
    running = start_asterisk(
        sip_encryption=encryption,
        sip_host="0.0.0.0",
        sip_tls_port=free_port(socket.SOCK_STREAM),
        sip_tls_cert_file=made.certificate,
        sip_tls_key_file=made.key,
        sip_tls_ca_file=made.authority,
        trunk="127.0.0.1:5099",
    )
    settings = running.settings
    wanted = {("tcp", "127.0.0.1", settings.ari.port), ("tcp", "0.0.0.0", settings.sip.tls_port)}
    if encryption == "phones":
        wanted |= {(over, "0.0.0.0", settings.sip.port) for over in ("udp", "tcp")}
    assert listens_on(running) == wanted
    assert running.instance.complaints() == []
    written = (running.instance.folder / "etc" / "local" / "pjsip.conf").read_text("utf-8")
    assert (r"contact=sip:127.0.0.1:5099\;transport=tls" in written) == (encryption == "all")
    for endpoint in ("demo-phone", "switchboard"):
        assert sealed(running, endpoint)
    assert sealed(running, "trunk") == (encryption == "all")


def sealed(running: asterisk.AsteriskServer, endpoint: str) -> bool:
    shown = running.console(f"pjsip show endpoint {endpoint}").splitlines()
    lines = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in shown)}
    assert lines["media_encryption_optimistic"] == "false"
    return lines["media_encryption"] == "sdes"


async def test_trunk_may_be_plain_where_phones_are_encrypted(start_asterisk: StartAsterisk, tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    running = await asyncio.to_thread(
        start_asterisk,
        sip_encryption="phones",
        sip_tls_port=free_port(socket.SOCK_STREAM),
        sip_tls_cert_file=made.certificate,
        sip_tls_key_file=made.key,
    )
    password = running.instance.passwords["demo-phone"]
    async with Phone("127.0.0.1", running.settings.sip.port, user="demo-phone", password=password) as phone:
        with pytest.raises(SipRefusal) as refusal:
            await phone.ring("1000", patience=30)
        assert refusal.value.status == 488
    async with Phone("127.0.0.1", running.settings.sip.port) as patient:
        call = await patient.ring("1000", caller="+4768050778", patience=30)
        await call.hang_up()


def test_asterisk_has_no_console_and_no_manager_over_the_network(start_asterisk: StartAsterisk) -> None:
    running = start_asterisk()
    manager = dict(line.split(":", 1) for line in running.console("manager show settings").splitlines() if ":" in line)
    told = {name.strip(): value.strip() for name, value in manager.items()}
    assert (told["Manager (AMI)"], told["Web Manager (AMI/HTTP)"]) == ("No", "No")
    base = f"http://127.0.0.1:{running.settings.ari.port}"
    with httpx.Client(base_url=base, trust_env=False) as client:
        pages = ("/", "/httpstatus", "/static/", "/rawman", "/manager", "/amanager", "/mxml", "/phoneprov/", "/metrics")
        assert {page: client.get(page).status_code for page in pages} == dict.fromkeys(pages, 404)
        assert client.get("/ari/asterisk/info").status_code == 401
        assert client.get("/ari/asterisk/info", params={"api_key": "innringing:"}).status_code == 401
        asked = client.get("/ari/asterisk/ping", headers={"Origin": "https://elsewhere.example"})
        assert not [name for name in asked.headers if name.startswith("access-control-")]


def test_ari_reader_may_only_read(start_asterisk: StartAsterisk) -> None:
    running = start_asterisk(ari_reader_password=READER)
    base = f"http://127.0.0.1:{running.settings.ari.port}/ari"
    with httpx.Client(base_url=base, trust_env=False, auth=("innringing-reader", READER)) as reader:
        assert reader.get("/asterisk/ping").status_code == 200
        for method, path in (
            ("POST", "/channels?endpoint=Local/1000@from-trunk&extension=1000&context=from-trunk"),
            ("POST", "/bridges"),
            ("DELETE", "/channels/1"),
            ("PUT", "/asterisk/logging/x?configuration=dtmf"),
            ("POST", "/asterisk/variable?variable=X&value=1"),
        ):
            assert reader.request(method, path).status_code == 403, path


def test_no_ari_reader_without_its_password(start_asterisk: StartAsterisk) -> None:
    running = start_asterisk()
    users = running.console("ari show users")
    assert "innringing" in users and "innringing-reader" not in users
