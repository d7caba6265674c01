"""TLS to PostgreSQL. With `ssl=verify-full` the context is ours and not the driver's, which asks files of its user's.

The authority, certificate and key stand in the address under libpq's names (`sslrootcert`, `sslcert`, `sslkey`).
"""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import URL, make_url

from desk.errors import SettingsError
from desk.tls import PREFIX, client_context, distrust
from desk.trust_settings import FILES, is_verified

PutOn = Callable[[Any, Any, list[Any], dict[str, Any]], None]


class CertificateUnusable(OSError):
    """A certificate, key or authority can't be read, while running; the message is the line to show."""


def tls_of(url: str) -> tuple[URL, PutOn | None]:
    """The address without what is ours, and what to do before each connection; None where we don't check."""
    address = make_url(url)
    authority, certificate, key = (_file(address, name) for name in FILES.values())
    bare = address.difference_update_query(FILES.values())
    if not is_verified(url):
        return bare, None

    def put_on(_dialect: Any, _record: Any, _arguments: list[Any], options: dict[str, Any]) -> None:
        """Made anew each time: certificates that live for hours are renewed in place."""
        try:
            options["ssl"] = client_context("DATABASE", authority, certificate, key)
        except SettingsError as error:
            raise CertificateUnusable(error.detail) from None

    return bare.difference_update_query(["ssl"]), put_on


def advice(error: BaseException | None) -> str:
    """What to mend where encryption or the role is what a connection failed by; empty where it is not."""
    while error is not None:
        if told := _advice(error):
            return told
        error = getattr(error, "orig", None) or error.__cause__
    return ""


def _advice(error: BaseException) -> str:
    match error:
        case CertificateUnusable():
            return str(error)
        case ssl.SSLCertVerificationError():
            return distrust(error, "DATABASE", "DATABASE_URL")
        case ssl.SSLError() if "ALERT" in (error.reason or ""):
            return f"It ended TLS: has {PREFIX}DATABASE_CERTIFICATE expired, or did another authority issue it?"
        case asyncpg.InvalidPasswordError():
            return f"It refuses the password of {PREFIX}DATABASE_URL."
        case asyncpg.InvalidAuthorizationSpecificationError():
            return (
                "Its pg_hba.conf refuses the role, or how it comes: without TLS (?ssl=verify-full), or without the "
                f"role's own certificate ({PREFIX}DATABASE_CERTIFICATE)."
            )
        case ConnectionError() if "rejected SSL" in str(error):
            return "It speaks no TLS: turn ssl on in its postgresql.conf."
        case _:
            return ""


def _file(address: URL, name: str) -> Path | None:
    given = address.query.get(name)
    return Path(given) if isinstance(given, str) else None
