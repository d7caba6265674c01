"""Errors of the FHIR door; each docstring is the message."""

from collections.abc import Mapping
from typing import Final

from api.web.errors import ApiError
from desk.errors import DeskError
from desk.messages.errors import SmsNotFound


class NotAcceptable(ApiError):
    """Only JSON is sent here: ask for application/fhir+json."""

    id = "only-fhir-json"


class FormNeeded(ApiError):
    """Send a search as a form: Content-Type: application/x-www-form-urlencoded."""

    id = "form-needed"


class NoSuchIdentifier(ApiError):
    """Not an identity number of that system: write the system, | and the number."""

    id = "no-such-identifier"


class OrganizationNotFound(ApiError):
    """There is no such department, or it is not one of yours."""

    id = "organization-not-found"


STATUSES: Final[Mapping[type[ApiError] | type[DeskError], int]] = {
    NotAcceptable: 406,
    FormNeeded: 415,
    NoSuchIdentifier: 400,
    OrganizationNotFound: 404,
    SmsNotFound: 404,
}
