"""Errors of departments. Each docstring is the message."""

from desk.errors import DeskError
from desk.files.errors import OperatorsFileError


class DepartmentNotFound(DeskError):
    """There is no such department."""

    id = "department-not-found"


class DepartmentsFileError(OperatorsFileError):
    """The departments file can't be used:"""

    id = "departments-file-error"
