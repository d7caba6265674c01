"""Connections that leave this machine: in production none is in clear unless somebody has said that it may be."""

from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from desk.errors import SettingsError

SAID = frozenset({"verify-full", "verify-ca", "require", "disable"})
"""What `ssl` may say in the address of a database elsewhere; `prefer` and `allow` fall back in silence."""


def check_connections(database_url: str, ari_url: str) -> None:
    """Raises SettingsError: passwords and patients' data would cross a network in clear, with nobody having chosen it.

    `INNRINGING_DATABASE_URL` says `ssl=verify-full` (or `disable`, for a network that is encrypted otherwise);
    Asterisk's own HTTP server is on this machine, or spoken to over https.
    """
    database, ari = urlsplit(database_url), urlsplit(ari_url)
    if not database.scheme.startswith("sqlite") and not _on_this_machine(_host_of_database(database_url)):
        ssl = parse_qs(database.query).get("ssl", [""])[-1]
        if ssl not in SAID:
            raise SettingsError(
                "INNRINGING_DATABASE_URL: the database is on another machine: end it with ?ssl=verify-full, "
                "or ?ssl=disable where the network itself is encrypted."
            )
    if ari.scheme != "https" and not _on_this_machine(ari.hostname):
        raise SettingsError(
            "INNRINGING_ARI_URL: Asterisk is on another machine, and its password would travel in clear: use https."
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
