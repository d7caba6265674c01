"""Identity providers on loopback, and the browser of a user who logs in there.

`provided` is oidc-provider in a Node process, with the hospital's people; `forger` issues what a correct provider
never does. Each ends with the test process that started it, because its stdin closes.
"""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from joserfc import jwk

from desk.settings.oidc import CALLBACK_PATH
from ops.machine import identity_provider
from tests.support.ports import free_port

OURS: Final = "https://innringing.test"
REDIRECT_URI: Final = OURS + CALLBACK_PATH
CLIENT_ID: Final = "innringing"
SECRET: Final = "the client's secret: % + / of 40 signs"
GROUPS: Final = {"agents": "7a1c9d52", "leaders": "e3b6a1f0", "auditors": "/revisjon", "admins": "drift"}
ACCESS: Final = f"""
[groups."{GROUPS["agents"]}"]
agent = ["kirurgi"]
[groups."{GROUPS["leaders"]}"]
leader = ["kirurgi", "hjerte"]
[groups."{GROUPS["auditors"]}"]
auditor = ["*"]
[groups."{GROUPS["admins"]}"]
admin = ["*"]
"""
PEOPLE: Final[dict[str, dict[str, Any]]] = {
    "kari": {"name": "Kari Nordmann", "groups": [GROUPS["agents"], "kantinen"]},
    "lise": {"name": "Lise Leder", "groups": [GROUPS["leaders"], GROUPS["agents"]]},
    "rune": {"name": "Rune Revisor", "groups": [GROUPS["auditors"]]},
    "dina": {"name": "Dina Drift", "groups": [GROUPS["admins"]]},
    "gjest": {"name": "Gjest Uten Rolle", "groups": ["kantinen"]},
    "mange": {"name": "Mange Grupper", "_claim_names": {"groups": "src1"}},
}
KEYS: Final = {
    "EC": jwk.ECKey.generate_key("P-384", {"kid": "ours-ec", "use": "sig", "alg": "ES384"}),
    "RSA": jwk.RSAKey.generate_key(2048, {"kid": "ours-rsa", "use": "sig", "alg": "PS256"}),
}


@dataclass
class Running:
    """A provider process, and its controls."""

    issuer: str
    settings: dict[str, Any]
    process: subprocess.Popen[str] = field(repr=False)

    def control(self, **asked: Any) -> Any:
        """Change the provider's behaviour. Returns its counts."""
        answer = httpx.post(f"{self.issuer}/control", json=asked, timeout=30, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def asked(self, path: str) -> int:
        """The number of requests to that path."""
        return int(self.control()["counts"].get(path, 0))


@contextmanager
def provided(*, strict: str | None = None, backchannel: str | None = None) -> Iterator[Running]:
    """oidc-provider. With `strict` ("EC" or "RSA") it requires what HelseID does, from a client with such a key."""
    node, modules = identity_provider.ensure()
    port = free_port(socket.SOCK_STREAM)
    given = {
        "port": port,
        "secret": "of-cookies",
        "accounts": PEOPLE,
        "strict": strict is not None,
        "clients": [_client(strict, backchannel)],
    }
    environment = {**os.environ, "MODULES": str(modules)}
    settings = _settings(f"http://127.0.0.1:{port}", strict)
    with _started([node, str(identity_provider.PROGRAM)], given, environment) as process:
        yield Running(f"http://127.0.0.1:{port}", settings, process)


@contextmanager
def forger() -> Iterator[Running]:
    """A provider that signs whatever the test requests."""
    port = free_port(socket.SOCK_STREAM)
    program = identity_provider.SOURCE / "forger.py"
    issuer = f"http://127.0.0.1:{port}"
    with _started([sys.executable, str(program)], {"port": port}, dict(os.environ)) as process:
        yield Running(issuer, _settings(issuer, None), process)


def _client(strict: str | None, backchannel: str | None) -> dict[str, Any]:
    client: dict[str, Any] = {
        "client_id": CLIENT_ID,
        "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "id_token_signed_response_alg": "ES256",
    }
    if backchannel:
        client.update(backchannel_logout_uri=backchannel, backchannel_logout_session_required=True)
    if strict is None:
        return {**client, "client_secret": SECRET}
    return {
        **client,
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [KEYS[strict].as_dict(private=False)]},
        "dpop_bound_access_tokens": True,
        "require_pushed_authorization_requests": True,
    }


def _settings(issuer: str, strict: str | None) -> dict[str, Any]:
    own = {"oidc_issuer": issuer, "oidc_client_id": CLIENT_ID, "oidc_redirect_uri": REDIRECT_URI}
    if strict is None:
        return {**own, "oidc_client_secret": SECRET}
    key = json.dumps(KEYS[strict].as_dict(private=True))
    return {**own, "oidc_profile": "helseid", "oidc_client_key": key}


@contextmanager
def _started(command: list[str], given: Any, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(json.dumps(given) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "listening\n"
        yield process
    finally:
        process.terminate()
        process.wait(30)
        process.stdin.close()
        process.stdout.close()


async def log_in_at(address: str, person: str, jar: httpx.Cookies | None = None) -> str:
    """The address to which the provider redirects `person`'s browser, with the answer in it.

    `jar`: the provider's cookies, kept between log-ins as in a browser.
    """
    async with httpx.AsyncClient(trust_env=False, cookies=jar, timeout=30) as browser:
        for _ in range(8):
            answer = await browser.get(address)
            assert answer.status_code in (302, 303), answer.text
            address = str(answer.url.join(answer.headers["location"]))
            if address.startswith(OURS):
                if jar is not None:
                    jar.update(browser.cookies)
                return address
            if re.fullmatch(r"/interaction/[^/]+", urlsplit(address).path):
                address += f"/as/{person}"
    raise AssertionError("the provider never sent anybody back")
