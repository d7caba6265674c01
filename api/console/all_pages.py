"""Every page of the console."""

from typing import Final

from api.console.pages import (
    audit,
    callback,
    demo_patient,
    desk,
    figures,
    floods,
    incomplete,
    log_in,
    monday,
    operate,
    prompts,
    queue,
    search,
    settings,
    wall,
    wall_screens,
)

PAGES: Final = (
    log_in,
    queue,
    floods,
    monday,
    callback,
    incomplete,
    search,
    desk,
    wall,
    wall_screens,
    figures,
    audit,
    demo_patient,
    operate,
    prompts,
    settings,
)
