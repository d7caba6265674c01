"""Where the project's own files are on this machine."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
"""The folder that holds `pyproject.toml`, `dialplan/` and `prompts/`."""
