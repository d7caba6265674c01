"""TLS to PostgreSQL. With `ssl=verify-full` the context is ours: the driver's would use files in the user's home.

The address names the authority, certificate and key as libpq does (`sslrootcert`, `sslcert`, `sslkey`).
"""

import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
from sqlalchemy import URL, make_url

from desk.connections.tls import DATABASE_FILES, PREFIX, client_context, distrust, is_verified
from desk.errors import SettingsError

POOLED: Final = (
    "A pooler in front of it gives each transaction another session (PgBouncer's pool_mode transaction or statement). "
    f"Set pool_mode = session for this database, or write PostgreSQL's own address in {PREFIX}DATABASE_URL."
)
PutOn = Callable[[Any, Any, list[Any], dict[str, Any]], Any]


class CertificateUnusable(OSError):
    """A certificate, key or authority can't be used any more. The message is shown to the operator."""


def tls_of(url: str) -> tuple[URL, PutOn | None]:
    """Return the address without our own parts, and what to do before each connection (None if TLS is not verified)."""
    address = make_url(url)
    authority, certificate, key = (_file(address, name) for name in DATABASE_FILES.values())
    bare = address.difference_update_query(DATABASE_FILES.values())
    if not is_verified(url):
        return bare, None

    made: dict[object, ssl.SSLContext] = {}

    def put_on(dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        """Read the files again when they have changed: short-lived certificates are renewed in place."""
        state = tuple(_state(path) for path in (authority, certificate, key))
        try:
            if state not in made:
                made.clear()
                made[state] = client_context("DATABASE", authority, certificate, key)
        except SettingsError as error:
            raise CertificateUnusable(error.detail) from None
        options["ssl"] = made[state]
        return _shown(certificate, lambda: dialect.connect(*arguments, **options)) if certificate else None

    return bare.difference_update_query(["ssl"]), put_on


def _shown(certificate: Path, connect: Callable[[], Any]) -> Any:
    """Connect. A server that refuses our certificate only hangs up, often before it says why."""
    if _has_expired(certificate):
        raise CertificateUnusable(f"{PREFIX}DATABASE_CERTIFICATE: {certificate} has expired: renew it.")
    try:
        return connect()
    except Exception as error:
        if any(isinstance(each, asyncpg.ConnectionDoesNotExistError | ConnectionResetError) for each in _chain(error)):
            raise CertificateUnusable(
                f"It hangs up on us: is its ssl_ca_file the authority that issued {PREFIX}DATABASE_CERTIFICATE?"
            ) from None
        raise


def _has_expired(certificate: Path) -> bool:
    from cryptography.x509 import load_pem_x509_certificate  # megabytes, only for a certificate of our own

    try:
        return load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc < datetime.now(UTC)
    except (OSError, ValueError):
        return False  # it is being replaced: connecting will show


def advice(error: BaseException) -> str:
    """Return what to fix if a connection failed because of encryption or the role; empty for other failures."""
    return next((hint for each in _chain(error) if (hint := _advice(each))), "")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and its causes: SQLAlchemy's, its adapter's, the driver's, Python's."""
    while error is not None:
        yield error
        error = getattr(error, "orig", None) or error.__cause__


def _advice(error: BaseException) -> str:
    match error:
        case CertificateUnusable():
            return str(error)
        case ssl.SSLCertVerificationError():
            return distrust(error, "DATABASE", "DATABASE_URL")
        case asyncpg.InvalidPasswordError():
            return f"It refuses the password of {PREFIX}DATABASE_URL."
        case asyncpg.InvalidAuthorizationSpecificationError():
            return (
                "Its pg_hba.conf refuses the role, or how it comes: without TLS (?ssl=verify-full), or without the "
                f"role's own certificate ({PREFIX}DATABASE_CERTIFICATE)."
            )
        case asyncpg.DuplicatePreparedStatementError() | asyncpg.InvalidSQLStatementNameError():
            return POOLED
        case ConnectionError() if "rejected SSL" in str(error):
            return "It speaks no TLS: turn ssl on in its postgresql.conf."
        case _:
            return ""


def _state(path: Path | None) -> tuple[int, int, int] | None:
    """Return what changes with a file; None if there is none or it can't be read."""
    try:
        seen = path.stat() if path else None
    except OSError:
        return None
    return (seen.st_mtime_ns, seen.st_size, seen.st_ino) if seen else None


def _file(address: URL, name: str) -> Path | None:
    given = address.query.get(name)
    return Path(given) if isinstance(given, str) else None
