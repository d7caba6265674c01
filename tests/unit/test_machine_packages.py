"""Where Debian packages come from on this host, and what names a folder of unpacked ones."""

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


def test_the_mirror_of_a_deb822_host(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(DEB822, encoding="utf-8")
    entries = apt.host_entries(tmp_path)
    assert [entry.suite for entry in entries] == ["bookworm", "bookworm-updates"]  # what is disabled is left out
    mirror = apt.debian_mirror(entries, BOOKWORM, NOTHING)
    assert mirror is not None
    assert mirror.uri == "http://mirror.example/debian"


def test_the_mirror_of_a_host_with_lines_and_others_sources(tmp_path: Path) -> None:
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
    assert entries[0] == apt.Entry("http://mirror.example/debian", "bookworm", ("main",), "/usr/share/keyrings/own.gpg")
    mirror = apt.debian_mirror(entries, BOOKWORM, NOTHING)
    assert mirror is not None
    assert mirror.uri == "http://mirror.example/debian"


def test_a_host_that_is_no_debian_knows_no_mirror() -> None:
    entries = [apt.Entry("http://archive.example/ubuntu", "noble", ("main",))]
    assert apt.debian_mirror(entries, {"ID": "ubuntu", "VERSION_CODENAME": "noble"}, NOTHING) is None


def test_a_mirror_may_be_named_and_pinned() -> None:
    variables = {apt.MIRROR_VARIABLE: "http://snapshots.example/{snapshot}", apt.SNAPSHOT_VARIABLE: "20261101T000000Z"}
    mirror = apt.debian_mirror([], NOTHING, variables)
    assert mirror is not None
    assert mirror.uri == "http://snapshots.example/20261101T000000Z"


def test_a_date_without_an_archive_of_dates_is_refused() -> None:
    with pytest.raises(apt.AptError, match=apt.MIRROR_VARIABLE):
        apt.debian_mirror([], BOOKWORM, {apt.SNAPSHOT_VARIABLE: "20261101T000000Z"})


def test_a_folder_is_named_by_everything_it_is_made_from() -> None:
    names = {
        tree.ASTERISK.folder_name("amd64"),
        tree.ASTERISK.folder_name("arm64"),
        tree.ASTERISK.folder_name("amd64", "20261101T000000Z"),
        tree.POSTGRES.folder_name("amd64"),
        tree.Recipe("asterisk", "sid", ("asterisk.packages",)).folder_name("amd64"),
    }
    assert len(names) == 5
    assert tree.ASTERISK.folder_name("amd64") == tree.ASTERISK.folder_name("amd64")


def test_the_cache_folder_follows_the_users_wish() -> None:
    assert tree.cache_folder({tree.CACHE_VARIABLE: "/somewhere"}) == Path("/somewhere")


def test_programs_run_through_the_trees_own_loader(tmp_path: Path) -> None:
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
