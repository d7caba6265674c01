"""The files of a Kamailio's operators are checked, by us and by Kamailio, before calls meet them."""

from pathlib import Path

import pytest

from ops.machine import tree
from ops.machine.kamailio_files import AUTHORITIES, CERTIFICATE, KEY, LOCAL, NODES, faults, put
from tests.support.certificates import make_certificate

MARK = "m" * 32
GOOD = f"""\
#!define LISTEN udp:192.0.2.1:5060
#!define DISPATCHER_LIST "/etc/kamailio/dispatcher.list"
#!define PING_FROM "sip:proxy@192.0.2.1"
#!define MARK {MARK}
"""
LIST = "# our nodes\n1 sip:192.0.2.11:5060 0 0\n1 sip:192.0.2.12:5060 0 0\n2 sip:198.51.100.7:5060 32 0\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tree.ensure(tree.KAMAILIO)
    (tmp_path / LOCAL).write_text(GOOD, encoding="utf-8")
    (tmp_path / NODES).write_text(LIST, encoding="utf-8")
    return tmp_path


def found(folder: Path, mark: str = MARK) -> list[tuple[str, int | None]]:
    return [(Path(each.file).name, each.line) for each in faults(folder, mark=mark, root=folder)]


def test_files_of_the_documentation_are_in_order(folder: Path) -> None:
    assert found(folder) == []


@pytest.mark.parametrize(
    ("name", "before", "after", "line"),
    [
        (LOCAL, f"MARK {MARK}", "MARK short", 4),
        (LOCAL, f"MARK {MARK}", f"MARK {'n' * 32}", 4),
        (LOCAL, MARK + "\n", MARK + "\nloadmodule nosuch\n", 5),
        (LOCAL, MARK + "\n", MARK + '\nmodparam("tm", "nosuch", 1)\n', 5),
        (NODES, "0 0\n1", "0 0\n7", 3),
        (NODES, "1 sip:192.0.2.11:5060", "1 192.0.2.11", 2),
        (NODES, "2 sip", "1 sip", None),
    ],
)
def test_mistake_is_found_with_its_line(folder: Path, name: str, before: str, after: str, line: int | None) -> None:
    text = (folder / name).read_text("utf-8")
    assert before in text
    (folder / name).write_text(text.replace(before, after, 1), encoding="utf-8")
    assert found(folder) == [(name, line)]


def test_name_that_is_not_defined_is_found(folder: Path) -> None:
    (folder / LOCAL).write_text(GOOD.replace("#!define PING_FROM", "#!define PING"), encoding="utf-8")
    assert (LOCAL, None) in found(folder)


def test_missing_file_is_found(folder: Path) -> None:
    (folder / NODES).unlink()
    assert found(folder) == [(NODES, None)]


@pytest.fixture
def with_tls(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_certificate(tmp_path_factory.mktemp("certificate"))
    for name, source in ((CERTIFICATE, made.certificate), (KEY, made.key), (AUTHORITIES, made.authority)):
        (folder / name).write_bytes(source.read_bytes())
    local = GOOD.replace("udp:192.0.2.1:5060", "tls:192.0.2.1:5061") + "#!define WITH_TLS\n"
    (folder / LOCAL).write_text(local, encoding="utf-8")
    nodes = LIST.replace("11:5060", "11:5061;transport=tls").replace("12:5060", "12:5061;transport=tls")
    (folder / NODES).write_text(nodes, encoding="utf-8")
    return folder


def test_files_with_tls_are_in_order_and_all_copied(with_tls: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert found(with_tls) == []
    target = tmp_path_factory.mktemp("copy")
    put(with_tls, target)
    assert {CERTIFICATE, KEY, AUTHORITIES, "tls.cfg"} < {each.name for each in target.iterdir()}


def test_mistakes_of_tls_are_found(with_tls: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = make_certificate(tmp_path_factory.mktemp("other"))
    (with_tls / KEY).write_bytes(other.key.read_bytes())
    assert found(with_tls) == [(CERTIFICATE, None)]
    (with_tls / AUTHORITIES).unlink()
    (with_tls / NODES).write_text(LIST, encoding="utf-8")
    assert found(with_tls) == [(NODES, 2), (NODES, 3), (CERTIFICATE, None), (AUTHORITIES, None)]
