"""Whether what the api depends on answers. Details are fixed sentences: no address, no password, no server's words."""

from dataclasses import dataclass

import httpx

from desk.desk import Desk
from desk.errors import StorageUnavailable
from desk.settings import Settings

ASTERISK_SECONDS = 2.0


@dataclass(frozen=True)
class Component:
    """One thing depended on."""

    ok: bool
    detail: str


class Asterisk:
    """Asks Asterisk's own HTTP server whether it is there (GET /ari/asterisk/ping), with the password in a header."""

    def __init__(self, settings: Settings) -> None:
        base = settings.ari_url.rstrip("/").removesuffix("/ari")
        password = settings.ari_password.get_secret_value() if settings.ari_password else ""
        self._client = httpx.AsyncClient(
            base_url=base,
            auth=httpx.BasicAuth(settings.ari_user, password),
            timeout=ASTERISK_SECONDS,
            trust_env=False,
        )

    async def check(self) -> Component:
        """Never raises: whatever goes wrong is said in words."""
        try:
            answer = await self._client.get("/ari/asterisk/ping")
        except httpx.TimeoutException:
            return Component(False, f"Asterisk did not answer within {ASTERISK_SECONDS:.0f} seconds")
        except (httpx.HTTPError, httpx.InvalidURL):
            return Component(False, "Asterisk can't be reached")
        if answer.status_code == httpx.codes.OK:
            return Component(True, "answers")
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            return Component(False, "Asterisk refuses the user or password of ARI")
        return Component(False, "something that is not Asterisk's ARI answers")

    async def close(self) -> None:
        await self._client.aclose()


async def check_database(desk: Desk) -> Component:
    """Never raises: a database that is away is said in words."""
    try:
        await desk.ping()
    except StorageUnavailable:
        return Component(False, "the database can't be reached")
    return Component(True, "answers")
