"""`innringing ivr`: the phone door."""

from ivr.app import main


def ivr() -> None:
    """Take calls from Asterisk. Waits for Asterisk if it is not up yet, and for ever when it restarts."""
    main()
