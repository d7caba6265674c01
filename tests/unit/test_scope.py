"""Which departments an agent sees: every query takes one scope. The source is read to find queries without it."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.access.actor import Actor
from desk.access.errors import DepartmentNotAllowed
from desk.access.permissions import EVERYTHING, PERMISSIONS, Grant, Permission, Role, Scope, scope_of
from desk.callbacks.edits import CallbackEdits
from desk.callbacks.identity_reveal import IdentityReveal
from desk.callbacks.lists import CallbackLists
from desk.callbacks.outcomes import Outcomes
from desk.callbacks.records import CallbackRecords
from desk.callbacks.registration import Registration
from desk.callbacks.repeat_callers import RepeatCallers
from desk.dials.dials import Dials
from desk.history.feed import Changes
from desk.inquiries.claiming import Claiming
from desk.paths import ROOT
from desk.promises.closures import Closures
from desk.recordings.recordings import Recordings
from desk.schema import tables
from tests.support.sources import parsed

DESK = ROOT / "desk"
SERVICES = (
    *(Registration, RepeatCallers, Claiming, Outcomes, CallbackEdits, CallbackLists, IdentityReveal),
    *(CallbackRecords, Closures, Dials, Recordings, Changes),
)

WITHOUT = {
    "adds a row, or changes the one just found": (
        "callbacks/calls_repository.add_patient",
        "callbacks/calls_repository.end",
        "callbacks/calls_repository.leading_to",
        "history/repository.adding_next",
        "messages/repository.add",
        "messages/repository.fill",
    ),
    "each agent's scope is a condition of the whole statement": (
        "callbacks/batched_completions_sql._attempts",
        "callbacks/batched_completions_sql._history",
        "callbacks/repository.join",
        "inquiries/batched_claims_sql._places",
        "inquiries/batched_claims_sql.claim_statement",
        "inquiries/batched_claims_sql.nothing_statement",
        "inquiries/batched_claims_sql.with_own",
    ),
    "its conditions or its query come from a function that asks for a scope": (
        "accounts/emergency_repository._rows",
        "inquiries/claims_repository.first_in_line",
        "messages/repository._records",
        "messages/repository._rows",
        "messages/repository._show",
        "privacy/personal_columns._forget_calls",
        "promises/repository._read",
    ),
    "takes locks and reads no table": ("inquiries/repository._one_at_a_time",),
    "goes on from rows that a look within a scope gave": (
        "callbacks/repository.change_own",
        "callbacks/repository.of_same_person",
        "callbacks/repository.show",
        "inquiries/repository.change",
        "inquiries/repository.lengthen",
        "callbacks/calls_repository.deal_with",
        "accounts/emergency_repository.end",
        "history/repository.changed",
        "history/repository.last_transition",
        "ledger/repository.closings",
        "ledger/repository.tries",
        "ledger/repository.unwarned",
        "messages/repository.of_promises",
        "recordings/repository.exists",
    ),
    "tells a number or a time, the same whoever asks: promises are given, and limits kept, for the whole house": (
        "history/feed_repository.newest",
        "callbacks/floods_repository._exists",
        "callbacks/floods_repository.first_timers",
        "callbacks/floods_repository.known_before",
        "inquiries/claims_repository.count_live",
        "promises/repository.ahead",
        "inquiries/repository.promised",
        "limits/dials_repository.requested_by_agent",
        "limits/dials_repository.calls_to_number",
        "limits/dials_repository.calls_on_the_trunk",
        "limits/dials_repository.talks_on_the_trunk",
        "messages/repository.backlog",
        "clock_check/repository.readings",
        "audit/others_repository._count",
        "audit/others_repository._digest",
    ),
    "one's own": (
        "accounts/emergency_repository.opened",
        "accounts/emergency_repository.is_open",
        "accounts/emergency_repository.lock_agent",
        "inquiries/claims_repository.live_claims",
    ),
    "marks callbacks as a flood while a caller, who has no scope, is registered in the department": (
        "callbacks/floods_repository.mark",
    ),
    "the tallies' own: they are counted for all departments, without persons": (
        "statistics/repository.add",
        "statistics/repository.advance",
        "statistics/repository.callbacks",
        "statistics/repository.calls_after",
        "statistics/repository.came_due",
        "statistics/repository.counted_before",
        "statistics/repository.ids_after",
        "statistics/repository.is_behind",
        "statistics/repository.mark_followed",
        "statistics/repository.progress",
        "statistics/repository.store_counted_call",
        "statistics/repository.stored",
        "statistics/repository.touched",
        "statistics/repository.uncounted_calls",
    ),
    "the controller's, which rings for all departments": (
        "dials/repository.cancel",
        "dials/repository.change",
        "dials/repository.forgotten",
        "dials/repository.inherit",
        "dials/repository.seen",
        "dials/repository.take",
        "dials/repository.to_cancel",
        "dials/repository.waiting",
    ),
    "the text service's own, which sends for all departments and reads no callback": (
        "messages/repository.change",
        "messages/repository.locked",
        "messages/repository.record",
        "messages/repository.postpone",
        "messages/repository.take",
    ),
    "deletes what has been kept long enough, in all departments": (
        "privacy/personal_columns.delete_answers",
        "privacy/personal_columns.delete_answers_before",
        "privacy/personal_columns.due",
        "privacy/personal_columns.forget",
        "privacy/personal_columns.forget_calls_of_phone",
        "privacy/personal_columns.forget_incomplete_calls",
        "privacy/personal_columns.count_held",
        "recordings/repository.remove",
    ),
    "operators' commands for one person's rights, in all departments": (
        "privacy/subject_repository._callbacks",
        "privacy/subject_repository.belonging",
        "privacy/subject_repository.incomplete_calls",
        "privacy/subject_repository.sealed_answers",
    ),
}
"""Functions over the queue's tables that take no scope, by reason."""

