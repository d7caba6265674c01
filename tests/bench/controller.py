"""Our side of the comparison, as a process: the shortest conversation that does what the plain dialplan does.

Ask, collect eleven digits, commit a callback, confirm. Everything below the conversation is the product's own. Each
call leaves one line of JSON in the file named on the command line.
"""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from typing import TextIO

import uvloop

from desk.access.actor import CALLER
from desk.clock import SystemClock
from desk.departments.departments import Department
from desk.departments.file import load_departments
from desk.logging.log import configure_logging
from desk.numbers.identity_number import parse_identity
from desk.numbers.phone_number import parse_phone
from desk.settings.settings import Settings
from desk.wire import make_callbacks, open_database
from ivr.asterisk.ari import Ari
from ivr.calls.call import Call
from ivr.calls.controller import Controller
from ivr.calls.desk import CallDesk


class Conversation:
    """Called once for each call."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    async def __call__(self, call: Call, desk: CallDesk, department: Department) -> None:
        keys = await call.ask("ask_identity", digits=11, first=8, between=4)
        keyed = time.perf_counter()
        patient = parse_identity(keys.digits, allow_test=True, allow_h=False)
        phone = parse_phone(call.caller.number)
        await desk.register(CALLER, call.key, department.slug, patient, phone, language=call.language)
        committed = time.perf_counter()
        self._out.write(
            json.dumps({"phone": phone.e164, "identity": keys.digits, "ms": 1000 * (committed - keyed)}) + "\n"
        )
        await call.play("received")


async def serve(out: TextIO) -> None:
    settings = Settings.load()
    configure_logging(settings.secrets(), readable=settings.demo)
    departments = load_departments(settings.files.departments)
    ari = Ari(base_url=settings.ari.url, user=settings.ari.user, password=settings.ari.require_password())
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with open_database(settings.database) as database:
        registration = make_callbacks(database, settings, SystemClock()).registration
        conversation = Conversation(out)
        controller = Controller(
            ari=ari, registration=registration, departments=lambda: departments, conversation=conversation
        )
        await controller.serve(stopping)


if __name__ == "__main__":
    with Path(sys.argv[1]).open("a", buffering=1) as file:  # synthetic numbers only
        uvloop.run(serve(file))
