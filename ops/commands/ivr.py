"""`innringing ivr`: the phone door."""

from ivr.app import main


def ivr() -> None:
    """Take calls from Asterisk. Waits for Asterisk when it is not up yet or restarts."""
    main()
