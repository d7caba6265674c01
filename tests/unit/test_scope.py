"""Which departments an agent sees: every query takes one scope. The source is read to find queries without it."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.access.errors import DepartmentNotAllowed
from desk.access.permissions import EVERYTHING, PERMISSIONS, Grant, Permission, Role, Scope, scope_of
from desk.callbacks.edits import CallbackEdits
from desk.callbacks.queue import Desk
from desk.dials.dials import Dials
from desk.history.feed import Changes
from desk.ledger.ledger import Ledger
from desk.paths import ROOT
from desk.schema import tables
from tests.support.sources import parsed

DESK = ROOT / "desk"

WITHOUT = {
    "adds a row and reads none": (
        "callbacks/repository.add",
        "callbacks/repository.add_attempt",
        "callbacks/repository.add_promise",
        "callbacks/calls_repository.keep",
        "dials/repository.add",
        "accounts/emergency_repository.add",
        "history/history.append",
        "ledger/repository.warn",
        "messages/repository.add",
        "messages/repository.fill",
        "recordings/repository.add",
    ),
    "goes on from rows that a look within a scope gave": (
        "callbacks/repository.change",
        "callbacks/repository.lengthen",
        "callbacks/repository.with_attempts",
        "accounts/emergency_repository.end",
        "ledger/repository.closings",
        "ledger/repository.tries",
        "ledger/repository.unwarned",
        "messages/repository.of_promises",
        "recordings/repository.exists",
    ),
    "each question it is asked brings the scope of who asks": (
        "callbacks/batched_claims_sql.claim",
        "callbacks/batched_claims_sql.complete",
    ),
    "tells a number or a time, the same whoever asks: promises are given, and limits kept, for the whole house": (
        "history/feed_repository.newest",
        "history/feed_repository.unfinished",
        "promises/repository.ahead",
        "inquiries/repository.promised",
        "dials/repository.asked_since",
        "dials/repository.rung_since",
        "messages/repository.backlog",
    ),
    "one's own": ("accounts/emergency_repository.is_open", "accounts/emergency_repository.lock_agent"),
    "the controller's, which rings for all departments": (
        "dials/repository.cancel",
        "dials/repository.change",
        "dials/repository.forgotten",
        "dials/repository.inherit",
        "dials/repository.requested",
        "dials/repository.seen",
        "dials/repository.take",
        "dials/repository.to_cancel",
    ),
    "the text service's own, which sends for all departments and reads no callback": (
        "messages/repository.change",
        "messages/repository.locked",
        "messages/repository.note",
        "messages/repository.postpone",
        "messages/repository.take",
        "messages/repository.waiting",
    ),
    "deletes what has been kept long enough, in all departments": (
        "privacy/personal_columns.delete_answers",
        "privacy/personal_columns.delete_these_answers",
        "privacy/personal_columns.due",
        "privacy/personal_columns.forget",
        "privacy/personal_columns.forget_calls_of_phone",
        "privacy/personal_columns.forget_incomplete_calls",
        "privacy/personal_columns.held",
        "recordings/repository.remove",
    ),
    "operators' commands for one person's rights, in all departments": (
        "privacy/subject_repository.belonging",
        "privacy/subject_repository.incomplete_calls",
        "privacy/subject_repository.of_person",
        "privacy/subject_repository.of_phone",
        "privacy/subject_repository.sealed_answers",
    ),
}
"""Functions over the queue's tables that take no scope, by reason."""

WHOLE_MODULES = {
    **dict.fromkeys(("database/metadata", "schema/migrate", "schema/scope", "schema/tables"), "has no statements"),
    **dict.fromkeys(
        ("key_rotation/indexed_columns", "key_rotation/sealed_columns"),
        "keys are changed for all departments at once, and nothing is shown",
    ),
    "audit/repository": "rows about those who looked: a page of them is asked for with the auditor's departments",
}
"""Modules whose functions take no scope, with the reason."""


def queue_tables() -> set[str]:
    """Tables whose rows belong to a department, directly or through a callback."""
    queue = {
        name for name, table in tables.metadata.tables.items() if {"department", "callback_id"} & set(table.c.keys())
    }
    return queue - {"grants"}  # scopes are made from the departments of grants


def looks(source: str) -> Iterator[tuple[str, bool]]:
    """Public functions of a repository that can reach the queue's tables, and whether each uses a scope.

    It is an argument of its own, or the one of the unit of work.
    """
    tree = ast.parse(source)
    queue = queue_tables() | {"shown"}
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    if "sqlalchemy" not in source or not names & (queue | {"rows", "callback_rows"}):
        return
    for node in tree.body:
        if isinstance(node, ast.AsyncFunctionDef) and not node.name.startswith("_"):
            if not {"connection", "unit"} & {argument.arg for argument in node.args.args}:
                continue
            required = [
                argument.arg
                for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
                if default is None
            ]
            used = any(isinstance(each, ast.Name) and each.id == "scope" for each in ast.walk(node))
            of_unit = any(
                isinstance(each, ast.Attribute) and ast.unparse(each) == "unit.scope" for each in ast.walk(node)
            )
            yield node.name, of_unit or ("scope" in required and used)


