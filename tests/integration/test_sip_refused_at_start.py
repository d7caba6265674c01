"""docs/operations.md, `sip`: an address or a certificate that Asterisk can't start with, and the step that helps."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from desk.errors import SettingsError
from ops.machine import asterisk
from ops.machine.asterisk import AsteriskError, AsteriskServer
from tests.integration.test_telephony_readiness import DEPARTMENTS, asked
from tests.support.certificates import make_certificate
from tests.support.machine.servers import machine_settings
from tests.support.ports import free_port

ELSEWHERE = "192.0.2.1"  # of the documentation (RFC 5737): no machine has it


async def sip(running: AsteriskServer) -> str:
    """What `/readyz` says of `sip`."""
    async with asked(running.settings) as telephony:
        return (await telephony.check(DEPARTMENTS))["sip"].detail


@pytest.mark.usefixtures("prompts")
async def test_address_of_another_machine_is_refused_by_name_and_the_right_one_helps(
    start_asterisk: Callable[..., AsteriskServer], tmp_path: Path
) -> None:
    said = f"{ELSEWHERE} is no address of this machine: set INNRINGING_SIP_HOST to one that it has"
    with pytest.raises(AsteriskError, match=said):
        asterisk.start(machine_settings(tmp_path, sip_host=ELSEWHERE))
    assert await sip(start_asterisk(sip_host="127.0.0.1")) == "listens"


@pytest.mark.usefixtures("prompts")
async def test_certificate_that_does_not_fit_is_refused_by_name_and_the_right_one_helps(
    start_asterisk: Callable[..., AsteriskServer], tmp_path: Path
) -> None:
    made, other = make_certificate(tmp_path / "one"), make_certificate(tmp_path / "other")
    given: dict[str, Any] = {
        **{"sip_encryption": "all", "sip_tls_port": free_port(socket.SOCK_STREAM)},
        **{"sip_tls_cert_file": made.certificate, "sip_tls_ca_file": made.authority},
    }
    with pytest.raises(SettingsError, match=r"INNRINGING_SIP_TLS_CERT_FILE, INNRINGING_SIP_TLS_KEY_FILE: .* is not"):
        asterisk.start(machine_settings(tmp_path, **given, sip_tls_key_file=other.key))
    assert await sip(start_asterisk(**given, sip_tls_key_file=made.key)) == "listens"
