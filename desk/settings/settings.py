"""Settings from the environment, prefix INNRINGING_. Read once, at the outermost door, and passed on by hand."""

import base64
import os
import re
import secrets
from collections.abc import Mapping
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from desk.accounts.second_factor.totp import SecondFactorPolicy
from desk.accounts.sessions.limits import Limits
from desk.errors import SettingsError
from desk.limits.dial_caps import DialCaps
from desk.paths import ROOT
from desk.settings.limits import LimitSettings
from desk.settings.network import NetworkSettings
from desk.settings.oidc import OidcSettings
from desk.settings.outgoing import check_connections
from desk.settings.sms import SmsSettings
from desk.settings.trust import TrustSettings, with_files
from desk.vault.keys import KEY_ADVICE, KEY_BYTES, Keys, parse_keys, read_secret

"""The checkout: dialplan/, prompts/ and migrations/ are there, and var/ by default."""

PREFIX = "INNRINGING_"
KEYS_FILE = "keys.env"
SECRETS = (
    *("identity_key", "index_key", "ari_password", "ari_reader_password", "database_url", "migration_url"),
    *("sms_password", "sms_report_secret"),
    *("oidc_client_secret", "oidc_client_key"),
)
"""Settings that may stand in a file, named by INNRINGING_…_FILE."""
SQLITE = "sqlite+aiosqlite:///"
POSTGRESQL = "postgresql+asyncpg://"

