"""Where Debian packages come from on this host, and the name of a folder of unpacked packages."""

import subprocess
from pathlib import Path

import pytest

from ops.machine import apt, tree

DEB822 = """\
Types: deb deb-src
# a comment between the fields
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Enabled: no
"""
BOOKWORM = {"ID": "debian", "VERSION_CODENAME": "bookworm"}
NOTHING: dict[str, str] = {}


def test_mirror_is_read_from_deb822_sources(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(DEB822, encoding="utf-8")
    entries = apt.host_entries(tmp_path)
    assert [entry.suite for entry in entries] == ["bookworm", "bookworm-updates"]  # disabled sources are left out
    mirror = apt.debian_mirror(entries, BOOKWORM, NOTHING)
    assert mirror is not None
    assert mirror.uri == "http://mirror.example/debian"


def test_mirror_is_read_from_one_line_sources_among_others(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(
        "# deb http://old.example/debian bookworm main\n"
        "deb cdrom:[Debian]/ bookworm main\n"
        "deb-src http://mirror.example/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/usr/share/keyrings/own.gpg] http://mirror.example/debian bookworm main # ours\n",
        encoding="utf-8",
    )
    (tmp_path / "sources.list.d" / "a.list").write_text("deb http://other.example/apt bookworm-cloud main\n", "utf-8")
    entries = apt.host_entries(tmp_path)
    assert entries[0] == apt.AptSource(
        "http://mirror.example/debian", "bookworm", ("main",), "/usr/share/keyrings/own.gpg"
    )
    mirror = apt.debian_mirror(entries, BOOKWORM, NOTHING)
    assert mirror is not None
    assert mirror.uri == "http://mirror.example/debian"


def test_host_without_debian_sources_has_no_mirror() -> None:
    entries = [apt.AptSource("http://archive.example/ubuntu", "noble", ("main",))]
    assert apt.debian_mirror(entries, {"ID": "ubuntu", "VERSION_CODENAME": "noble"}, NOTHING) is None


def test_mirror_can_be_set_and_pinned_to_a_date() -> None:
    variables = {apt.MIRROR_VARIABLE: "http://snapshots.example/{snapshot}", apt.SNAPSHOT_VARIABLE: "20261101T000000Z"}
    mirror = apt.debian_mirror([], NOTHING, variables)
    assert mirror is not None
    assert mirror.uri == "http://snapshots.example/20261101T000000Z"


def test_date_without_a_snapshot_archive_is_refused() -> None:
    with pytest.raises(apt.AptError, match=apt.MIRROR_VARIABLE):
        apt.debian_mirror([], BOOKWORM, {apt.SNAPSHOT_VARIABLE: "20261101T000000Z"})


def test_folder_name_depends_on_everything_it_is_built_from() -> None:
    names = {
        tree.ASTERISK.folder_name("amd64"),
        tree.ASTERISK.folder_name("arm64"),
        tree.ASTERISK.folder_name("amd64", "20261101T000000Z"),
        tree.POSTGRES.folder_name("amd64"),
        tree.Recipe("asterisk", "sid", ("asterisk.packages",)).folder_name("amd64"),
    }
    assert len(names) == 5
    assert tree.ASTERISK.folder_name("amd64") == tree.ASTERISK.folder_name("amd64")


def test_cache_folder_can_be_set() -> None:
    assert tree.cache_folder({tree.CACHE_VARIABLE: "/somewhere"}) == Path("/somewhere")


def test_programs_run_through_the_loader_of_the_tree(tmp_path: Path) -> None:
    unpacked, target = tmp_path / "new", tmp_path / "final"
    libraries = unpacked / "usr/lib/some-triplet"
    (libraries / "blas").mkdir(parents=True)
    (libraries / "blas" / "libblas.so.3").touch()
    (libraries / "ld-linux-some.so.2").write_text('#!/bin/sh\nprintf "%s|" "$@"\n', encoding="utf-8")
    (libraries / "ld-linux-some.so.2").chmod(0o755)
    (unpacked / "usr/sbin").mkdir()
    (unpacked / "usr/sbin/thing").touch()
    recipe = tree.Recipe("thing", "sid", (), programs={"thing": "usr/sbin/thing"})
    tree.write_wrappers(recipe, unpacked, target)
    unpacked.rename(target)
    libraries = target / "usr/lib/some-triplet"
    command = f"--library-path|{libraries}:{libraries}/blas|--argv0|thing|{target}/usr/sbin/thing|one|two words|"
    assert subprocess.check_output([target / "bin/thing", "one", "two words"], text=True) == command
