"""Connections that leave this machine: in production none is in clear unless somebody has said that it may be."""

from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from desk.errors import SettingsError

SAID = frozenset({"verify-full", "disable"})
"""What `ssl` may say in the address of a database elsewhere.

`prefer` and `allow` fall back in silence, `require` and `verify-ca` encrypt to whoever answers.
"""


def check_connections(database_url: str, ari_url: str, migration_url: str = "") -> None:
    """Raises SettingsError: passwords and patients' data would cross a network in clear, with nobody having chosen it.

    `INNRINGING_DATABASE_URL` and `INNRINGING_MIGRATION_URL` say `ssl=verify-full` (or `disable`, for a network that is
    encrypted otherwise); Asterisk's own HTTP server is on this machine, or spoken to over https.
    """
    _check_database("DATABASE_URL", database_url)
    _check_database("MIGRATION_URL", migration_url)
    ari = urlsplit(ari_url)
    if ari.scheme != "https" and not _on_this_machine(ari.hostname):
        raise SettingsError(
            "INNRINGING_ARI_URL: Asterisk is on another machine, and its password would travel in clear: use https."
        )


def _check_database(setting: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme.startswith("sqlite") or _on_this_machine(_host_of_database(url)):
        return
    ssl = parse_qs(parts.query).get("ssl", [""])[-1]
    if ssl in SAID:
        return
    reason = "the database is on another machine"
    if ssl in ("require", "verify-ca"):
        reason = f"ssl={ssl} encrypts to whoever answers, and {reason}"
    raise SettingsError(
        f"INNRINGING_{setting}: {reason}: end it with ?ssl=verify-full (INNRINGING_DATABASE_CA names an authority of "
        "your own), or with ?ssl=disable where the network itself is encrypted."
    )


def _host_of_database(url: str) -> str | None:
    """The host, which may stand in the query as well; a path is a socket of this machine."""
    parts = urlsplit(url)
    return parse_qs(parts.query).get("host", [parts.hostname])[-1]


def _on_this_machine(host: str | None) -> bool:
    if not host or host.startswith("/") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