WHOLE_MODULES = {
    **dict.fromkeys(
        ("database/metadata", "schema/migrate", "schema/inquiry_tables", "schema/scope", "schema/tables"),
        "has no statements",
    ),
    **dict.fromkeys(
        ("key_rotation/indexed_columns", "key_rotation/sealed_columns"),
        "keys are changed for all departments at once, and nothing is shown",
    ),
    "audit/lists_repository": "what rows name: callbacks by the ids that a request has shown within its scope",
    "audit/repository": "rows about readers of callbacks: pages are bounded by the auditor's departments",
}
"""Modules whose functions take no scope, with the reason."""


def queue_tables() -> set[str]:
    """Tables whose rows belong to a department, directly or through an inquiry."""
    owned = {"department", "callback_id", "inquiry_id"}
    queue = {name for name, table in tables.metadata.tables.items() if owned & set(table.c.keys())}
    return (queue | {"callbacks"}) - {"grants"}  # scopes are made from the departments of grants


SCOPED = frozenset({"in_scope", "is_department", "about"})
"""Functions of desk/schema/scope.py: each makes conditions from the scope of a unit of work's actor."""
STATEMENTS = frozenset({"select", "update", "delete"})


def statements(source: str) -> Iterator[tuple[str, bool]]:
    """Functions that make a statement over the queue's tables, and whether the statement is bounded by a scope."""
    tree = ast.parse(source)
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    if "sqlalchemy" not in source or not names & (queue_tables() | {"shown", "rows", "callback_rows"}):
        return
    functions = [node for node in tree.body if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)]
    conditions = SCOPED | {
        node.name for node in functions if isinstance(node, ast.FunctionDef) and _names(node) & SCOPED
    }
    for node in functions:
        if _names(node) & STATEMENTS:
            yield node.name, bool(_names(node) & conditions) or _reads_scope(node)


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _reads_scope(node: ast.AsyncFunctionDef | ast.FunctionDef) -> bool:
    """Whether the function reads a unit's scope; or, without a unit, the `scope` that it can't be called without."""
    if any(isinstance(each, ast.Attribute) and each.attr == "scope" for each in ast.walk(node)):
        return True
    required = {
        argument.arg
        for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        if default is None
    }
    return "scope" in required and any(isinstance(each, ast.Name) and each.id == "scope" for each in ast.walk(node))


