"""Asterisk's files for TLS: a certificate and its key, or one line that says what is wrong."""

import stat
from pathlib import Path

import pytest

from desk.errors import SettingsError
from desk.settings.settings import Settings
from ops.machine import sip_security
from tests.support.certificates import Authority, Certificate


@pytest.fixture
def issued(tmp_path: Path) -> Certificate:
    return Authority(tmp_path / "authority").issue("phones", ["pbx.example"])


def copied(tmp_path: Path, certificate: Path, key: Path, authorities: Path) -> Path:
    folder = tmp_path / "asterisk"
    (folder / "keys").mkdir(parents=True)
    settings = Settings.load(
        environment="demo",
        var_dir=tmp_path / "var",
        sip_encryption="phones",
        sip_tls_cert_file=certificate,
        sip_tls_key_file=key,
        sip_tls_ca_file=authorities,
    )
    sip_security.copy_certificates(settings, folder)
    return folder / "keys"


@pytest.mark.usefixtures("clean_environment")
def test_matching_pair_is_copied_readable_by_asterisk_only(tmp_path: Path, issued: Certificate) -> None:
    keys = copied(tmp_path, issued.certificate, issued.key, issued.authority)
    assert (keys / sip_security.KEY).read_bytes() == issued.key.read_bytes()
    assert {stat.S_IMODE(file.stat().st_mode) for file in keys.iterdir()} == {0o600}


@pytest.mark.usefixtures("clean_environment")
def test_wrong_or_invalid_key_is_reported_in_one_line(tmp_path: Path, issued: Certificate) -> None:
    other = Authority(tmp_path / "other").issue("phones", ["pbx.example"])
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nhunter22\n-----END CERTIFICATE-----\n")
    words = tmp_path / "words.pem"
    words.write_text("hunter22")
    wrong = [
        (issued.certificate, other.key, "is not the key of the certificate"),
        (broken, issued.key, "is not a certificate and key in PEM"),
        (tmp_path / "none.pem", issued.key, "can't be read: No such file or directory"),
        (words, issued.key, "is not PEM"),
    ]
    for n, (certificate, key, reason) in enumerate(wrong):
        with pytest.raises(SettingsError, match=r"INNRINGING_SIP_TLS_CERT_FILE") as refused:
            copied(tmp_path / str(n), certificate, key, issued.authority)
        assert reason in str(refused.value)
        assert "\n" not in str(refused.value) and "hunter22" not in str(refused.value)
