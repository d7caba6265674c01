"""Errors of stored answers; each docstring is the message."""

from desk.errors import DeskError


class KeyUsedBefore(DeskError):
    """This Idempotency-Key was used for a different request."""

    id = "idempotency-key-used"


class AnswerNotVisible(DeskError):
    """The stored answer concerns a department you have no access to."""

    id = "answer-not-visible"