def storage_functions(folder: Path) -> dict[str, bool]:
    """Each function over the queue's tables in `folder`, and whether it asks for a scope."""
    return {
        f"{module}.{name}": asks
        for path in sorted(folder.rglob("*.py"))
        if (module := path.relative_to(folder).with_suffix("").as_posix()) not in WHOLE_MODULES
        for name, asks in looks(path.read_text("utf-8"))
    }


def without_scope(functions: dict[str, bool]) -> set[str]:
    return {name for name, asks in functions.items() if not asks}


def test_every_storage_function_over_the_queue_takes_a_scope_or_is_excepted() -> None:
    excepted = [name for names in WITHOUT.values() for name in names]
    assert len(excepted) == len(set(excepted))
    functions = storage_functions(DESK)
    assert len(functions) > 80, "too few functions were read: does the search still find the repositories?"
    assert all((DESK / f"{module}.py").is_file() for module in WHOLE_MODULES)
    found = without_scope(functions)
    assert found - set(excepted) == set(), "asks for no scope: add `*, scope: Scope`, or its reason to WITHOUT"
    assert set(excepted) - found == set(), "no longer an exception"


@pytest.mark.parametrize(
    "signature",
    [
        "connection: Connection",
        "connection: Connection, *, scope: Scope = EVERYTHING",
        "connection: Connection, *, scope: Scope",
    ],
)
def test_storage_function_without_a_scope_is_found(tmp_path: Path, signature: str) -> None:
    """Without a scope, with a default, or with a scope it does not use."""
    imports = "from sqlalchemy import select\n\nfrom desk.schema.tables import callbacks\n\n\n"
    (tmp_path / "new.py").write_text(
        f"{imports}async def every({signature}) -> None:\n    select(callbacks)\n", "utf-8"
    )
    assert without_scope(storage_functions(tmp_path)) == {"new.every"}


@pytest.mark.parametrize("of", [Desk, CallbackEdits, Dials, Ledger, Changes], ids=lambda of: of.__name__)
def test_no_desk_method_has_a_default_scope(of: type) -> None:
    taking = 0
    for name, method in inspect.getmembers(of, inspect.isfunction):
        scope = inspect.signature(method).parameters.get("scope")
        if scope is not None and not name.startswith("_"):
            assert (scope.kind, scope.default) == (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.empty), name
            taking += 1
    assert taking


def test_web_routes_create_no_scope_of_their_own() -> None:
    """They pass on the scope of the signed-in agent, or a narrower one."""
    for path, tree in parsed("api/routes", "api/auth", "api/idempotency.py", at_least=25):
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert "EVERYTHING" not in names, path
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        assert not [call for call in calls if ast.unparse(call) in ("Scope", "Scope.of", "scope_of")], path


def test_scope_covers_the_departments_where_a_permission_is_granted() -> None:
    grants = [Grant(Role.AGENT, "kirurgi"), Grant(Role.LEADER, "hjerte"), Grant(Role.OPERATOR, "*")]
    assert scope_of(grants, Permission.WORK) == Scope.of(["kirurgi"])
    assert scope_of(grants, Permission.CLOSE) == Scope.of(["hjerte"])
    assert scope_of(grants, Permission.READ) == Scope.of(["kirurgi", "hjerte"])
    assert scope_of(grants, Permission.SIGN_IN) == EVERYTHING
    assert scope_of(grants, Permission.AUDIT) == Scope.of([])
    assert not scope_of(grants, Permission.AUDIT).covers("kirurgi")
    assert all(Permission.SIGN_IN in PERMISSIONS[role] for role in Role)


def test_table_of_roles_in_security_page_matches_the_code() -> None:
    lines = [line.strip("| ").split(" | ") for line in (ROOT / "docs" / "security.md").read_text("utf-8").splitlines()]
    (head,) = [cells for cells in lines if cells[0] == "permission"]
    told = {cells[0].strip("`"): cells[1:6] for cells in lines if cells[0].strip("`") in set(Permission)}
    assert head[1:6] == [role.value for role in Role]
    assert told == {
        permission.value: ["yes" if permission in PERMISSIONS[role] else "no" for role in Role]
        for permission in Permission
    }


def test_scope_can_only_be_narrowed() -> None:
    mine = Scope.of(["kirurgi", "hjerte"])
    assert mine.within(["hjerte", "lunge"]) == Scope.of(["hjerte"])
    assert mine.within([]) == Scope.of([])
    assert EVERYTHING.within(["lunge"]) == Scope.of(["lunge"])
    mine.require("hjerte")
    with pytest.raises(DepartmentNotAllowed):
        mine.require("lunge")


def test_used_emergency_access_is_recorded_in_the_scope() -> None:
    widened = Scope.of(["kirurgi"]).widened(["hjerte", "kirurgi"])
    assert widened.covers("hjerte") and widened.borrowed == {"hjerte"}
    widened.require("kirurgi")
    assert widened.within(["kirurgi"]) == Scope.of(["kirurgi"]) and not widened.touched
    widened.within(["hjerte"])
    assert widened.touched == {"hjerte"}
    assert EVERYTHING.widened(["hjerte"]) == EVERYTHING
