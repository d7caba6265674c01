"""TLS towards others: whom we believe there, and the certificate we show. One way for database, ARI, SMS and log-in."""

import ssl
from pathlib import Path

from desk.errors import SettingsError

PREFIX = "INNRINGING_"
EXPIRED, NOT_YET_VALID, OTHER_NAMES = 10, 9, (62, 64)
"""OpenSSL's X509_V_ERR_*, as `SSLCertVerificationError.verify_code` tells them."""


def client_context(
    name: str, authority: Path | None, certificate: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """TLS 1.2 or newer to who can show a certificate of its own name, issued by `authority` (PEM) and nobody else.

    None: by whom this machine trusts. `certificate` and `key` (PEM) are ours, to be shown. Raises SettingsError with
    the setting to mend: `name` is what stands before _CA, _CERTIFICATE and _KEY.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # asks for a certificate, and looks at its name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authority is None:
        context.load_default_certs()
    else:
        _readable(f"{name}_CA", authority)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an issuing authority below the root may be named alone
        try:
            context.load_verify_locations(authority)
        except ssl.SSLError:
            raise SettingsError(f"{PREFIX}{name}_CA: {authority} holds no certificate in PEM.") from None
    if certificate is not None and key is not None:
        _show(context, name, certificate, key)
    return context


def distrust(error: ssl.SSLCertVerificationError, name: str, address: str) -> str:
    """Why a server's certificate isn't believed, and what to mend. `address` is the setting that says where it is."""
    if error.verify_code == EXPIRED:
        return "Its certificate has expired: renew it there."
    if error.verify_code == NOT_YET_VALID:
        return "Its certificate is not valid yet: look at both clocks."
    if error.verify_code in OTHER_NAMES:
        return f"Its certificate is another name's: {PREFIX}{address} must say a name that stands in it."
    return f"Its certificate is not of those {PREFIX}{name}_CA vouches for: name the authority that issued it."


def _show(context: ssl.SSLContext, name: str, certificate: Path, key: Path) -> None:
    _readable(f"{name}_CERTIFICATE", certificate)
    _readable(f"{name}_KEY", key)
    try:
        context.load_cert_chain(certificate, key, password=_none_is_known)
    except ssl.SSLError as error:
        reason = f"{key} is not the key of {certificate}" if error.reason == "KEY_VALUES_MISMATCH" else "no PEM"
        raise SettingsError(f"{PREFIX}{name}_CERTIFICATE and {PREFIX}{name}_KEY: {reason}.") from None
    except ValueError:
        raise SettingsError(f"{PREFIX}{name}_KEY: {key} is locked by a password: give it without one.") from None


def _readable(setting: str, path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{PREFIX}{setting}: {path} can't be read: {error.strerror}.") from None


def _none_is_known() -> str:
    """Without this OpenSSL would ask at the terminal."""
    raise ValueError
