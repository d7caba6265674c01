"""What holds for every template, word and file of the console, read as text."""

import gzip
import re
import shutil
import string
from pathlib import Path

import pytest

from api.app import problem_statuses
from api.console.assets import FOLDER as STATIC
from api.console.assets import assets
from api.console.rendering import NAVIGATION, TEMPLATES
from api.console.words import LANGUAGES, words_of
from ops.machine import vendor
from ops.machine.vendor import faults

BUDGET = 100_000  # bytes, compressed: scripts and style sheets
STORES = r"localStorage|sessionStorage|indexedDB|\bcaches\b|document\.cookie"
ALL = sorted(TEMPLATES.glob("*.html"))


@pytest.mark.parametrize("template", ALL, ids=lambda file: file.name)
def test_template_has_no_scripts_of_its_own(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    assert not re.search(r"hx-on|\bjs:|javascript:|hx-trigger=\"[^\"]*\[|\|\s*safe\b|<script(?![^>]*src=)|style=", text)


@pytest.mark.parametrize("template", ALL, ids=lambda file: file.name)
def test_words_of_a_template_exist(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    words = words_of("nb")
    for key in re.findall(r"""\bt\(["']([a-z_.0-9-]+)["'][,)]""", text):
        assert words.has(key), key
    for key in re.findall(r"""\bt\.count\(["']([a-z_.]+)["']""", text):
        assert words.has(f"{key}.one") and words.has(f"{key}.other"), key


def test_navigation_has_words() -> None:
    assert all(words_of("nb").has(item.word) for item in NAVIGATION)


def test_english_has_every_word_and_no_language_has_another() -> None:
    nb = set(words_of("nb").texts)
    assert set(words_of("en").texts) == nb
    assert set(words_of("nn").texts) == nb


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_take_the_same_values(language: str) -> None:
    def names(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    own, nb = words_of(language).texts, words_of("nb").texts
    assert [key for key in nb if names(own[key]) != names(nb[key])] == []


def test_words_for_errors_name_errors_that_exist() -> None:
    known = {error.id for error in problem_statuses()} | {"title", "back", "reference", "unnamed"}
    known |= {"invalid-input", "not-found", "internal-error"}
    named = {key.removeprefix("errors.") for key in words_of("nb").texts if key.startswith("errors.")}
    assert named - known == set()


def test_scripts_and_styles_are_within_their_budget() -> None:
    sent = [gzip.compress(asset.content, 9) for name, asset in assets().items() if name.endswith((".js", ".css"))]
    assert sum(map(len, sent)) <= BUDGET


@pytest.mark.parametrize("folder", vendor.FOLDERS, ids=lambda folder: folder.parent.name)
def test_vendored_files_are_what_vendor_toml_says(folder: Path) -> None:
    assert list(faults(folder)) == []


def test_changed_vendored_file_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "vendor"
    shutil.copytree(vendor.FOLDER, folder)
    (changed,) = folder.glob("htmx*/htmx.min.js")
    changed.write_bytes(changed.read_bytes() + b" ")
    (folder / "stray.js").write_text("")
    assert [fault.partition(":")[0] for fault in faults(folder)] == [
        changed.relative_to(folder).as_posix(),
        "stray.js",
    ]


def test_scripts_make_no_markup_of_text() -> None:
    for file in STATIC.glob("*.js"):
        assert not re.search(r"\.innerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", file.read_text())


def test_scripts_store_nothing_but_shortcuts() -> None:
    stores = {file.name for file in STATIC.glob("*.js") if re.search(STORES, file.read_text())}
    assert stores == {"keys.js"}
    written = re.findall(r"[^.]\bstore\(([^,]+),", (STATIC / "keys.js").read_text())
    assert written == ["STORE", "`${STORE}-off`"]


def test_password_fields_hide_what_is_typed_and_take_a_password_manager() -> None:
    fields = {
        (file.name, name): attributes
        for file in ALL
        for name, attributes in re.findall(
            r'(?:field\(|<input[^>]*name=)"(password|old|new)"(.*)', file.read_text(encoding="utf-8")
        )
    }
    assert len(fields) >= 6
    for place, attributes in fields.items():
        assert 'type="password"' in attributes, place
        assert re.search(r'autocomplete="(current|new)-password"', attributes), place
    assert not any("paste" in file.read_text() for file in STATIC.glob("*.js"))


def test_every_page_has_the_shell_with_log_out() -> None:
    whole = [file.name for file in ALL if "<html" in file.read_text(encoding="utf-8")]
    assert whole == ["shell.html", "wall.html"], "on the wall no one is logged in"
    shell = (TEMPLATES / "shell.html").read_text(encoding="utf-8")
    _, _, head = shell.partition("{% if person %}\n  <nav")
    assert 'action="/log-out"' in head.partition("{% endif %}\n</header>")[0]
