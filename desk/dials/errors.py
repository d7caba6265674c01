"""Errors of dials; each docstring is the message."""

from desk.errors import DeskError


class DialNotFound(DeskError):
    """Nobody has asked for this callback to be dialled."""

    id = "dial-not-found"


class DialInProgress(DeskError):
    """There is a call in progress for this callback, or by this agent."""

    id = "dial-in-progress"


class DialOver(DeskError):
    """The call has ended already."""

    id = "dial-over"


class DialLost(DeskError):
    """Another controller has taken the dial over."""

    id = "dial-lost"


class OutsideRingingHours(DeskError):
    """The department may not ring patients at this hour."""

    id = "outside-ringing-hours"


class DialCapReached(DeskError):
    """No more calls today: the limit for this number or this agent is reached."""

    id = "dial-cap-reached"


class NoAgentPhone(DeskError):
    """You have no phone that could be rung: an operator adds it with innringing agents add --phone."""

    id = "no-agent-phone"
