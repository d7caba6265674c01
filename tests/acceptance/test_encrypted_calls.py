"""Calls over TLS and SRTP, through the trunk and from a phone; unencrypted calls are refused."""

import asyncio
import base64
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.machine import asterisk
from ops.machine.sip_security import REFUSED
from ops.softphone.errors import NoSipResponse, SipRefusal
from ops.softphone.phone import Phone
from tests.support.certificates import Certificate, make_certificate
from tests.support.machine.servers import machine_settings
from tests.support.machine.system import System, run, running_system
from tests.support.phone.callers import Caller
from tests.support.phone.over_tcp import over_tcp
from tests.support.ports import free_port
from tests.support.synthetic import synthetic_identity

CALLER = "+4768050777"
KEY, OTHER_KEY = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
ENOUGH = 30.0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def encrypted(prompts: None, certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A separate system that accepts only encrypted calls."""
    with running_system(tmp_path_factory.mktemp("encrypted"), **settings("all", certificate)) as system:
        yield system


def settings(encryption: str, certificate: Certificate) -> dict[str, object]:
    return {
        "sip_encryption": encryption,
        "sip_tls_port": free_port(socket.SOCK_STREAM),
        "sip_tls_cert_file": certificate.certificate,
        "sip_tls_key_file": certificate.key,
        "sip_tls_ca_file": certificate.authority,
    }


def trusting(certificate: Certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate.authority))


def own_phone(system: System, certificate: Certificate, **more: object) -> Phone:
    """The demo's softphone, with its password, over TLS."""
    password = system.asterisk.instance.passwords["demo-phone"]
    given: dict[str, object] = {"user": "demo-phone", "password": password, "tls": trusting(certificate), **more}
    return Phone("127.0.0.1", system.settings.sip.tls_port, **given)  # type: ignore[arg-type]


async def test_receipt_is_heard_over_tls_and_srtp(encrypted: System, certificate: Certificate) -> None:
    async with Phone("127.0.0.1", encrypted.settings.sip.tls_port, tls=trusting(certificate)) as phone:
        call = await phone.ring("1000", caller=CALLER, patience=ENOUGH)
        caller = Caller(call, encrypted.settings.files.prompts / "build" / "nb")
        await caller.hears("ask_identity")
        await caller.keys(synthetic_identity(777))
        receipt = await caller.hears("received")
        await caller.hangs_up()
        assert receipt.score > 0.97
    async with encrypted.client() as agent:
        listed = (await agent.get("/callbacks", params={"department": "kirurgi"})).raise_for_status().json()["items"]
    assert CALLER in [item["phone"] for item in listed]


async def test_registered_phone_is_called_over_tls_and_srtp(encrypted: System, certificate: Certificate) -> None:
    async with (
        own_phone(encrypted, certificate) as agent,
        Phone("127.0.0.1", encrypted.settings.sip.tls_port, tls=trusting(certificate)) as patient,
    ):
        await agent.register()
        # the urgent line of kirurgi rings the demo's phone at once
        ringing = asyncio.create_task(patient.ring("1002", caller=CALLER, patience=ENOUGH))
        async with asyncio.timeout(ENOUGH):
            rung, call = await agent.answer(), await ringing
        assert "SAVP" in rung.description
        await call.hang_up()
        await agent.register(seconds=0)


def test_innringing_call_works_over_tls_and_srtp(encrypted: System) -> None:
    given = encrypted.settings
    variables = {"SIP_ENCRYPTION": "all", "SIP_TLS_PORT": str(given.sip.tls_port)}
    variables |= {"SIP_TLS_CERT_FILE": str(given.sip.tls_cert_file), "SIP_TLS_KEY_FILE": str(given.sip.tls_key_file)}
    done = run(given, "call", "4711", **variables)  # an unused number
    assert "over TLS and SRTP" in done.stdout
    assert "The server responded 404" in done.stderr


async def test_wrong_sip_password_is_refused(encrypted: System, certificate: Certificate) -> None:
    async with own_phone(encrypted, certificate, password="wrong") as phone:
        with pytest.raises(SipRefusal):
            await phone.register()


async def test_plain_rtp_is_refused_and_plain_sip_gets_no_answer(encrypted: System, certificate: Certificate) -> None:
    async with Phone("127.0.0.1", encrypted.settings.sip.tls_port, tls=trusting(certificate), encrypted=False) as phone:
        with pytest.raises(SipRefusal) as refusal:
            await phone.ring("1000", caller=CALLER, patience=ENOUGH)
        assert refusal.value.status == 488
    async with own_phone(encrypted, certificate, encrypted=False) as phone:
        with pytest.raises(SipRefusal) as refusal:
            await phone.ring("1000", patience=ENOUGH)
        assert refusal.value.status == 488
    async with Phone("127.0.0.1", encrypted.settings.sip.port) as phone:
        with pytest.raises(NoSipResponse):
            await phone.ring("1000", caller=CALLER, patience=ENOUGH)


async def test_plain_phone_is_refused_at_registration_and_the_log_says_why(
    prompts: None, certificate: Certificate, tmp_path: Path
) -> None:
    """With encrypted phones and an unencrypted trunk, the port without TLS is the trunk's alone."""
    given = {"environment": "production", "identity_key": KEY, "index_key": OTHER_KEY, "ari_password": "not-the-demos"}
    with asterisk.start(machine_settings(tmp_path, **settings("phones", certificate), **given)) as running:
        phone: dict[str, object] = {"user": "switchboard", "password": running.instance.passwords["switchboard"]}
        sip = running.settings.sip
        async with Phone("127.0.0.1", sip.port, **phone) as plain:  # type: ignore[arg-type]
            for attempt in (plain.register(), plain.ring("1000", patience=ENOUGH)):
                with pytest.raises(SipRefusal):
                    await attempt
        assert (await over_tcp(sip, "REGISTER", "", caller="switchboard")).status == 403
        async with Phone("127.0.0.1", sip.tls_port, tls=trusting(certificate), **phone) as encrypted:  # type: ignore[arg-type]
            await encrypted.register()
        complaints = "\n".join(running.instance.complaints())
    assert f"Endpoint '{REFUSED}' (127.0.0.1" in complaints


async def test_untrusted_server_is_refused(encrypted: System, tmp_path: Path) -> None:
    other = make_certificate(tmp_path)
    with pytest.raises(NoSipResponse, match="not trusted"):
        async with Phone("127.0.0.1", encrypted.settings.sip.tls_port, tls=trusting(other)):
            pass


def test_sip_uses_nothing_older_than_tls_1_2(encrypted: System, certificate: Certificate) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certificate.authority)
    address = ("127.0.0.1", encrypted.settings.sip.tls_port)
    with (
        socket.create_connection(address, ENOUGH) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as s,
    ):
        assert s.version() in ("TLSv1.2", "TLSv1.3")
        cipher = s.cipher()
        assert cipher and ("GCM" in cipher[0] or "CHACHA20" in cipher[0])
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(address, ENOUGH) as plain, pytest.raises((ssl.SSLError, OSError)):
        context.wrap_socket(plain, server_hostname="localhost")
