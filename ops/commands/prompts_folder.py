"""The folder with catalogue.toml, as the commands about prompts take it."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from desk.paths import ROOT

PROMPTS_DIR = ROOT / "prompts"
Folder: TypeAlias = Annotated[
    Path, typer.Option("--prompts-dir", envvar="INNRINGING_PROMPTS_DIR", help="holds catalogue.toml")
]
