"""What ends a conversation."""


class PromptFailed(Exception):
    """The caller did not hear what they must hear."""


class CallReleased(Exception):
    """This process stops and lets go of the caller, who is still on the line. Only the controller catches it."""


class CallerHungUp(Exception):
    """The caller hung up. Raised by every telephony await and caught only by the controller."""
