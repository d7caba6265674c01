"""Where the operators' files and our own are."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from desk.paths import ROOT
from desk.settings.group import PREFIX, Group


class VarGroup(Group):
    """A group that depends on the folder for files of our own."""

    var: Path = Field(
        Path("var"),
        validation_alias=f"{PREFIX}VAR_DIR",
        description=(
            "The folder for what the service writes. A second copy on the same machine needs another, and "
            "ports of its own."
        ),
    )

    @field_validator("var")
    @classmethod
    def _var_under_root(cls, path: Path) -> Path:
        return under_root(path)


class PromptsGroup(Group):
    """A group that depends on the folder of prompts."""

    prompts: Path = Field(
        Path("prompts"),
        validation_alias=f"{PREFIX}PROMPTS_DIR",
        description="The folder with the catalogue, the recordings and sms.toml.",
    )

    @field_validator("prompts")
    @classmethod
    def _prompts_under_root(cls, path: Path) -> Path:
        return under_root(path)


class FileSettings(VarGroup, PromptsGroup):
    """Files and folders. A relative path starts at the folder of the installation."""

    departments: Path = Field(
        Path("dialplan/departments.toml"),
        validation_alias=f"{PREFIX}DEPARTMENTS_FILE",
        description="The departments: numbers, hours, promises (docs/operator.md).",
    )
    access: Path = Field(
        Path("dialplan/access.toml"),
        validation_alias=f"{PREFIX}ACCESS_FILE",
        description="Which of the provider's groups give which role in which department.",
    )

    draft_voices: Literal["refused", "accepted"] = Field(
        "refused",
        validation_alias=f"{PREFIX}DRAFT_VOICES",
        description="`accepted`: `innringing check --production` lets prompts pass that a person has not recorded yet.",
    )

    spool: Path | None = Field(
        None,
        validation_alias=f"{PREFIX}SPOOL_DIR",
        description=(
            "The folder for callbacks that could not be stored in the database yet, sealed. Unset: `spool` in VAR_DIR. "
            "With SQLite, put it on another disk: a full disk then stops only one of them."
        ),
    )

    @property
    def spool_folder(self) -> Path:
        """The folder of the spool."""
        return under_root(self.spool) if self.spool else self.var / "spool"

    @field_validator("departments", "access")
    @classmethod
    def _under_root(cls, path: Path) -> Path:
        return under_root(path)


def under_root(path: Path) -> Path:
    """Return the path, relative to the installation where it is not absolute."""
    return ROOT / path.expanduser()
