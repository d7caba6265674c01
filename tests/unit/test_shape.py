"""The check of the code's shape: long functions, long files, class names used twice."""

from pathlib import Path

from ops.machine.shape import findings, long_parts, repeated_classes

PATH = Path("desk/a.py")


def function_of(lines: int) -> str:
    return "async def work():\n" + "    pass\n" * (lines - 1)


def test_function_of_61_lines_is_reported_and_one_of_60_is_not() -> None:
    assert list(long_parts(PATH, function_of(60))) == []
    assert list(long_parts(PATH, "\n" + function_of(61))) == ["desk/a.py:2: 61 lines in work; at most 60"]


def test_method_of_61_lines_is_reported() -> None:
    method = "".join(f"    {line}\n" for line in function_of(61).splitlines())
    assert list(long_parts(PATH, f"class A:\n{method}")) == ["desk/a.py:2: 61 lines in work; at most 60"]


def test_file_of_401_lines_is_reported_and_one_of_400_is_not() -> None:
    assert list(long_parts(PATH, "pass\n" * 400)) == []
    assert list(long_parts(PATH, "pass\n" * 401)) == ["desk/a.py:1: 401 lines in a file; at most 400"]


def test_tables_of_the_first_migration_may_be_a_long_function() -> None:
    assert list(long_parts(Path("migrations/first/queue.py"), function_of(90))) == []


def test_class_name_used_twice_is_reported_with_both_places() -> None:
    sources = [(PATH, "class Keys: ...\n"), (Path("ivr/b.py"), "\nclass Keys: ...\n")]
    assert list(repeated_classes(sources)) == ["ivr/b.py:2: a class Keys is in desk/a.py:1 too"]


def test_whole_project_is_read(tmp_path: Path) -> None:
    for folder in ("ivr", "api", "desk", "ops", "migrations", "tests"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.py").write_text("class A: ...\n")
    (tmp_path / "innringing.py").write_text("")
    assert len(findings(tmp_path)) == 3, "classes of migrations and tests are not compared"
