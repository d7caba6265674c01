"""The demo's SMS gateway: it writes messages to var/sms.jsonl instead of sending them."""

import asyncio
import json
import os
from datetime import timedelta
from pathlib import Path

import structlog

from desk.clock import Clock
from desk.messages.model import TryLater
from desk.numbers.phone_number import PhoneNumber

FILE = "sms.jsonl"

log = structlog.get_logger(__name__)


class DemoGateway:
    """An SmsGateway that writes one JSON line per message, with masked numbers, to a file that only its owner can read.

    A message repeated under its key is written once for the lifetime of this process.
    """

    def __init__(self, var_dir: Path, clock: Clock) -> None:
        self.file = var_dir / FILE
        self._clock = clock
        self._written: set[str] = set()

    async def send(self, key: str, to: PhoneNumber, text: str, *, valid: timedelta) -> str:
        """Write the message. Raises TryLater when the file can't be written."""
        if key not in self._written:
            line = {"at": self._clock.now().isoformat(), "key": key, "to": to.masked, "text": text}
            try:
                await asyncio.to_thread(self._write, json.dumps(line, ensure_ascii=False) + "\n")
            except OSError:
                raise TryLater("file") from None
            self._written.add(key)
            log.info("sms written to the demo's file, not sent", to=to.masked)
        return f"demo-{key}"

    async def close(self) -> None:
        """Do nothing: the file is opened for each message."""

    def _write(self, line: str) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with open(descriptor, "w", encoding="utf-8") as out:
            out.write(line)
