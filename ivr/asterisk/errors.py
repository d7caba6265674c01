"""What can go wrong at the phone door. The class docstring is the message, and holds no number and no digit."""

from __future__ import annotations

import inspect


class IvrError(Exception):
    """The phone door met an error."""

    def __init__(self, detail: str | None = None) -> None:
        """`detail` is shown to the operator after the message; never put personal data in it."""
        message = inspect.cleandoc(type(self).__doc__ or "")
        super().__init__(f"{message} ({detail})" if detail else message)
        self.detail = detail


class AriError(IvrError):
    """Asterisk answered a request with an error."""


class ChannelGone(AriError):
    """The channel or playback does not exist any more."""


class NotInStasis(AriError):
    """The channel is alive, but the dialplan has it and not this application."""


class WrongState(AriError):
    """The channel is in a state in which this cannot be done."""


class NotReachable(AriError):
    """Nothing can be rung at that endpoint: nobody is registered there, or it is not set up."""


class AriUnavailable(AriError):
    """Asterisk does not answer."""


class AriMistrusted(AriUnavailable):
    """The certificate that Asterisk shows at INNRINGING_ARI_URL is not believed."""


class AriRefused(AriError):
    """Asterisk refused the ARI user or password: set INNRINGING_ARI_USER and INNRINGING_ARI_PASSWORD as in ari.conf."""


class AriReplaced(AriError):
    """Another controller connected to Asterisk under the same application name: only one may run, so this one stops."""
