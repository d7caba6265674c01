"""Write Asterisk's SIP transports to local/pjsip.conf: UDP, or TLS with SRTP, from INNRINGING_SIP_ENCRYPTION."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from api.web.server.tls import CertificateFault, server_context
from desk.errors import SettingsError
from desk.settings.settings import Settings
from ops.machine import trunk
from ops.machine.ready import address

CERTIFICATE, KEY, AUTHORITIES = "sip-certificate.pem", "sip-key.pem", "sip-authorities.pem"
CIPHERS = ",".join(
    f"ECDHE-{signed}-{cipher}"
    for cipher in ("AES256-GCM-SHA384", "AES128-GCM-SHA256", "CHACHA20-POLY1305")
    for signed in ("ECDSA", "RSA")
)
ENCRYPTED = "media_encryption=sdes\nmedia_encryption_optimistic=no\n"
"""Sound over SRTP, with keys sent inside TLS. Calls with plain RTP are refused (488)."""
PLAIN = "media_encryption=no\n"
REFUSED = "plain-sip-refused-use-tls"
"""The endpoint of what arrives unencrypted from others than the trunk. Its name is the reason in Asterisk's log."""
IN_CLEAR = f"""\
[{REFUSED}]
type=endpoint
context=nowhere
allow_subscribe=no
[{REFUSED}]
type=identify
endpoint={REFUSED}
match_header=Via: /SIP\\/2\\.0\\/(UDP|TCP)/
"""
BY_PROXY = "rewrite_contact=no\n"
"""The proxy gives each request the way back (Path, Record-Route), so the phone's own address stays."""
CALLS_OF_THE_TRUNK = "[trunk-by-proxy]\ntype=identify\nendpoint=trunk\nmatch_header=X-Innringing-Trunk: {mark}\n"
"""The proxy marks the telephone company's calls. The mark is secret, because a header that the proxy and Asterisk read
differently could otherwise carry a stranger's mark past the proxy."""

SIGNS_OF_LIFE = (
    "[proxy-alive]\ntype=endpoint\ncontext=nowhere\nallow_subscribe=no\n"
    "[proxy-alive]\ntype=identify\nendpoint=proxy-alive\nmatch_header=From: /sip:proxy@/\n"
)
"""The proxy asks every second, which Asterisk would log as from no one it knows. Calls from there end nowhere."""


def transports(settings: Settings, folder: Path) -> str:
    """Return the transports, the templates for phones and trunk, how callers are identified, and the trunk itself.

    With encrypted phones and an unencrypted trunk, the trunk is identified by its address and everything else in clear
    is refused, also a registration with the right password. In the demo the trunk's address is that of the phones.
    Behind a proxy the trunk's sound may be in clear, but all of SIP comes over TLS.
    """
    phones, encrypted_trunk = settings.sip.encryption != "off", settings.sip.encryption == "all"
    parts = []
    if settings.sip.in_clear:
        bind = address(settings.sip.host, settings.sip.port)
        parts += [
            f"[transport-{each}]\ntype=transport\nprotocol={each}\nbind={bind}\n{trunk.public_address(settings)}"
            for each in ("udp", "tcp")
        ]
    if phones:
        parts.append(_tls(settings, folder / "keys"))
    by_proxy = BY_PROXY if settings.sip.proxy else ""
    parts.append(f"[phone-security](!)\n{ENCRYPTED if phones else PLAIN}{by_proxy}")
    options = by_proxy + trunk.endpoint_options(settings)
    parts.append(f"[trunk-security](!)\n{ENCRYPTED if encrypted_trunk else PLAIN}{options}")
    parts += trunk.sections(settings)
    refuses = phones and settings.sip.in_clear and not settings.demo
    order = "ip,header,username" if refuses else "username,header,ip"
    parts.append(f"[identification](!)\nendpoint_identifier_order={order}\n")
    parts += [IN_CLEAR] if refuses else []
    if settings.sip.proxy and settings.sip.proxy_mark:
        parts += [CALLS_OF_THE_TRUNK.format(mark=settings.sip.proxy_mark.get_secret_value()), SIGNS_OF_LIFE]
    return "\n".join(parts)


def _tls(settings: Settings, keys: Path) -> str:
    return (
        f"[transport-tls]\ntype=transport\nprotocol=tls\nbind={address(settings.sip.host, settings.sip.tls_port)}\n"
        f"cert_file={keys / CERTIFICATE}\npriv_key_file={keys / KEY}\nca_list_file={keys / AUTHORITIES}\n"
        # This setting is one exact version, not a minimum. All phones support 1.2.
        f"method=tlsv1_2\ncipher={CIPHERS}\n"
        # The trunk's certificate is verified. Phones have passwords and no certificates.
        "verify_server=yes\nverify_client=no\nrequire_client_cert=no\n" + trunk.public_address(settings)
    )


def copy_certificates(settings: Settings, folder: Path) -> None:
    """Copy certificates and keys to where Asterisk can read them, also in a container. Raises SettingsError."""
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
    """Raise SettingsError if certificate and key do not match: Asterisk would start, but accept no calls over TLS."""
    assert certificate is not None and key is not None  # Settings.load() requires them
    try:
        server_context(certificate, key)
    except CertificateFault as fault:
        raise SettingsError(f"INNRINGING_SIP_TLS_CERT_FILE, INNRINGING_SIP_TLS_KEY_FILE: {fault}") from None
