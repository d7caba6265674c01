"""Errors of dials; each docstring is the message."""

from desk.errors import DeskError


class DialNotFound(DeskError):
    """No call has been requested for this callback."""

    id = "dial-not-found"


class DialInProgress(DeskError):
    """A call is in progress for this callback, or by this agent."""

    id = "dial-in-progress"


class DialOver(DeskError):
    """The call has already ended."""

    id = "dial-over"


class DialLost(DeskError):
    """Another controller has taken the dial over."""

    id = "dial-lost"


class OutsideRingingHours(DeskError):
    """The department may not call patients at this hour."""

    id = "outside-ringing-hours"


class NumberNotCallable(DeskError):
    """The callback's phone number may not be called from this department."""

    id = "number-not-callable"


class NoAgentPhone(DeskError):
    """You have no phone that can be called. An operator adds one with innringing agents add --phone."""

    id = "no-agent-phone"
