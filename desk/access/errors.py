"""Errors of access; each docstring is the message."""

from desk.errors import DeskError


class DepartmentNotAllowed(DeskError):
    """You have no access to this department."""

    id = "department-not-allowed"
