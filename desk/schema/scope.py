"""A scope as conditions of SQL: every query of the queue has the actor's departments in its statement.

A scope of all departments adds nothing, and one department is a plain `=`, so those statements have the plans they
would have without a scope.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, any_, bindparam, exists, false, select

from desk.database.unit_of_work import Unit
from desk.ids import InquiryId
from desk.schema.tables import inquiries


def in_scope(unit: Unit, column: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    """Conditions for `column`, a department's slug, to be in the actor's scope; none for all departments."""
    departments = unit.scope.departments
    if departments is None:
        return []
    if len(departments) == 1:
        (only,) = departments
        return [column == only]
    return [one_of(unit, column, sorted(departments))]


def is_department(unit: Unit, column: ColumnElement[Any], department: str) -> ColumnElement[bool]:
    """The condition for `column` to be that department. No row fulfils it if the actor may not reach the department."""
    return column == department if unit.scope.covers(department) else false()


def about(unit: Unit, column: ColumnElement[Any], id: InquiryId) -> list[ColumnElement[bool]]:
    """Conditions for `column` to be that inquiry's id, and for the inquiry to be in the actor's scope now.

    A row made before a transfer names the department it was made in. The inquiry's department today decides who may
    read it.
    """
    there = in_scope(unit, inquiries.c.department)
    if not there:
        return [column == id]
    return [column == id, exists(select(inquiries.c.id).where(inquiries.c.id == id, *there).correlate(None))]


def one_of(unit: Unit, column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """Whether the column is among the values. PostgreSQL gets them as one, so that the statement stays the same."""
    if unit.connection.dialect.name != "postgresql":
        return column.in_(values)
    return column == any_(bindparam(None, values, ARRAY(column.type), unique=True))
