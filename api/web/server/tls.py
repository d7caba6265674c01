"""TLS of the web door, where no proxy speaks it for us."""

import ssl
from pathlib import Path

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 has nothing else."""


class CertificateFault(Exception):
    """The certificate or its key can't be used; the message says which, and why."""


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 and newer with this certificate (PEM, its chain after it). Raises CertificateFault."""
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
        context.load_cert_chain(certificate, key, password=_none_is_known)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise CertificateFault(f"{key} is not the key of the certificate {certificate}") from None
        raise CertificateFault(f"{certificate} with {key} is no certificate and key in PEM") from None
    except ValueError:
        raise CertificateFault(
            f"{key} is locked by a password: give the key without one, readable by us alone"
        ) from None
    return context


def _none_is_known() -> str:
    """Without this OpenSSL would ask at the terminal."""
    raise ValueError
