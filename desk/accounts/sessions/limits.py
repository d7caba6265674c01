"""How long a log-in lasts."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Limits:
    """Without a request, and in all."""

    idle: timedelta = timedelta(minutes=30)
    absolute: timedelta = timedelta(hours=12)
