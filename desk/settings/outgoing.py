"""Connections to other machines: in production none is unencrypted, unless the operator says that it may be."""

from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from desk.errors import SettingsError

CHOICES = frozenset({"verify-full", "disable"})
"""What `ssl` may be in the address of a database on another machine.

`prefer` and `allow` fall back silently; `require` and `verify-ca` do not check the server's name.
"""


def check_connections(database_url: str, ari_url: str, migration_url: str = "") -> None:
    """Raise SettingsError where passwords and patients' data would cross a network in clear without a decision.

    `INNRINGING_DATABASE_URL` and `INNRINGING_MIGRATION_URL` need `ssl=verify-full` (or `disable`, for a network that is
    encrypted otherwise); Asterisk's HTTP server is on this machine, or reached over https.
    """
    _check_database("DATABASE_URL", database_url)
    _check_database("MIGRATION_URL", migration_url)
    ari = urlsplit(ari_url)
    if ari.scheme != "https" and not _on_this_machine(ari.hostname):
        raise SettingsError(
            "INNRINGING_ARI_URL: Asterisk is on another machine, and its password would be sent in clear: use https."
        )


def _check_database(setting: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme.startswith("sqlite") or _on_this_machine(_host_of_database(url)):
        return
    ssl = parse_qs(parts.query).get("ssl", [""])[-1]
    if ssl in CHOICES:
        return
    reason = "the database is on another machine"
    if ssl in ("require", "verify-ca"):
        reason = f"ssl={ssl} encrypts without checking the server's name, and {reason}"
    raise SettingsError(
        f"INNRINGING_{setting}: {reason}: end it with ?ssl=verify-full (INNRINGING_DATABASE_CA names an authority of "
        "your own), or with ?ssl=disable where the network itself is encrypted."
    )


def _host_of_database(url: str) -> str | None:
    """The host, which may be in the query as well; a path is a socket of this machine."""
    parts = urlsplit(url)
    return parse_qs(parts.query).get("host", [parts.hostname])[-1]


def _on_this_machine(host: str | None) -> bool:
    if not host or host.startswith("/") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
