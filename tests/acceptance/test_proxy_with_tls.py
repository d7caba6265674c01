"""Kamailio with TLS before a node: phones over TLS and SRTP, and the telephone company in clear, or over TLS too."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from ops.machine.kamailio import Kamailio
from ops.machine.kamailio_files import OwnTls
from ops.softphone.errors import SipRefusal
from ops.softphone.phone import Phone
from tests.support.certificates import THIS_MACHINE, Authority, Certificate
from tests.support.machine.two_nodes import MARK, PROXY, TELEPHONE_COMPANY
from tests.support.phone.callers import Caller
from tests.support.phone.dial_system import PATIENCE, Case, Exchange, running_exchange, soon
from tests.support.ports import free_port
from tests.support.synthetic import synthetic_identity

PHONES = "127.0.0.7"
"""An address of their own: the node has 127.0.0.1."""


class DeskPhone(Phone):
    """A phone that names a port it does not listen on, as many do. It has only the connection it made."""

    @property
    def contact(self) -> str:
        return f"<sip:{self.user}@{self.host}:5061;transport=tls>"


@dataclass(frozen=True)
class Encrypted:
    """A node behind Kamailio. `in_clear`: where the telephone company calls over UDP, 0 if it must use TLS."""

    exchange: Exchange
    proxy: Kamailio
    certificate: Certificate
    port: int
    trunk_port: int
    in_clear: int

    @property
    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate.authority))

    def desk_phone(self, **given: bool) -> Phone:
        """The agent's phone. Like any, it registers and calls over TLS."""
        password = self.exchange.system.asterisk.instance.passwords["demo-phone"]
        tcp = free_port(socket.SOCK_STREAM)
        own = {"user": "demo-phone", "password": password, "own_port": tcp, "tls": self.trusted}
        phone = DeskPhone(PROXY, self.port, **own, **given)  # type: ignore[arg-type]
        phone.host = PHONES
        return phone

    def company(self, own_port: int = 0) -> Phone:
        """The telephone company. Only at `trunk_port` is it called."""
        own_port = own_port or free_port(socket.SOCK_STREAM)
        if self.in_clear:
            phone = Phone(PROXY, self.in_clear, user="patient", own_port=own_port)
        else:
            phone = Phone(PROXY, self.port, user="patient", own_port=own_port, tls=self.trusted)
        phone.host = TELEPHONE_COMPANY
        return phone


@pytest.fixture(scope="module", params=["phones", "all"])
def encrypted(
    prompts: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Encrypted]:
    folder = tmp_path_factory.mktemp("tls")
    made = Authority(folder / "certificates").issue("node", (*THIS_MACHINE, PROXY))
    port, in_clear = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM) if request.param == "phones" else 0
    trunk_port = free_port(socket.SOCK_DGRAM)
    node: dict[str, object] = {
        **{"sip_encryption": request.param, "sip_tls_port": free_port(socket.SOCK_STREAM)},
        **{"sip_tls_cert_file": made.certificate, "sip_tls_key_file": made.key, "sip_tls_ca_file": made.authority},
        **{"sip_proxy": f"{PROXY}:{port}", "sip_proxy_mark": MARK},
    }
    with running_exchange(folder, **node) as exchange:
        of_kamailio = OwnTls(made.certificate, made.key, made.authority, f"{PROXY}:{in_clear}" if in_clear else "")
        with Kamailio(
            folder / "kamailio",
            listen=f"{PROXY}:{port}",
            nodes=[f"127.0.0.1:{exchange.system.settings.sip.tls_port}"],
            trunk=[f"{TELEPHONE_COMPANY}:{trunk_port}"],
            mark=MARK,
            tls=of_kamailio,
        ) as proxy:
            yield Encrypted(exchange, proxy, made, port, trunk_port, in_clear)


async def hears_after_the_number(phone: Phone, encrypted: Encrypted, caller: str, n: int, *sentences: str) -> None:
    """Ring, key an identity number, and hear one of these."""
    async with phone:
        call = await phone.ring("1000", caller=caller, patience=PATIENCE)
        person = Caller(call, encrypted.exchange.system.settings.files.prompts / "build" / "nb")
        await person.hears("ask_identity")
        await person.keys(synthetic_identity(n))
        heard = await person.hears(*sentences)
        assert heard.score > 0.97
        await person.hangs_up()


async def test_telephone_companys_caller_hears_the_receipt(encrypted: Encrypted) -> None:
    await hears_after_the_number(encrypted.company(), encrypted, "+4768050781", 781, "received")
    async with encrypted.exchange.agent() as agent:
        found = (await agent.get("/callbacks", params={"department": "kirurgi"})).raise_for_status().json()["items"]
    assert "+4768050781" in [each["phone"] for each in found]


async def test_phone_is_heard_and_hears(encrypted: Encrypted) -> None:
    await hears_after_the_number(encrypted.desk_phone(), encrypted, "", 782, "ask_phone", "received")


async def test_agent_and_patient_are_called_and_either_ends_the_call(encrypted: Encrypted) -> None:
    agents = encrypted.exchange.agent()
    company = encrypted.company(encrypted.trunk_port)
    async with encrypted.desk_phone() as desk_phone, company as patient, agents as agent:
        await desk_phone.register()
        for n, agent_ends in enumerate((True, False)):
            case = await Case.claimed(agent, f"+476805078{n + 3}")
            await case.dial()
            at_desk = await soon(desk_phone.answer())
            at_home = await soon(patient.answer())
            await case.state("bridged")
            assert "SAVP" in at_desk.description
            assert ("SAVP" in at_home.description) == (not encrypted.in_clear)
            first, other = (at_desk, at_home) if agent_ends else (at_home, at_desk)
            await first.hang_up()
            await soon(other.ended.wait())  # type: ignore[arg-type]
            assert await case.ended() == ("answered" if agent_ends else "dropped")
        await desk_phone.register(seconds=0)


async def test_phone_with_sound_in_clear_is_refused(encrypted: Encrypted) -> None:
    async with encrypted.desk_phone(encrypted=False) as phone:
        with pytest.raises(SipRefusal) as refusal:
            await phone.ring("1000", patience=PATIENCE)
    assert refusal.value.status == 488


async def test_sip_in_clear_is_the_telephone_companys_alone(encrypted: Encrypted) -> None:
    if not encrypted.in_clear:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind((PROXY, encrypted.port))  # nothing listens there over UDP
        return
    password = encrypted.exchange.system.asterisk.instance.passwords["demo-phone"]
    async with Phone(PROXY, encrypted.in_clear, user="demo-phone", password=password) as phone:
        for attempt in (phone.register(), phone.ring("1000", patience=PATIENCE)):
            with pytest.raises(SipRefusal) as refusal:
                await attempt
            assert refusal.value.status == 403
