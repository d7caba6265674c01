"""`innringing standby`: the phone door's conversation over FastAGI, while the phone door cannot serve."""

import os

from ops.commands.lean import phone_doors_imports

with phone_doors_imports():
    from ivr.standby import main


def standby() -> None:
    """Take calls that the phone door could not serve: it hangs, is being restarted, or has ended."""
    os.umask(0o077)  # the spool and the database are this user's alone
    main()
