"""How long personal data and the audit are kept."""

import re
from datetime import time
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from desk.settings.files import VarGroup, under_root
from desk.settings.group import Group, prefix


class RetentionSettings(Group):
    """Retention of personal data."""

    model_config = prefix("RETENTION_")

    days: Annotated[int, Field(ge=1, le=3650)] = Field(
        30,
        description=("Days after closing until personal data are deleted (docs/security.md#how-long-things-are-kept)."),
    )
    at: time = Field(time(3, 30), description="When the nightly deletion runs: time of day in Oslo.")

    @field_validator("at", mode="before")
    @classmethod
    def _local_time(cls, at: object) -> object:
        if isinstance(at, str) and not re.fullmatch(r"([01][0-9]|2[0-3])(:[0-5][0-9]){1,2}", at, re.ASCII):
            raise ValueError("write a time of day in Oslo, such as 03:30")
        return at


class AuditSettings(VarGroup):
    """Audit: who read and did what."""

    model_config = prefix("AUDIT_")

    retention_days: Annotated[int, Field(ge=90, le=36500)] = Field(
        1827, description="Days that the audit is kept (docs/security.md#audit). The default is five years."
    )
    fold_minutes: Annotated[int, Field(ge=0, le=60)] = Field(
        15,
        description=(
            "Minutes in which a list that the same person views again adds only its new callbacks to the "
            "audit; 0: every view adds all of them."
        ),
    )
    anchors: Path | None = Field(
        None,
        description=(
            "The signed file of anchors, outside the database (docs/security.md#audit). Unset: `audit-anchors` in "
            "VAR_DIR. Best on a disk that the database's administrators can't write to."
        ),
    )

    @property
    def spool_folder(self) -> Path:
        """The folder for rows that the database does not take now: beside the anchors, on a disk that is kept."""
        return self.anchors_file.parent / "audit-spool"

    @property
    def anchors_file(self) -> Path:
        """The file of anchors."""
        return under_root(self.anchors) if self.anchors else self.var / "audit-anchors"
