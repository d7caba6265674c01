"""TLS to other systems: which authority we trust, and which certificate we present. The same for all of them."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from desk.errors import SettingsError

PREFIX = "INNRINGING_"
EXPIRED, NOT_YET_VALID, OTHER_NAMES = 10, 9, (62, 64)
"""OpenSSL's X509_V_ERR_*, the values of `SSLCertVerificationError.verify_code`."""
VERIFIED: Final = "verify-full"
DATABASE_FILES: Final = {"ca": "sslrootcert", "certificate": "sslcert", "key": "sslkey"}
"""The files of the database's settings, and what libpq calls them in an address."""


def is_verified(url: str) -> bool:
    """Whether the database at that address must have a certificate for its name."""
    return parse_qs(urlsplit(url).query).get("ssl", [""])[-1] == VERIFIED


def with_files(url: str, files: Mapping[str, Any]) -> str:
    """Return the address with the files in it, under libpq's names, so that all who connect use them."""
    named = {name: str(path) for field, name in DATABASE_FILES.items() if (path := files.get(field))}
    return f"{url}&{urlencode(named)}" if named and is_verified(url) else url


def check_authority(name: str, authority: Path | None, url: str, setting: str) -> None:
    """Raise SettingsError where `authority` can't be used, or is set while the address in `setting` is not https."""
    if authority is None:
        return
    if not url.startswith("https://"):
        raise SettingsError(f"{PREFIX}{name}_CA is set, but {PREFIX}{setting} is not an https:// address.")
    client_context(name, authority)


def client_context(
    name: str, authority: Path | None, certificate: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """Make a context for TLS 1.2 or newer, to a server with a certificate for its name that `authority` issued.

    Without `authority`, any that this machine trusts. `certificate` and `key` are those we present. All are PEM files.
    Raises SettingsError with the setting to fix: `name` is the part before _CA, _CERTIFICATE and _KEY.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # requires a certificate and checks its name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authority is None:
        context.load_default_certs()
    else:
        _readable(f"{name}_CA", authority)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an intermediate authority may be given alone
        try:
            context.load_verify_locations(authority)
        except ssl.SSLError:
            raise SettingsError(f"{PREFIX}{name}_CA: {authority} has no certificate in PEM.") from None
    if certificate is not None and key is not None:
        _present(context, name, certificate, key)
    return context


def distrust(error: ssl.SSLCertVerificationError, name: str, address: str) -> str:
    """Say why a server's certificate is not trusted, and how to fix it. `address` is the setting with its address."""
    if error.verify_code == EXPIRED:
        return "Its certificate has expired: renew it there."
    if error.verify_code == NOT_YET_VALID:
        return "Its certificate is not valid yet: check both clocks."
    if error.verify_code in OTHER_NAMES:
        return f"Its certificate is for another name: {PREFIX}{address} must have a name that is in it."
    return f"Its certificate was not issued by the authority in {PREFIX}{name}_CA: set it to the one that issued it."


def _present(context: ssl.SSLContext, name: str, certificate: Path, key: Path) -> None:
    _readable(f"{name}_CERTIFICATE", certificate)
    _readable(f"{name}_KEY", key)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        reason = f"{key} is not the key of {certificate}" if error.reason == "KEY_VALUES_MISMATCH" else "no PEM"
        raise SettingsError(f"{PREFIX}{name}_CERTIFICATE and {PREFIX}{name}_KEY: {reason}.") from None
    except ValueError:
        raise SettingsError(f"{PREFIX}{name}_KEY: {key} is protected by a password: store it without one.") from None


def _readable(setting: str, path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{PREFIX}{setting}: {path} can't be read: {error.strerror}.") from None


def _no_password() -> str:
    """Prevent OpenSSL from asking at the terminal."""
    raise ValueError