def storage_functions(folder: Path) -> dict[str, bool]:
    """Each function over the queue's tables in `folder`, and whether it is bounded by a scope."""
    return {
        f"{module}.{name}": asks
        for path in sorted(folder.rglob("*.py"))
        if (module := path.relative_to(folder).with_suffix("").as_posix()) not in WHOLE_MODULES
        for name, asks in statements(path.read_text("utf-8"))
    }


def without_scope(functions: dict[str, bool]) -> set[str]:
    return {name for name, asks in functions.items() if not asks}


def test_every_statement_over_the_queue_has_a_scope_or_is_excepted() -> None:
    excepted = [name for names in WITHOUT.values() for name in names]
    assert len(excepted) == len(set(excepted))
    functions = storage_functions(DESK)
    assert len(functions) > 70, "too few functions were read: does the search still find the repositories?"
    assert all((DESK / f"{module}.py").is_file() for module in WHOLE_MODULES)
    found = without_scope(functions)
    assert found - set(excepted) == set(), "not bounded by a scope: use desk/schema/scope.py, or add it to WITHOUT"
    assert set(excepted) - found == set(), "no longer an exception"


@pytest.mark.parametrize(
    ("signature", "query"),
    [
        ("connection: Connection", "select(callbacks)"),
        ("unit: Unit", "select(callbacks)"),
        ("unit: Unit, *, scope: Scope = EVERYTHING", "update(callbacks)"),
        ("unit: Unit, *, scope: Scope", "delete(callbacks)"),
    ],
)
def test_statement_without_a_scope_is_found(tmp_path: Path, signature: str, query: str) -> None:
    imports = "from sqlalchemy import select\n\nfrom desk.schema.tables import callbacks\n\n\n"
    (tmp_path / "new.py").write_text(f"{imports}async def every({signature}) -> None:\n    {query}\n", "utf-8")
    assert without_scope(storage_functions(tmp_path)) == {"new.every"}


def test_statement_with_a_scope_is_accepted(tmp_path: Path) -> None:
    imports = "from sqlalchemy import select\n\nfrom desk.schema.tables import callbacks\n\n\n"
    query = "select(callbacks).where(*in_scope(unit, callbacks.c.department))"
    (tmp_path / "new.py").write_text(f"{imports}async def mine(unit: Unit) -> None:\n    {query}\n", "utf-8")
    assert storage_functions(tmp_path) == {"new.mine": True}


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.__name__)
def test_no_service_of_the_queue_works_without_an_actor(service: type) -> None:
    methods = [
        (name, list(inspect.signature(method).parameters.values())[1:2])
        for name, method in inspect.getmembers(service, inspect.iscoroutinefunction)
        if not name.startswith("_")
    ]
    assert methods
    for name, first in methods:
        assert first and first[0].name in ("unit", "by", "by_actor"), f"{name} takes no actor"
        assert first[0].default is inspect.Parameter.empty, f"{name} has an actor by default"


def test_web_routes_create_no_scope_of_their_own() -> None:
    """They pass on the scope of the signed-in agent, or a narrower one."""
    for path, tree in parsed("api/routes", "api/fhir", "api/auth", "api/idempotency.py", at_least=25):
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


def test_used_emergency_access_is_on_the_actors_trail() -> None:
    widened = Scope.of(["kirurgi"]).widened(["hjerte", "kirurgi"])
    assert widened.covers("hjerte") and widened.borrowed == {"hjerte"}
    assert widened.within(["kirurgi"]) == Scope.of(["kirurgi"])
    kari = Actor("kari", widened)
    kari.require("kirurgi")
    kari.within(widened.within(["kirurgi"]))
    assert not kari.trail.borrowed
    kari.within(widened.within(["hjerte"]))
    assert kari.trail.borrowed == {"hjerte"}
    assert EVERYTHING.widened(["hjerte"]) == EVERYTHING
