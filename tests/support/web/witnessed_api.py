"""The api with a witness at its door: `python -m tests.support.web.witnessed_api`, with the usual settings.

A request that shows a patient without a trail fails in the log, which then has the word UnrecordedPatient.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final
from unittest.mock import patch

from starlette.types import ASGIApp, Receive, Scope, Send

from api.app import create_app
from api.services import Services
from desk.audit.audit import AuditEntry
from desk.settings.settings import Settings
from ops.commands import api as command
from tests.support.web.witness import HeardAudit, Witness

FAULT: Final = "UnrecordedPatient"


class Checking(Witness):
    """Checks after each request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(scope, receive, send)
        await self.check()


def witnessed(settings: Settings, *, services: Services) -> ASGIApp:
    """The application, with a witness around it."""
    heard: list[AuditEntry] = []
    database, clock = services.audit._database, services.clock
    fold = timedelta(minutes=settings.audit.fold_minutes)
    vault, fallback = services.audit._vault, services.audit_fallback
    audit = HeardAudit(heard, database=database, vault=vault, clock=clock, fold=fold, fallback=fallback)
    return Checking(create_app(settings, services=replace(services, audit=audit)), database, heard)


if __name__ == "__main__":
    with patch.object(command, "create_app", witnessed):
        command.api()
