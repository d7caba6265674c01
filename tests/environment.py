"""The environment of this process without our own settings: what a program or test is to begin with."""

import os


def without_ours() -> dict[str, str]:
    """This process' variables but those of INNRINGING_."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("INNRINGING_")}
