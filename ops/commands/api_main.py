"""`python -m api`: the same as `innringing api`."""

import typer

from ops.commands.api import api

if __name__ == "__main__":
    typer.run(api)
