"""The parts of a log-in at a running provider, without the api around them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from api.auth.oidc.client import OidcClient
from api.auth.oidc.login_flow import AuthorizationRequest, AuthorizationResponse, LoginFlow, Person
from api.auth.oidc.provider import Provider
from api.auth.oidc.tokens import TokenVerifier
from api.auth.oidc.transport import ProviderTransport
from desk.accounts.oidc.groups_file import load_access
from desk.clock import SystemClock
from desk.settings.settings import Settings
from desk.vault.vault import Vault
from tests.support.fakes import FakeClock
from tests.support.oidc.providers import ACCESS, Running, log_in_at

VAULT = Vault(identity_key=b"i" * 32, index_key=b"x" * 32)


@dataclass
class LoginParts:
    """The parts of a log-in, wired as in the api."""

    login: LoginFlow
    client: OidcClient
    tokens: TokenVerifier
    clock: FakeClock

    async def comes_back(self, person: str = "kari") -> tuple[AuthorizationRequest, AuthorizationResponse]:
        request = await self.login.start("/queue")
        found = parse_qs(urlsplit(await log_in_at(request.address, person)).query)
        return request, AuthorizationResponse(
            **{name: found[name][0] for name in ("state", "code", "iss", "error") if name in found}
        )

    async def logs_in(self, person: str = "kari") -> Person:
        request, answer = await self.comes_back(person)
        return await self.login.finish(answer, self.login.pending(answer, request.cookie))


@asynccontextmanager
async def login_parts(
    running: Running, folder: Path, *, seconds: float = 5.0, **given: Any
) -> AsyncIterator[LoginParts]:
    """The parts of a log-in at that provider, with their files in `folder`. `given` are settings."""
    (folder / "access.toml").write_text(ACCESS, "utf-8")
    given = {**running.settings, **given}
    settings = Settings.load(need_keys=False, environment="demo", var_dir=folder, **given).oidc
    clock = FakeClock(SystemClock().now())
    wire = ProviderTransport(settings.issuer, seconds=seconds)
    provider = Provider(settings.issuer, wire)
    client = OidcClient(settings, provider=provider, transport=wire, clock=clock)
    tokens = TokenVerifier(provider=provider, client_id=client.id, clock=clock, skew=settings.clock_skew)
    groups = load_access(folder / "access.toml")
    login = LoginFlow(
        settings, provider=provider, client=client, verifier=tokens, vault=VAULT, groups=lambda: groups, clock=clock
    )
    try:
        yield LoginParts(login, client, tokens, clock)
    finally:
        await wire.close()


def claims(**more: Any) -> dict[str, Any]:
    """What the forger is asked to put into a token."""
    return {"claims": more}
