"""Errors of the phone door. The class docstring is the error message. It never contains personal data."""

from __future__ import annotations

import inspect


class IvrError(Exception):
    """The phone door failed."""

    def __init__(self, detail: str | None = None) -> None:
        """`detail` is shown to the operator after the message. It must not contain personal data."""
        message = inspect.cleandoc(type(self).__doc__ or "")
        super().__init__(f"{message} ({detail})" if detail else message)
        self.detail = detail


class AriError(IvrError):
    """Asterisk responded with an error."""


class ChannelGone(AriError):
    """The channel or playback no longer exists."""


class NotInStasis(AriError):
    """The channel is in the dialplan, not in this application."""


class WrongState(AriError):
    """The channel is in the wrong state for this request."""


class NotReachable(AriError):
    """The endpoint cannot be called: no phone is registered there, or it is not configured."""


class AriUnavailable(AriError):
    """Asterisk does not respond."""


class AriMistrusted(AriUnavailable):
    """The certificate of Asterisk at INNRINGING_ARI_URL is not trusted."""


class AriTimeout(AriUnavailable):
    """Asterisk did not answer in time. It may still carry out the request later."""


class AriRefused(AriUnavailable):
    """Asterisk refused the ARI user or password: set INNRINGING_ARI_USER and INNRINGING_ARI_PASSWORD as in ari.conf."""


class AriReplaced(AriError):
    """Another controller connected to Asterisk with the same application name. Only one can serve it."""
