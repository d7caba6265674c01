"""Settings: defaults, one error line for each mistake, and secrets that stay secret."""

import base64
import multiprocessing
import stat
from pathlib import Path

import pytest

from desk.errors import SettingsError
from desk.logging.scrubber import Scrubber
from desk.paths import ROOT
from desk.settings.settings import Settings
from desk.vault.keys import VersionedKeys
from ops.machine.sip_security import transports

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(range(32, 64))).decode()


@pytest.fixture(autouse=True)
def own_environment(clean_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of this machine, and an own var/ folder."""
    monkeypatch.setenv("INNRINGING_VAR_DIR", str(tmp_path / "var"))


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNRINGING_IDENTITY_KEY", KEY)
    monkeypatch.setenv("INNRINGING_INDEX_KEY", OTHER_KEY)


@pytest.mark.usefixtures("keys")
def test_defaults_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INNRINGING_VAR_DIR")
    settings = Settings.load()
    assert settings.general.environment == "production"
    assert settings.files.var == ROOT / "var"
    assert settings.database.url == f"sqlite+aiosqlite:///{ROOT}/var/innringing.db"
    assert settings.files.departments == ROOT / "dialplan" / "departments.toml"
    assert settings.files.prompts == ROOT / "prompts"
    assert settings.ari.url == "http://127.0.0.1:8088"
    assert (settings.ari.user, settings.ari.password) == ("innringing", None)
    assert (settings.api.host, settings.api.port, settings.ari.port, settings.sip.port) == (
        "127.0.0.1",
        8000,
        8088,
        5060,
    )
    assert settings.sip.rtp_range == (10000, 10999)
    assert (settings.general.runner, settings.numbers.allow_foreign, settings.numbers.enable_h_numbers) == (
        "auto",
        False,
        False,
    )
    assert settings.vault.keys() == (
        VersionedKeys(1, {1: bytes(range(32))}),
        VersionedKeys(1, {1: bytes(range(32, 64))}),
    )


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("postgresql://u:p@db/innringing?ssl=disable", "postgresql+asyncpg://u:p@db/innringing?ssl=disable"),
        ("postgresql+asyncpg://u:p@db/innringing?ssl=disable", "postgresql+asyncpg://u:p@db/innringing?ssl=disable"),
        ("postgresql:///innringing?host=/run/postgresql", "postgresql+asyncpg:///innringing?host=/run/postgresql"),
        ("sqlite+aiosqlite:///other.db", "sqlite+aiosqlite:///{var}/other.db"),
        ("sqlite+aiosqlite:///sub/other.db?timeout=5", "sqlite+aiosqlite:///{var}/sub/other.db?timeout=5"),
        ("sqlite+aiosqlite:////srv/innringing.db", "sqlite+aiosqlite:////srv/innringing.db"),
        ("sqlite+aiosqlite:///:memory:", "sqlite+aiosqlite:///:memory:"),
        ("", "sqlite+aiosqlite:///{var}/innringing.db"),  # set and empty is not set
    ],
)
def test_database_address_is_normalised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str, kept: str) -> None:
    monkeypatch.setenv("INNRINGING_DATABASE_URL", given)
    assert Settings.load().database.url == kept.format(var=tmp_path / "var")


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://127.0.0.1:8088/ari", "http://127.0.0.1:8088"),
        ("http://127.0.0.1:8088/ari/", "http://127.0.0.1:8088"),
        ("https://pbx.example.org:8089", "https://pbx.example.org:8089"),
        ("https://pbx.example.org/prefix/ari", "https://pbx.example.org/prefix"),
    ],
)
def test_ari_address_is_normalised(monkeypatch: pytest.MonkeyPatch, given: str, kept: str) -> None:
    monkeypatch.setenv("INNRINGING_ARI_URL", given)
    assert Settings.load().ari.url == kept


@pytest.mark.usefixtures("keys")
def test_ari_address_follows_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNRINGING_ARI_PORT", "18088")
    assert Settings.load().ari.url == "http://127.0.0.1:18088"


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("name", "value", "mend"),
    [
        ("DATABASE_URL", "mysql://root:hunter22@db/x", "write postgresql+asyncpg://user:password@host/name or sqlite"),
        ("DATABASE_URL", "hunter22", "write postgresql+asyncpg://"),
        ("DATABASE_URL", "sqlite:///hunter22.db", "write postgresql+asyncpg://"),
        ("DATABASE_URL", "sqlite+aiosqlite://", "write postgresql+asyncpg://"),
        ("ARI_URL", "127.0.0.1:8088", "write http://host:port"),
        ("ARI_URL", "http://", "write http://host:port"),
        ("ARI_URL", "http://innringing:hunter22@pbx/ari", "leave user and password out"),
        ("ARI_URL", "http://pbx/ari?api_key=innringing:hunter22", "write http://host:port"),
        ("ARI_URL", "http://pbx:hunter22", "write http://host:port"),
        ("ARI_URL", "http://[::1", "write http://host:port"),
        ("API_PORT", "0", "greater than or equal to 1"),
        ("API_PORT", "70000", "less than or equal to 65535"),
        ("SIP_PORT", "hunter22", "it should be a valid integer"),
        ("RTP_PORTS", "10000", "write first-last"),
        ("RTP_PORTS", "20000-10000", "write first-last"),
        ("RTP_PORTS", "80-90", "write first-last"),
        ("RTP_PORTS", "10000-70000", "write first-last"),
        ("RETENTION_AT", "3.30", "write a time of day in Oslo, such as 03:30"),
        ("RETENTION_AT", "03:30+02:00", "write a time of day in Oslo, such as 03:30"),
        ("ENVIRONMENT", "hunter22", "it should be 'production' or 'demo'"),
        ("RUNNER", "podman", "it should be 'auto', 'docker' or 'tree'"),
        ("ALLOW_FOREIGN", "perhaps", "it should be a valid boolean"),
        ("IDENTITY_KEY", "hunter22", "it must be base64 of 32 bytes"),
        ("INDEX_KEY", base64.b64encode(b"hunter22").decode(), "it must be base64 of 32 bytes"),
        ("INDEX_KEY", "hunter22æ", "it must be base64 of 32 bytes"),
        ("INDEX_KEY", f"2:{KEY} 2:{OTHER_KEY}", "two keys of version 2"),
        ("IDENTITY_KEY", f"2:{KEY} 1:hunter22", "it must be base64 of 32 bytes"),
        ("IDENTITY_KEY", f"2:{KEY} 2:{OTHER_KEY}", "two keys of version 2"),
        ("IDENTITY_KEY", f"2:{KEY} 1:{KEY}", "two versions have the same key"),
        ("IDENTITY_KEY", f"0:{KEY}", "a key's version is 1 to 65535"),
        ("IDENTITY_KEY", f"99999:{KEY}", "a key's version is 1 to 65535"),
    ],
)
def test_faulty_setting_is_named_in_one_line_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, mend: str
) -> None:
    monkeypatch.setenv(f"INNRINGING_{name}", value)
    with pytest.raises(SettingsError) as refused:
        Settings.load()
    message = str(refused.value)
    assert f"INNRINGING_{name}: " in message
    assert mend in message
    assert "\n" not in message
    assert "hunter22" not in message
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("missing", ["IDENTITY_KEY", "INDEX_KEY"])
@pytest.mark.usefixtures("keys")
def test_production_needs_keys(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.delenv(f"INNRINGING_{missing}")
    with pytest.raises(SettingsError, match=f"INNRINGING_{missing} is not set; make one with"):
        Settings.load()
    assert Settings.load(need_keys=False).general.environment == "production"


@pytest.mark.usefixtures("keys")
def test_production_needs_two_different_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNRINGING_INDEX_KEY", KEY)
    with pytest.raises(SettingsError, match="INNRINGING_INDEX_KEY must differ"):
        Settings.load()


@pytest.mark.usefixtures("keys")
def test_production_generates_no_secrets(tmp_path: Path) -> None:
    settings = Settings.load()
    assert not (tmp_path / "var").exists()
    with pytest.raises(SettingsError, match="INNRINGING_ARI_PASSWORD is not set"):
        settings.ari.require_password()


def test_demo_generates_its_secrets_once(tmp_path: Path) -> None:
    first = Settings.load(environment="demo")
    second = Settings.load(environment="demo")
    assert first.vault.keys() == second.vault.keys()
    identity, index = first.vault.keys()
    assert identity.key != index.key
    assert first.ari.require_password() == second.ari.require_password() != ""
    file = tmp_path / "var" / "keys.env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in file.parent.iterdir()] == ["keys.env"]


def test_environment_overrides_the_demos_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Settings.load(environment="demo")
    monkeypatch.setenv("INNRINGING_ENVIRONMENT", "demo")
    monkeypatch.setenv("INNRINGING_ARI_PASSWORD", "from outside")
    settings = Settings.load()
    assert settings.demo
    assert settings.ari.require_password() == "from outside"
    assert settings.vault.keys() == made.vault.keys()


def _load_demo(var_dir: str) -> tuple[bytes, bytes]:
    identity, index = Settings.load(environment="demo", var_dir=var_dir).vault.keys()
    return identity.key, index.key


def test_processes_started_together_get_the_same_secrets(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.map(_load_demo, [str(tmp_path / "shared")] * 4, chunksize=1)
    assert len(set(found)) == 1


def test_unwritable_or_unreadable_demo_secrets_are_reported(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(SettingsError, match="INNRINGING_VAR_DIR: can't keep the demo's keys in"):
        Settings.load(environment="demo", var_dir=in_the_way)
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "keys.env").write_text(f"INNRINGING_IDENTITY_KEY={KEY}\n# INNRINGING_INDEX_KEY\n")
    with pytest.raises(SettingsError, match=r"INNRINGING_ARI_PASSWORD is missing from .*keys\.env"):
        Settings.load(environment="demo")
    (tmp_path / "var" / "keys.env").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"can't keep the demo's keys in .*: not text"):
        Settings.load(environment="demo")


@pytest.mark.usefixtures("keys")
def test_no_secret_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNRINGING_DATABASE_URL", "postgresql://u:hunter22@db/x?ssl=verify-full")
    monkeypatch.setenv("INNRINGING_ARI_PASSWORD", "hunter22")
    settings = Settings.load()
    for shown in (repr(settings), str(settings)):
        assert "hunter22" not in shown
        assert KEY not in shown
        assert OTHER_KEY not in shown


@pytest.mark.usefixtures("keys")
def test_settings_are_immutable() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.load().api.port = 1  # type: ignore[misc]


@pytest.mark.usefixtures("keys")
def test_trunk_is_a_host_with_an_optional_port() -> None:
    for trunk in ("", "sip.example.org", "192.0.2.7:5070"):
        assert Settings.load(trunk=trunk).sip.trunk == trunk
    for wrong in ("sip:example.org", "example.org;transport=tcp", "a b", "example.org:x", "example.org\n[evil]"):
        with pytest.raises(SettingsError, match="INNRINGING_TRUNK"):
            Settings.load(trunk=wrong)


@pytest.mark.usefixtures("keys")
def test_proxy_is_a_host_with_an_optional_port_or_two(tmp_path: Path) -> None:
    mark = {"sip_proxy_mark": "a" * 32}
    for good in ("192.0.2.7:5070", "[2001:db8::7]:5070", "192.0.2.7:5070,192.0.2.8"):
        assert Settings.load(sip_proxy=good, **mark).sip.ways_out == tuple(good.split(","))
    for bad in ("192.0.2.7,", "192.0.2.7, 192.0.2.8", "[2001:db8::7", "2001:db8::7"):
        with pytest.raises(SettingsError, match="INNRINGING_SIP_PROXY"):
            Settings.load(sip_proxy=bad, **mark)
    for bad in ("", "a" * 31, "a" * 32 + "\n", "a" * 32 + ";"):
        with pytest.raises(SettingsError, match="INNRINGING_SIP_PROXY_MARK"):
            Settings.load(sip_proxy="192.0.2.7", sip_proxy_mark=bad or None)
    with pytest.raises(SettingsError, match="INNRINGING_SIP_PROXY"):
        Settings.load(sip_proxy="sip:example.org")
    encrypted = {"sip_encryption": "phones", "sip_tls_cert_file": tmp_path / "c", "sip_tls_key_file": tmp_path / "k"}
    assert not Settings.load(sip_proxy="192.0.2.7", **mark, **encrypted).sip.in_clear
    with pytest.raises(SettingsError, match="INNRINGING_TRUNK must be empty with INNRINGING_SIP_PROXY"):
        Settings.load(sip_proxy="192.0.2.7", trunk="192.0.2.9", **mark, **encrypted)


@pytest.mark.usefixtures("keys")
def test_transports_behind_a_proxy_trust_its_mark_and_call_through_it() -> None:
    alone = transports(Settings.load(trunk="192.0.2.9"), Path())
    behind = transports(Settings.load(sip_proxy="192.0.2.7:5070", sip_proxy_mark="a" * 32), Path())
    assert "contact=sip:192.0.2.9\n" in alone and "match_header" not in alone and "rewrite_contact" not in alone
    assert "contact=sip:192.0.2.7:5070\n" in behind
    assert f"endpoint=trunk\nmatch_header=X-Innringing-Trunk: {'a' * 32}\n" in behind
    assert behind.count("rewrite_contact=no\n") == 2
    two = transports(Settings.load(sip_proxy="192.0.2.7,192.0.2.8", sip_proxy_mark="a" * 32), Path())
    assert "contact=sip:192.0.2.7\ncontact=sip:192.0.2.8\nqualify" in two


@pytest.mark.usefixtures("keys")
def test_proxy_before_encrypted_phones_brings_all_over_tls(tmp_path: Path) -> None:
    given = {"sip_tls_cert_file": tmp_path / "c", "sip_tls_key_file": tmp_path / "k", "sip_encryption": "phones"}
    written = transports(Settings.load(sip_proxy="192.0.2.7:5061", sip_proxy_mark="a" * 32, **given), Path())
    assert "protocol=udp" not in written and "protocol=tls" in written and "plain-sip-refused" not in written
    assert r"contact=sip:192.0.2.7:5061\;transport=tls" in written
    assert "[trunk-security](!)\nmedia_encryption=no" in written


@pytest.mark.usefixtures("keys")
def test_ringing_times_and_daily_limits_have_bounds() -> None:
    settings = Settings.load()
    assert (settings.dials.agent_rings, settings.dials.patient_rings) == (25, 40)
    assert (settings.dials.caps.number, settings.dials.caps.agent) == (6, 300)
    with pytest.raises(SettingsError, match="INNRINGING_PATIENT_RINGS"):
        Settings.load(patient_rings=0)


@pytest.mark.usefixtures("keys")
def test_first_of_several_keys_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    newest = base64.b64encode(b"n" * 32).decode()
    for written in (f"2:{newest} 1:{KEY}", f"2:{newest},{KEY}", f" 2:{newest}\n1:{KEY}\n"):
        monkeypatch.setenv("INNRINGING_IDENTITY_KEY", written)
        settings = Settings.load()
        identity, _ = settings.vault.keys()
        assert (identity.current, identity.key) == (2, b"n" * 32)
        assert identity.older == {1: bytes(range(32))}
        hidden = Scrubber(settings.secrets())(f"{newest} {KEY} {OTHER_KEY}")
        assert hidden == "*** *** ***"
        assert newest not in repr(identity)


@pytest.mark.usefixtures("keys")
def test_index_key_must_differ_from_the_identity_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNRINGING_IDENTITY_KEY", f"2:{KEY} 1:{OTHER_KEY}")
    with pytest.raises(SettingsError, match="INNRINGING_INDEX_KEY must differ"):
        Settings.load()


@pytest.mark.parametrize("name", ["IDENTITY_KEY", "INDEX_KEY", "ARI_PASSWORD", "DATABASE_URL"])
@pytest.mark.usefixtures("keys")
def test_secrets_are_read_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    written = "postgresql+asyncpg://u:p@127.0.0.1/x" if name == "DATABASE_URL" else base64.b64encode(b"f" * 32).decode()
    file = tmp_path / "secret"
    file.write_text(f"{written}\n")
    monkeypatch.delenv(f"INNRINGING_{name}", raising=False)
    monkeypatch.setenv(f"INNRINGING_{name}_FILE", str(file))
    found = Settings.load().values()[name.lower()]
    assert (found if isinstance(found, str) else found.get_secret_value()) == written
    monkeypatch.setenv(f"INNRINGING_{name}", written)
    with pytest.raises(SettingsError, match=f"INNRINGING_{name} and INNRINGING_{name}_FILE are both set: keep one"):
        Settings.load()


@pytest.mark.parametrize(
    ("content", "mend"),
    [
        (None, "can't be read: No such file"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "is not text"),
        (b"A" * 20_000, "is too large for a secret"),
        (b"hunter22", "it must be base64 of 32 bytes"),
    ],
)
@pytest.mark.usefixtures("keys")
def test_unusable_secret_file_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, mend: str
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    monkeypatch.delenv("INNRINGING_IDENTITY_KEY")
    monkeypatch.setenv("INNRINGING_IDENTITY_KEY_FILE", str(tmp_path / "secret"))
    with pytest.raises(SettingsError, match="INNRINGING_IDENTITY_KEY") as refused:
        Settings.load()
    assert mend in str(refused.value)
    assert "hunter22" not in str(refused.value)


def test_demo_generates_no_key_when_one_is_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(KEY)
    monkeypatch.setenv("INNRINGING_IDENTITY_KEY_FILE", str(tmp_path / "secret"))
    identity, _ = Settings.load(environment="demo").vault.keys()
    assert identity.key == bytes(range(32))
