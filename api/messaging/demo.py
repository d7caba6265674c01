"""The demo's gateway for text messages: nothing is sent, and var/sms.jsonl shows what would have been."""

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
    """A `desk.sms.SmsGateway` that writes one JSON line a text, numbers masked, into a file only its owner reads.

    A text that comes again under its key is not written again, as long as this process lives.
    """

    def __init__(self, var_dir: Path, clock: Clock) -> None:
        self.file = var_dir / FILE
        self._clock = clock
        self._written: set[str] = set()

    async def send(self, key: str, to: PhoneNumber, text: str, *, valid: timedelta) -> str:
        """Write it down. Raises TryLater when the file can't be written."""
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
        """Nothing is open."""

    def _write(self, line: str) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with open(descriptor, "w", encoding="utf-8") as out:
            out.write(line)
