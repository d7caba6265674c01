"""Errors of access; each docstring is the message."""

from desk.errors import DeskError


class DepartmentNotAllowed(DeskError):
    """You have no access to this department."""

    id = "department-not-allowed"


class NotByEmergencyAccess(DeskError):
    """Emergency access lets you work with the callback where it is, not transfer it. Ask a leader of the department."""

    id = "not-by-emergency-access"
