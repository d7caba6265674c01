"""Certificates for a test: an authority of its own, and certificates that it issues."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

THIS_MACHINE = ("localhost", "127.0.0.1")


@dataclass(frozen=True)
class Certificate:
    """PEM files. `authority` has signed `certificate`."""

    authority: Path
    certificate: Path
    key: Path


class Authority:
    """An authority that issues certificates into `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Test authority")
        usual = x509.BasicConstraints(ca=True, path_length=0)
        own = _certificate_builder(self._name, self._name, self._key).add_extension(usual, critical=True)
        self.file = folder / "authority.pem"
        self.file.write_bytes(_pem(own.sign(self._key, hashes.SHA256())))

    def issue(
        self, subject: str, names: Sequence[str] = (), *, file: str | None = None, days: float = 1
    ) -> Certificate:
        """Issue a certificate for a server with `names`, valid from an hour ago (two days if `days` is negative)."""
        stem = file or subject
        made = Certificate(self.file, self._folder / f"{stem}-certificate.pem", self._folder / f"{stem}-key.pem")
        key = ec.generate_private_key(ec.SECP256R1())
        begun = _certificate_builder(_name(subject), self._name, key, days)
        if names:
            begun = begun.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        made.certificate.write_bytes(_pem(begun.sign(self._key, hashes.SHA256())))
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        made.key.write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
        made.key.chmod(0o600)
        return made


def make_certificate(folder: Path) -> Certificate:
    """A new certificate for this machine, from a new authority."""
    return Authority(folder).issue("localhost", THIS_MACHINE)


def _general(name: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name)


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate_builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: float = 1
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - (timedelta(hours=1) if days > 0 else timedelta(days=2)))
        .not_valid_after(now + timedelta(days=days))
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
