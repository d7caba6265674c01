"""What is shown is recorded where rows become objects."""

import ast

from tests.support.sources import ROOT


def test_rows_become_objects_in_one_place_each_which_records_them() -> None:
    """A second place that makes a callback of a row would show it without a trail."""
    made: dict[str, set[str]] = {}
    for room in ("desk", "api", "ivr", "ops"):
        for file in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    made.setdefault(node.func.id, set()).add(str(file.relative_to(ROOT)))
    new = "desk/callbacks/model.py"  # one that no row holds yet: its caller is hearing the receipt
    assert made["Callback"] == {"desk/callbacks/repository.py", new}
    assert made["Inquiry"] == {"desk/inquiries/repository.py"}
    assert made["RecordedCall"] == {"desk/callbacks/calls_repository.py"}
    assert made["Dial"] == {"desk/dials/repository.py"}
    assert made["Change"] == {"desk/history/feed_repository.py"}