Seconds = Annotated[int, Field(ge=1, le=120)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(SmsSettings, OidcSettings, NetworkSettings, TrustSettings, LimitSettings):
    """General: every setting, checked, with absolute paths. Build it with `Settings.load()`; `repr` hides secrets."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True, validate_default=True)

    environment: Literal["production", "demo"] = "production"
    """`demo` accepts synthetic identity numbers and makes its own keys; `make run` sets it."""
    # var_dir and ari_port stand before the addresses made from them: fields are validated in this order.
    departments_file: Path = Path("dialplan/departments.toml")
    """The departments: numbers, hours, promises (docs/operator.md)."""
    prompts_dir: Path = Path("prompts")
    """The folder with the catalogue, the recordings and sms.toml."""
    var_dir: Path = Path("var")
    """The folder for what the service writes. A second copy on the same machine needs another, and ports of its own."""
    runner: Literal["auto", "docker", "tree"] = "auto"
    """How `make run` and the tests start Asterisk: `docker`, or `tree`, from a folder of unpacked packages. `auto` uses
    Docker if there is an engine.
    """

    database_url: str = Field(default=f"{SQLITE}innringing.db", repr=False)
    """`sqlite+aiosqlite:///name.db` (a relative name is under VAR_DIR), or
    `postgresql+asyncpg://user:password@host/name`; on another machine with `?ssl=verify-full` at its end.
    """

    ari_port: Port = 8088
    """The port of the Asterisk that `make run` starts."""
    ari_url: str = ""
    """Base address of Asterisk's HTTP server, without `/ari`. Empty: this machine, ARI_PORT."""
    ari_user: str = "innringing"
    """The ARI user of the phone door."""
    ari_password: SecretStr | None = None
    """Its password. The demo makes one."""
    ari_reader: str = "innringing-reader"
    """An ARI user with read access only, for the web door (docs/network.md#listeners). Used where its password
    is set.
    """
    ari_reader_password: SecretStr | None = None
    """The password of ARI_READER."""

    api_host: str = "127.0.0.1"
    """The address the web door listens on."""
    api_port: Port = 8000
    """The port the web door listens on."""
    sip_host: str = "127.0.0.1"
    """The address Asterisk takes SIP on. `0.0.0.0` lets a trunk or phones on other machines in."""
    sip_port: Port = 5060
    """The UDP port Asterisk takes SIP on."""
    rtp_ports: str = "10000-10999"
    """First and last UDP port for sound."""

    trunk: str = ""
    """`host` or `host:port` of the telephone company's SIP trunk, used by click to call (docs/api.md#click-to-call).
    Empty: patients can't be called from here.
    """
    agent_rings: Seconds = 25
    """Seconds that click to call rings the agent's phone."""
    patient_rings: Seconds = 40
    """Seconds that click to call rings the patient's phone."""
    dials_a_number_a_day: Annotated[int, Field(ge=1)] = 6
    """How often one number may be dialled in a day."""
    dials_an_agent_a_day: Annotated[int, Field(ge=1)] = 300
    """How often one agent may dial in a day."""

    identity_key: SecretStr | None = None
    """32 random bytes in base64 (`openssl rand -base64 32`), or several by version, that encrypt personal data.
    Production refuses to start without it (docs/security.md#keys).
    """
    index_key: SecretStr | None = None
    """Written the same way: a person is found again by this key. It must differ from IDENTITY_KEY."""

    session_idle_minutes: Annotated[int, Field(ge=1, le=720)] = 30
    """Minutes a log-in lasts without a request (docs/security.md#signing-in)."""
    session_hours: Annotated[int, Field(ge=1, le=24)] = 12
    """Hours a log-in lasts in all."""
    second_factor: SecondFactorPolicy | None = None
    """Which accounts with a password need a second factor: `off`, `privileged` or `all`
    (docs/security.md#a-second-factor). Unset: `privileged`; `off` in the demo.
    """

    retention_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """Days after closing until personal data are deleted (docs/security.md#how-long-things-are-kept)."""
    retention_at: time = time(3, 30)
    """When the nightly deletion runs: time of day in Oslo."""
    audit_retention_days: Annotated[int, Field(ge=90, le=36500)] = 1827
    """Days that the audit is kept (docs/security.md#audit). The default is five years."""
    audit_fold_minutes: Annotated[int, Field(ge=0, le=60)] = 15
    """Minutes in which a list that the same person views again adds only its new callbacks to the audit; 0: every view
    adds all of them.
    """
    migration_url: str = Field(default="", repr=False)
    """The PostgreSQL database with the role that owns the tables, for `innringing migrate` and the deletion of old
    audit rows. Empty: DATABASE_URL.
    """

    allow_foreign: bool = False
    """Whether foreign phone numbers are accepted."""
    enable_h_numbers: bool = False
    """Whether identity numbers that a hospital has issued itself (H-numbers) are accepted."""

    @classmethod
    def load(cls, *, need_keys: bool = True, **given: Any) -> Self:
        """Read the environment; `given` wins over it. Raises SettingsError: one line, the variable, what to mend.

        Secrets may stand in files: INNRINGING_IDENTITY_KEY_FILE and so on. In demo, missing keys and ARI password are
        made once and kept in var/keys.env (mode 0600). `need_keys=False` is for commands that touch no patient: in
        production they may run without keys.
        """
        given = {**_from_files(given), **given}
        try:
            settings = cls(**given)
            if settings.demo:
                settings = cls(**{**_kept_secrets(settings), **given})
        except ValidationError as error:
            raise SettingsError(_one_line(error)) from None
        settings.check_sms()
        settings.check_oidc()
        settings.check_network()
        settings.check_trust(
            database_url=settings.database_url,
            ari_url=settings.ari_url,
            sms_url=settings.sms_url,
            oidc_issuer=settings.oidc_issuer,
        )
        if not settings.demo:
            check_connections(settings.database_url, settings.ari_url, settings.migration_url)
        if need_keys:
            settings._check_keys()
        return settings

    @property
    def demo(self) -> bool:
        """Whether this is the demo environment, where synthetic identity numbers pass."""
        return self.environment == "demo"

    @property
    def owner_url(self) -> str:
        """The database as the owner of its tables reaches it."""
        return self.migration_url or self.database_url

    @property
    def rtp_range(self) -> tuple[int, int]:
        """The first and last RTP port."""
        first, last = self.rtp_ports.split("-")
        return int(first), int(last)

    @property
    def session_limits(self) -> Limits:
        """How long a log-in lasts."""
        return Limits(idle=timedelta(minutes=self.session_idle_minutes), absolute=timedelta(hours=self.session_hours))

    @property
    def second_factor_policy(self) -> SecondFactorPolicy:
        """Whose log-in with a password must have a second factor."""
        usual = SecondFactorPolicy.OFF if self.demo else SecondFactorPolicy.PRIVILEGED
        return usual if self.second_factor is None else self.second_factor

    @property
    def dial_caps(self) -> DialCaps:
        """How often may be rung in one day."""
        return DialCaps(number=self.dials_a_number_a_day, agent=self.dials_an_agent_a_day)

    def keys(self) -> tuple[Keys, Keys]:
        """(identity keys, index keys). Raises SettingsError when one is missing."""
        identity = parse_keys(_present(self.identity_key, "IDENTITY_KEY").get_secret_value())
        return identity, parse_keys(_present(self.index_key, "INDEX_KEY").get_secret_value())

    def require_ari_password(self) -> str:
        """The ARI password in clear. Raises SettingsError when it is missing."""
        if self.ari_password is None:
            raise SettingsError(f"{PREFIX}ARI_PASSWORD is not set: it is the password of the ARI user in ari.conf.")
        return self.ari_password.get_secret_value()

    def _check_keys(self) -> None:
        identity, index = self.keys()
        if set(index.by_version.values()) & set(identity.by_version.values()):
            raise SettingsError(f"{PREFIX}INDEX_KEY must differ from {PREFIX}IDENTITY_KEY; {KEY_ADVICE}")

    @field_validator("departments_file", "access_file", "prompts_dir", "var_dir")
    @classmethod
    def _under_root(cls, path: Path) -> Path:
        return ROOT / path.expanduser()

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str, info: ValidationInfo) -> str:
        scheme, _, rest = url.partition("://")
        if scheme in ("postgresql", "postgresql+asyncpg") and rest:
            return with_files(POSTGRESQL + rest, info.data)
        path = rest.removeprefix("/").partition("?")[0]
        if scheme == "sqlite+aiosqlite" and rest.startswith("/") and path:
            if path == ":memory:" or "var_dir" not in info.data:
                return url
            return f"{SQLITE}{info.data['var_dir'] / path}{rest.removeprefix('/')[len(path) :]}"
        raise ValueError(f"write {POSTGRESQL}user:password@host/name or {SQLITE}name.db")

    @field_validator("migration_url")
    @classmethod
    def _owners_database(cls, url: str, info: ValidationInfo) -> str:
        scheme, _, rest = url.partition("://")
        if url and (scheme not in ("postgresql", "postgresql+asyncpg") or not rest):
            raise ValueError(f"write {POSTGRESQL}owner:password@host/name, or leave it out")
        return with_files(POSTGRESQL + rest, info.data) if url else url

    @field_validator("ari_url")
    @classmethod
    def _base_address(cls, url: str, info: ValidationInfo) -> str:
        if not url:
            return f"http://127.0.0.1:{info.data.get('ari_port', '')}"
        advice = "write http://host:port or https://host:port"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError(advice) from None
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or parts.query or parts.fragment:
            raise ValueError(advice)
        if parts.username is not None or parts.password is not None:
            raise ValueError(f"leave user and password out; they are {PREFIX}ARI_USER and {PREFIX}ARI_PASSWORD")
        return url.rstrip("/").removesuffix("/ari").rstrip("/")

    @field_validator("trunk")
    @classmethod
    def _host_and_port(cls, trunk: str) -> str:
        if trunk and not re.fullmatch(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?", trunk, re.ASCII):
            raise ValueError("write the host, or host:port, of your telephone company's SIP trunk")
        return trunk

    @field_validator("rtp_ports")
    @classmethod
    def _ports_ascend(cls, ports: str) -> str:
        match = re.fullmatch(r"([0-9]{4,5})-([0-9]{4,5})", ports)
        if not match or not 1024 <= int(match[1]) < int(match[2]) <= 65535:
            raise ValueError("write first-last, such as 10000-10999, between 1024 and 65535")
        return ports

    @field_validator("retention_at", mode="before")
    @classmethod
    def _wall_time(cls, at: object) -> object:
        if isinstance(at, str) and not re.fullmatch(r"([01][0-9]|2[0-3])(:[0-5][0-9]){1,2}", at, re.ASCII):
            raise ValueError("write a time of day in Oslo, such as 03:30")
        return at

    @field_validator("identity_key", "index_key")
    @classmethod
    def _keys_of_32_bytes(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None:
            parse_keys(key.get_secret_value())
        return key


def _present(key: SecretStr | None, name: str) -> SecretStr:
    if key is None:
        raise SettingsError(f"{PREFIX}{name} is not set; {KEY_ADVICE}")
    return key


def _from_files(given: Mapping[str, Any]) -> dict[str, str]:
    """The secrets that stand in files. Raises SettingsError: one can't be read, or the variable itself is set too."""
    found = {}
    for name in SECRETS:
        variable = PREFIX + name.upper()
        file = os.environ.get(f"{variable}_FILE")
        if not file or name in given:
            continue
        if os.environ.get(variable):
            raise SettingsError(f"{variable} and {variable}_FILE are both set: keep one.")
        try:
            found[name] = read_secret(Path(file))
        except ValueError as fault:
            raise SettingsError(f"{variable}_FILE: {fault}") from None
    return found


def _one_line(error: ValidationError) -> str:
    """The first fault as «INNRINGING_NAME: what to mend», without the value, which may be a secret."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = "_".join(str(part) for part in first["loc"]).upper()
    reason = first["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    return f"{PREFIX}{name}: {reason}"


def _kept_secrets(settings: Settings) -> dict[str, str]:
    """The demo's secrets that the environment doesn't give, from var/keys.env, which is made if it is missing."""
    file = settings.var_dir / KEYS_FILE
    missing = [name for name in ("ari_password", "identity_key", "index_key") if getattr(settings, name) is None]
    if not missing:
        return {}
    try:
        if not file.exists():
            _make_secrets(file)
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise SettingsError(f"{PREFIX}VAR_DIR: can't keep the demo's keys in {file}: {reason}") from None
    kept = dict(line.split("=", 1) for line in lines if "=" in line)
    try:
        return {name: kept[PREFIX + name.upper()] for name in missing}
    except KeyError as name:
        raise SettingsError(f"{name.args[0]} is missing from {file}: mend it, or delete the file and var/") from None


def _make_secrets(file: Path) -> None:
    """Write the secrets in one step, so that two processes starting at once read the same ones."""
    file.parent.mkdir(parents=True, exist_ok=True)
    values = {
        "ARI_PASSWORD": secrets.token_urlsafe(24),
        "IDENTITY_KEY": base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode(),
        "INDEX_KEY": base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode(),
    }
    draft = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as out:
            out.writelines(f"{PREFIX}{name}={value}\n" for name, value in values.items())
        os.link(draft, file)
    except FileExistsError:
        return  # another process was first: its secrets hold
    finally:
        draft.unlink()
