"""What all groups of settings share. A group is read from environment variables with a prefix of its own."""

from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from desk.errors import SettingsError

PREFIX: Final = "INNRINGING_"


class MayBeInFile:
    """Marks a setting that can be read from a file named by `INNRINGING_…_FILE`."""


Secret: TypeAlias = Annotated[SecretStr | None, MayBeInFile()]
SecretUrl: TypeAlias = Annotated[str, MayBeInFile()]
Port: TypeAlias = Annotated[int, Field(ge=1, le=65535)]
Environment: TypeAlias = Literal["production", "demo"]


def prefix(end: str = "") -> SettingsConfigDict:
    """Return the configuration of a group whose variables begin with `INNRINGING_` and `end`."""
    return SettingsConfigDict(
        env_prefix=PREFIX + end,
        frozen=True,
        env_ignore_empty=True,
        validate_default=True,
        populate_by_name=True,
    )


class Group(BaseSettings):
    """One group of settings. A field's variable is the prefix and its name, or its `validation_alias`.

    Fields are validated in the order they are declared. Two groups may read the same variable.
    """

    model_config = prefix()

    def check(self) -> None:
        """Raise SettingsError where settings of this group do not fit together."""

    def secrets(self) -> list[str]:
        """Return the secrets of this group in clear, for the log to hide."""
        values = (getattr(self, field) for field in type(self).model_fields)
        return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]

    @classmethod
    def variable(cls, field: str) -> str:
        """Return the name of a field's environment variable."""
        alias = cls.model_fields[field].validation_alias
        return alias if isinstance(alias, str) else f"{cls.model_config['env_prefix']}{field.upper()}"

    @classmethod
    def short_names(cls) -> dict[str, str]:
        """Return the fields by variable, in lower case without `INNRINGING_`."""
        return {cls.variable(field).removeprefix(PREFIX).lower(): field for field in cls.model_fields}


class EnvironmentGroup(Group):
    """A group that depends on the environment."""

    environment: Environment = Field(
        "production",
        validation_alias=f"{PREFIX}ENVIRONMENT",
        description="`demo` accepts synthetic identity numbers and makes its own keys; `make run` sets it.",
    )

    @property
    def demo(self) -> bool:
        """Whether this is the demo."""
        return self.environment == "demo"


def may_be_in_file(field: FieldInfo) -> bool:
    """Whether `INNRINGING_…_FILE` may name a file that holds the value."""
    return any(isinstance(each, MayBeInFile) for each in field.metadata)


def absolute(path: Path | None) -> Path | None:
    """Return the path without `~` and made absolute."""
    return path and path.expanduser().absolute()


def check_both(group: Group, first: str, second: str) -> None:
    """Raise SettingsError where only one of two fields is set."""
    one, other = getattr(group, first), getattr(group, second)
    if (one is None) != (other is None):
        missing, present = (first, second) if one is None else (second, first)
        raise SettingsError(
            f"{group.variable(missing)} is not set, but {group.variable(present)} is: set both, or neither."
        )
