"""`innringing ivr`: the phone door."""

import os

from ops.commands.lean import phone_doors_imports

with phone_doors_imports():
    from ivr.app import main


def ivr() -> None:
    """Take calls from Asterisk. Waits for Asterisk when it is not up yet or restarts."""
    os.umask(0o077)  # the spool and the database are this user's alone
    main()
