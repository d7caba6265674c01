"""Settings from the environment, prefix INNRINGING_. Read at the outermost door, and passed on group by group."""

from collections.abc import Iterator
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from desk.errors import SettingsError
from desk.settings.api import ApiSettings
from desk.settings.ari import AriSettings
from desk.settings.database import DatabaseSettings
from desk.settings.dials import DialSettings
from desk.settings.files import FileSettings
from desk.settings.general import GeneralSettings
from desk.settings.group import Group, may_be_in_file
from desk.settings.limits import LimitSettings
from desk.settings.login import LoginSettings
from desk.settings.numbers import NumberSettings
from desk.settings.oidc import OidcSettings
from desk.settings.outgoing import check_connections
from desk.settings.retention import AuditSettings, RetentionSettings
from desk.settings.secret_files import DEMO_SECRETS, demo_secrets, secrets_in_files
from desk.settings.sip import SipSettings
from desk.settings.sms import SmsSettings
from desk.settings.standby import StandbySettings
from desk.settings.trunk import TrunkSettings
from desk.settings.vault import VaultSettings


class Settings(BaseModel):
    """All settings, in groups. Paths are absolute; secrets are hidden in `repr`. Use `Settings.load()`.

    Where settings are given by name, the name is the variable's in lower case without INNRINGING_: `sms_url`.
    """

    model_config = ConfigDict(frozen=True)

    general: GeneralSettings
    files: FileSettings
    vault: VaultSettings
    database: DatabaseSettings
    api: ApiSettings
    login: LoginSettings
    oidc: OidcSettings
    limits: LimitSettings
    retention: RetentionSettings
    audit: AuditSettings
    ari: AriSettings
    standby: StandbySettings
    sip: SipSettings
    trunk: TrunkSettings
    dials: DialSettings
    sms: SmsSettings
    numbers: NumberSettings

    @classmethod
    def load(cls, *, need_keys: bool = True, **given: Any) -> Self:
        """Read and check the settings; `given` wins over the environment.

        Raises SettingsError: one line that names the variable and how to fix it.

        Secrets may be in files: INNRINGING_IDENTITY_KEY_FILE and so on. In the demo, missing keys and ARI password are
        created once and kept in var/keys.env. With `need_keys=False` production runs without keys: for commands that
        read no patient's data.
        """
        given = {**secrets_in_files(secret_names(), excluding=given), **given}
        try:
            settings = cls.read(**given)
            if settings.demo and (missing := [name for name in DEMO_SECRETS if settings.values()[name] is None]):
                settings = cls.read(**{**demo_secrets(settings.files.var, missing), **given})
        except _Invalid as error:
            raise SettingsError(str(error)) from None
        for group in settings.groups():
            group.check()
        if not settings.demo:
            check_connections(settings.database.url, settings.ari.url, settings.database.migration_url)
        if need_keys:
            settings.vault.check_keys()
        return settings

    @classmethod
    def read(cls, **given: Any) -> Self:
        """Read the settings without secrets in files, and without checking them together. Raises ValueError."""
        if unknown := given.keys() - names():
            raise TypeError(f"No such setting: {', '.join(sorted(unknown))}")
        return cls.model_validate({name: _read(group, given) for name, group in group_types().items()})

    def changed(self, **given: Any) -> Self:
        """Return a copy with other values. They are not checked."""
        groups = {name: getattr(self, name) for name in group_types()}
        for name, group in groups.items():
            update = {field: given[short] for short, field in group.short_names().items() if short in given}
            groups[name] = group.model_copy(update=update)
        return self.model_copy(update=groups)

    @property
    def demo(self) -> bool:
        """Whether this is the demo, where synthetic identity numbers are accepted."""
        return self.general.demo

    def groups(self) -> Iterator[Group]:
        """Iterate over the groups."""
        for name in group_types():
            yield getattr(self, name)

    def values(self) -> dict[str, Any]:
        """Return all values by name."""
        return {name: getattr(group, field) for group in self.groups() for name, field in group.short_names().items()}

    def secrets(self) -> list[str]:
        """Return the secrets in clear, for the log to hide."""
        return [secret for group in self.groups() for secret in group.secrets()]

    def names_set(self) -> frozenset[str]:
        """Return the names of those that are not at their default because nothing was said."""
        return frozenset(
            name
            for group in self.groups()
            for name, field in group.short_names().items()
            if field in group.model_fields_set
        )


class _Invalid(ValueError):
    """A value is not valid: «INNRINGING_NAME: how to fix it», without the value, which may be a secret."""


def group_types() -> dict[str, type[Group]]:
    """Return the groups' classes by name."""
    return {name: field.annotation for name, field in Settings.model_fields.items()}  # type: ignore[misc]


def names() -> frozenset[str]:
    """Return the names of all settings."""
    return frozenset(name for group in group_types().values() for name in group.short_names())


def secret_names() -> list[str]:
    """Return the names of the settings that may be in a file."""
    return [
        name
        for group in group_types().values()
        for name, field in group.short_names().items()
        if may_be_in_file(group.model_fields[field])
    ]


def _read(group: type[Group], given: dict[str, Any]) -> Group:
    values = {field: given[name] for name, field in group.short_names().items() if name in given}
    try:
        return group(**values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = str(first["loc"][0])
        variable = group.variable(place) if place in group.model_fields else place
        reason = first["msg"].removeprefix("Value error, ").replace("Input should", "it should")
        raise _Invalid(f"{variable}: {reason}") from None
