"""`innringing ivr`: the phone door."""

import os

from ops.commands.lean import without

with without("rich"):  # structlog would load it for tracebacks with colours, which no log of ours has
    from ivr.app import main


def ivr() -> None:
    """Take calls from Asterisk. Waits for Asterisk when it is not up yet or restarts."""
    os.umask(0o077)  # the spool and the database are this user's alone
    main()
