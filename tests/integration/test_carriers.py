"""The three examples of docs/carriers.md, against a second Asterisk as the telephone company.

A patient calls the company, which calls the hospital. No phone door runs there, so the call goes on to the switchboard:
a number, which the hospital calls through the company again. The patient hears what is said at that number.
"""

import asyncio
import base64
import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from desk.paths import ROOT
from ops.machine import asterisk
from ops.softphone.phone import Phone
from tests.support.certificates import Certificate, make_certificate
from tests.support.machine.servers import machine_settings
from tests.support.phone.callers import Caller
from tests.support.ports import free_port

HOSPITAL = "127.0.0.2"
"""The hospital's address. The patients' and the company's is 127.0.0.1."""
ACCOUNT, PASSWORD = "68059000", "semi;colon"
SWITCHBOARD = "+4768059100"
SAID = "line_unanswered"
"""A sentence that stands in for the voice at the switchboard."""
KEYS: dict[str, Any] = {
    "environment": "production",
    "identity_key": base64.b64encode(bytes(32)).decode(),
    "index_key": base64.b64encode(b"i" * 32).decode(),
    "ari_password": "not-the-demos",
}
COMPANY = """\
[global]
type=global
endpoint_identifier_order=ip
#include "local/pjsip.conf"
[line](!)
type=endpoint
disallow=all
allow=alaw
direct_media=no
rewrite_contact=yes
identify_by=ip
[patients](line,trunk-security)
context=from-patients
[patients-address]
type=identify
endpoint=patients
match=127.0.0.1/32
[hospital](line,trunk-security)
context=from-hospital
identify_by=ip,username
aors={account}
{auth}
[hospital-address]
type=identify
endpoint=hospital
match={hospital}/32
[{account}]
type=aor
{contact}
[company]
type=auth
auth_type=userpass
username={account}
password={password}
"""
NUMBERS = f"""\
[from-patients]
exten => 5000,1,Dial(PJSIP/hospital,20)
[from-hospital]
exten => {SWITCHBOARD},1,Answer()
 same => n,Playback(innringing/{SAID})
 same => n,Playback(innringing/{SAID})
 same => n,Hangup()
"""


@dataclass(frozen=True)
class Example:
    """A worked example: how the telephone company knows the hospital, and whether calls are encrypted."""

    registers: bool
    encrypted: bool = False


EXAMPLES = {
    "by address": Example(registers=False),
    "registering": Example(registers=True),
    "TLS and SRTP": Example(registers=True, encrypted=True),
}


@contextmanager
def company(
    folder: Path, example: Example, hospital_port: int, given: dict[str, Any]
) -> Iterator[asterisk.AsteriskServer]:
    dialplan = Path(shutil.copytree(ROOT / "dialplan", folder / "dialplan"))
    contact = "max_contacts=1" if example.registers else f"contact=sip:1000@{HOSPITAL}:{hospital_port}"
    auth = "auth=company" if example.registers else ""
    text = COMPANY.format(
        account=ACCOUNT, hospital=HOSPITAL, password=PASSWORD.replace(";", "\\;"), contact=contact, auth=auth
    )
    (dialplan / "pjsip.conf").write_text(text, "utf-8")
    settings = machine_settings(folder / "company", **given)
    with asterisk.start(settings, dialplan=dialplan, extra={"extensions.conf": NUMBERS}) as running:
        yield running


@contextmanager
def hospital(
    folder: Path, example: Example, sip_port: int, trunk: str, given: dict[str, Any]
) -> Iterator[asterisk.AsteriskServer]:
    dialplan = Path(shutil.copytree(ROOT / "dialplan", folder / "operators"))
    account: dict[str, Any] = {}
    if example.registers:
        account = {"trunk_user": ACCOUNT, "trunk_password": PASSWORD, "trunk_register": True}
    else:
        with (dialplan / "pjsip.conf").open("a", encoding="utf-8") as pjsip:
            pjsip.write("[trunk]\ntype=identify\nendpoint=trunk\nmatch=127.0.0.1/32\n")
    arrives = f"[from-trunk](+)\nexten => {ACCOUNT},1,Goto(departments,1000,1)\n"
    settings = machine_settings(
        folder / "hospital",
        **{**KEYS, **account, **given, "sip_host": HOSPITAL, "sip_port": sip_port, "trunk": trunk},
        switchboard=SWITCHBOARD,
        trunk_from_domain="hospital.example",
        trunk_qualify=1,
    )
    with asterisk.start(settings, dialplan=dialplan, extra={"extensions.conf": arrives}) as running:
        yield running


def encryption(certificate: Certificate | None, port: int) -> dict[str, Any]:
    if certificate is None:
        return {}
    return {
        "sip_encryption": "all",
        "sip_tls_port": port,
        "sip_tls_cert_file": certificate.certificate,
        "sip_tls_key_file": certificate.key,
        "sip_tls_ca_file": certificate.authority,
    }


async def shows(server: asterisk.AsteriskServer, command: str, text: str) -> None:
    """Wait until the console shows this."""
    for _ in range(60):
        shown = await asyncio.to_thread(server.console, command)
        if text in shown:
            return
        await asyncio.sleep(0.25)
    raise AssertionError(shown + str(server.instance.complaints()))


@pytest.mark.parametrize("name", EXAMPLES)
async def test_calls_reach_the_hospital_and_leave_it_again(prompts: None, name: str, tmp_path: Path) -> None:
    example = EXAMPLES[name]
    certificate = make_certificate(tmp_path / "certificate") if example.encrypted else None
    tls = ssl.create_default_context(cafile=str(certificate.authority)) if certificate else None
    ports = [free_port(kind) for kind in 2 * [socket.SOCK_STREAM] + 2 * [socket.SOCK_DGRAM]]
    theirs, ours = encryption(certificate, ports[0]), encryption(certificate, ports[1])
    with company(tmp_path, example, ports[3], {**theirs, "sip_port": ports[2]}) as telephone_company:
        there = f"127.0.0.1:{ports[0]}" if certificate else f"127.0.0.1:{ports[2]}"
        with hospital(tmp_path, example, ports[3], there, ours) as service:
            if example.registers:
                await shows(service, "pjsip show registrations", "Registered")
            await shows(service, "pjsip show contacts", "Avail")
            async with Phone("127.0.0.1", ports[0] if certificate else ports[2], tls=tls) as patient:
                call = await patient.ring("5000", caller="+4768059300", patience=30)
                heard = Caller(call, telephone_company.settings.files.prompts / "build" / "nb")
                await heard.hears("rescue")
                await heard.hears(SAID)
                channels = await asyncio.to_thread(telephone_company.console, "core show channels concise")
                await call.hang_up()
    assert channels.count("PJSIP/hospital-") >= 2, "in through the company, and out through it again"
