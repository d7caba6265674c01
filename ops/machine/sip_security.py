"""How Asterisk takes calls: UDP, or TLS with SRTP; written to local/pjsip.conf from INNRINGING_SIP_ENCRYPTION."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from api.web.server.tls import CertificateFault, server_context
from desk.errors import SettingsError
from desk.settings.settings import Settings

CERTIFICATE, KEY, AUTHORITIES = "sip-certificate.pem", "sip-key.pem", "sip-authorities.pem"
CIPHERS = ",".join(
    f"ECDHE-{signed}-{cipher}"
    for cipher in ("AES256-GCM-SHA384", "AES128-GCM-SHA256", "CHACHA20-POLY1305")
    for signed in ("ECDSA", "RSA")
)
SEALED = "media_encryption=sdes\nmedia_encryption_optimistic=no\n"
"""Sound by SRTP, its key told inside TLS; who offers plain RTP is refused (488)."""
PLAIN = "media_encryption=no\n"


def transports(settings: Settings, folder: Path) -> str:
    """The transports, the templates of phones and trunk, and where the trunk is."""
    phones, trunk = settings.sip.encryption != "off", settings.sip.encryption == "all"
    parts = []
    if not trunk:  # where all is encrypted nothing listens for UDP
        parts.append(f"[transport-udp]\ntype=transport\nprotocol=udp\nbind={settings.sip.host}:{settings.sip.port}\n")
    if phones:
        parts.append(_tls(settings, folder / "keys"))
    parts.append(f"[phone-security](!)\n{SEALED if phones else PLAIN}")
    parts.append(f"[trunk-security](!)\n{SEALED if trunk else PLAIN}")
    contact = f"contact=sip:{settings.sip.trunk}{';transport=tls' if trunk else ''}\n" if settings.sip.trunk else ""
    parts.append(f"[trunk]\ntype=aor\n{contact}")
    return "\n".join(parts)


def _tls(settings: Settings, keys: Path) -> str:
    return (
        f"[transport-tls]\ntype=transport\nprotocol=tls\nbind={settings.sip.host}:{settings.sip.tls_port}\n"
        f"cert_file={keys / CERTIFICATE}\npriv_key_file={keys / KEY}\nca_list_file={keys / AUTHORITIES}\n"
        # One version, for it can't be said as a lowest one: all phones know 1.2.
        f"method=tlsv1_2\ncipher={CIPHERS}\n"
        # The trunk must be whom its certificate says; phones show none, they have passwords.
        "verify_server=yes\nverify_client=no\nrequire_client_cert=no\n"
    )


def copy_certificates(settings: Settings, folder: Path) -> None:
    """Put what TLS needs where Asterisk can read it, also from inside a container. Raises SettingsError."""
    if settings.sip.encryption == "off":
        return
    given = settings.sip.tls_ca_file or Path(ssl.get_default_verify_paths().cafile or "")
    for name, source, setting in (
        (CERTIFICATE, settings.sip.tls_cert_file, "SIP_TLS_CERT_FILE"),
        (KEY, settings.sip.tls_key_file, "SIP_TLS_KEY_FILE"),
        (AUTHORITIES, given, "SIP_TLS_CA_FILE"),
    ):
        try:
            text = source.read_bytes() if source else b""
        except OSError as error:
            raise SettingsError(f"INNRINGING_{setting}: {source} can't be read: {error.strerror}") from None
        if b"-----BEGIN" not in text:
            raise SettingsError(f"INNRINGING_{setting}: {source} is not PEM")
        descriptor = os.open(folder / "keys" / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as out:
            out.write(text)
    _check_pair(settings.sip.tls_cert_file, settings.sip.tls_key_file)


def _check_pair(certificate: Path | None, key: Path | None) -> None:
    """Raises SettingsError: Asterisk would start with a pair that is none, and take no call over TLS."""
    assert certificate is not None and key is not None  # Settings.load() has seen to it
    try:
        server_context(certificate, key)
    except CertificateFault as fault:
        raise SettingsError(f"INNRINGING_SIP_TLS_CERT_FILE, INNRINGING_SIP_TLS_KEY_FILE: {fault}") from None
