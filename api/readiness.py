"""Whether what the api depends on answers. Details are fixed sentences: no address, no password, no server's words;
only of the operators' own files they tell the line and what is wrong with it."""

from collections.abc import Callable
from pathlib import Path

import httpx

from desk.callbacks.queue import Desk
from desk.database.errors import StorageUnavailable
from desk.departments.departments import Departments
from desk.departments.errors import DepartmentsFileError
from desk.health import Component
from desk.settings.ari import AriSettings
from desk.tls import client_context

ASTERISK_SECONDS = 2.0
REFUSED = "refused.txt"
"""Left in prompts/build by a build that was refused."""


class Asterisk:
    """Asks Asterisk's own HTTP server whether it is there (GET /ari/asterisk/ping), with the password in a header."""

    def __init__(self, settings: AriSettings) -> None:
        base = settings.url.rstrip("/").removesuffix("/ari")
        user, password = (settings.user, settings.password)
        if settings.reader_password is not None:
            user, password = (settings.reader, settings.reader_password)
        self._client = httpx.AsyncClient(
            base_url=base,
            auth=httpx.BasicAuth(user, password.get_secret_value() if password else ""),
            timeout=ASTERISK_SECONDS,
            trust_env=False,
            verify=client_context("ARI", settings.ca) if settings.ca else True,
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


class OperatorsFiles:
    """What operators edit while we run. A mistake is no reason to stop: the last good file goes on, and this tells."""

    def __init__(
        self,
        departments: Callable[[], Departments],
        fault: Callable[[], DepartmentsFileError | None],
        prompts_dir: Path,
    ) -> None:
        self._departments = departments
        self._fault = fault
        self._refused = prompts_dir / "build" / REFUSED

    def departments(self) -> Component:
        """Whether departments.toml, as it is on disk now, is the one in use."""
        self._departments()  # looks at the file
        fault = self._fault()
        if fault is None:
            return Component(True, "in use as on disk")
        place = Path(fault.file).name + (f":{fault.line}" if fault.line is not None else "")
        return Component(False, f"{place}: {fault.reason}; the last good file goes on")

    def prompts(self) -> Component:
        """Whether the last build of the prompts was refused (`innringing prompts build` leaves a note)."""
        try:
            reason = self._refused.read_text("utf-8").strip()
        except FileNotFoundError:
            return Component(True, "the last build is in use")
        except (OSError, UnicodeError):
            return Component(False, "what the last build left can't be read")
        return Component(False, f"{reason}; the last good prompts go on")
