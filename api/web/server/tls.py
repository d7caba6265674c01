"""TLS of the web door, where no proxy terminates it."""

import ssl
from pathlib import Path

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 has nothing else."""


class CertificateFault(Exception):
    """The certificate or its key can't be used; the message says which and why."""


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Build a context for TLS 1.2 and newer with this certificate (PEM, then its chain). Raises CertificateFault."""
    for path in (certificate, key):
        try:
            path.read_bytes()
        except OSError as error:
            raise CertificateFault(f"{path} can't be read: {error.strerror}") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise CertificateFault(f"{key} is not the key of the certificate {certificate}") from None
        raise CertificateFault(f"{certificate} with {key} is not a certificate and key in PEM") from None
    except ValueError:
        raise CertificateFault(
            f"{key} is encrypted: use a key without a password that only this service can read"
        ) from None
    return context


def _no_password() -> str:
    """Without this OpenSSL would ask for one at the terminal."""
    raise ValueError
