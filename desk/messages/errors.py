"""Errors of SMS. Each docstring is the message."""

from desk.errors import DeskError
from desk.files.errors import OperatorsFileError


class SmsTextsError(OperatorsFileError):
    """The texts of SMS can't be used:"""

    id = "sms-texts-error"


class SmsNotFound(DeskError):
    """There is no such SMS."""

    id = "sms-not-found"
