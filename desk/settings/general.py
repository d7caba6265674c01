"""The environment, and how Asterisk runs."""

from typing import Literal

from pydantic import Field

from desk.settings.group import EnvironmentGroup


class GeneralSettings(EnvironmentGroup):
    """General: the environment, and how Asterisk runs."""

    runner: Literal["auto", "docker", "tree"] = Field(
        "auto",
        description=(
            "How `make run` and the tests start Asterisk: `docker`, or `tree`, from a folder of unpacked "
            "packages. `auto` uses Docker if there is an engine."
        ),
    )
