"""Servers with a certificate from a hospital's own authority: trusted only where the setting names it."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from api.auth.oidc.errors import ProviderUnavailable
from api.auth.oidc.transport import ProviderTransport
from api.health.readiness import Asterisk
from api.messaging.link_mobility import LinkMobility
from desk.connections.tls import client_context
from desk.errors import SettingsError
from desk.messages.model import TryLater
from desk.paths import ROOT
from desk.settings.settings import Settings
from ivr.asterisk.ari import Ari
from ivr.asterisk.errors import AriMistrusted
from ops.machine import asterisk
from tests.support.certificates import THIS_MACHINE, Authority, Certificate
from tests.support.machine.servers import machine_settings
from tests.support.ports import free_port
from tests.support.sms.link_gateway import LinkGateway
from tests.support.sms.outbox import MOBILE

EXAMPLE = ROOT / "docs" / "examples" / "asterisk-http.conf"
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("other"))


@asynccontextmanager
async def serving(made: Certificate) -> AsyncIterator[str]:
    """The address of a server with that certificate, which gives every request the same valid answer."""

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"messageId": "m-1", "resultCode": 1005})

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(made.certificate, made.key)
    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def text_through(url: str, authority: Authority | None) -> str:
    given = LinkGateway(url=url).settings(sms_ca=authority.file if authority else None)
    settings = Settings.load(need_keys=False, environment="demo", **given)
    async with LinkMobility(settings.sms) as gateway:
        return await gateway.send("key", MOBILE, "hei", valid=HOUR)


async def asked_of(url: str, authority: Authority | None) -> Any:
    wire = ProviderTransport(url, authority=authority.file if authority else None)
    try:
        return await wire.get(url)
    finally:
        await wire.close()


async def test_gateway_and_provider_with_a_private_authority_are_trusted(own: Authority, other: Authority) -> None:
    async with serving(own.issue("localhost", THIS_MACHINE)) as url:
        assert await text_through(url, own) == "m-1"
        assert (await asked_of(url, own))["messageId"] == "m-1"
        for wrong in (other, None):  # None: the public authorities
            with pytest.raises(TryLater, match="unreachable"):
                await text_through(url, wrong)
            with pytest.raises(ProviderUnavailable):
                await asked_of(url, wrong)
    async with serving(own.issue("elsewhere", ["elsewhere.example"])) as url:
        with pytest.raises(TryLater, match="unreachable"):
            await text_through(url, own)
    async with serving(own.issue("late", THIS_MACHINE, days=-1)) as url:
        with pytest.raises(ProviderUnavailable):
            await asked_of(url, own)


@pytest.mark.parametrize("name", ["ARI", "SMS", "OIDC"])
def test_authority_without_encryption_is_refused(
    name: str, own: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"INNRINGING_{name}_CA", str(own.file))
    with pytest.raises(SettingsError, match=f"INNRINGING_{name}_CA is set, but INNRINGING_"):
        Settings.load(need_keys=False, environment="demo", var_dir=tmp_path)


async def test_phone_door_connects_to_asterisk_over_tls(own: Authority, other: Authority, tmp_path: Path) -> None:
    """A real one, with its http.conf as in our example."""
    made, port = own.issue("localhost", ["localhost"]), free_port(socket.SOCK_STREAM)
    folder = tmp_path / "asterisk"
    keys = folder / "keys"  # the files for SIP lie there, where Asterisk can read them
    settings = machine_settings(
        tmp_path,
        sip_encryption="phones",
        sip_tls_port=free_port(socket.SOCK_STREAM),
        sip_tls_cert_file=made.certificate,
        sip_tls_key_file=made.key,
        sip_tls_ca_file=own.file,
    )
    lines = re.sub(r"(?m)^bind.*\n", "", EXAMPLE.read_text("utf-8"))
    for was, now in (
        ("0.0.0.0:8089", f"127.0.0.1:{port}"),
        ("/etc/asterisk/keys/http-certificate.pem", str(keys / "sip-certificate.pem")),
        ("/etc/asterisk/keys/http-key.pem", str(keys / "sip-key.pem")),
    ):
        assert was in lines
        lines = lines.replace(was, now)
    running = await asyncio.to_thread(asterisk.start, settings, folder, extra={"http.conf": lines})
    try:
        ours = {"ari_url": f"https://localhost:{port}", "ari_ca": own.file}
        assert await name_of_asterisk(settings.changed(**ours)) == running_entity(folder)
        assert (await readiness(settings.changed(**ours))) == (True, "answers")
        for wrong, said in (
            ({"ari_ca": other.file}, "was not issued by the authority in INNRINGING_ARI_CA"),
            ({"ari_ca": None}, "was not issued by the authority in INNRINGING_ARI_CA"),
            ({"ari_url": f"https://127.0.0.1:{port}"}, "INNRINGING_ARI_URL must have a name that is in it"),
        ):
            mistaken = settings.changed(**ours | wrong)
            with pytest.raises(AriMistrusted) as refused:
                await name_of_asterisk(mistaken)
            assert said in str(refused.value)
            assert (await readiness(mistaken)) == (False, "Asterisk can't be reached")
    finally:
        await asyncio.to_thread(running.stop)


async def name_of_asterisk(settings: Settings) -> str:
    """Asterisk's name, read over the connection of the phone door: requests and websocket."""
    tls = client_context("ARI", settings.ari.ca) if settings.ari.ca else None
    ari = Ari(base_url=settings.ari.url, user=settings.ari.user, password=settings.ari.require_password(), tls=tls)
    connected = asyncio.Event()

    async def reconcile() -> None:
        connected.set()

    running = asyncio.create_task(ari.run(lambda _event: None, reconcile))
    waiting = asyncio.create_task(connected.wait())
    await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if running.done():
        running.result()
    running.cancel()
    await asyncio.gather(running, waiting, return_exceptions=True)
    return ari.asterisk_id


async def readiness(settings: Settings) -> tuple[bool, str]:
    asked = Asterisk(settings.ari)
    found = await asked.check()
    await asked.close()
    return found.ok, found.detail


def running_entity(folder: Path) -> str:
    return (folder / "entity").read_text("ascii")
