"""Sets of prompts: rolled back, refused, listed and scripted, with the real programs."""

import re
import wave
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ivr.prompts import sets
from ivr.prompts.build import build
from ivr.prompts.catalogue import PromptsError
from ops.commands import prompts as cli
from tests.support.phone.prompts import KEYS, edit, narrow, record, stamps, texts, wide


def test_bad_build_is_rolled_back_and_restored(folder: Path, tools: Path) -> None:
    build(folder, tools=tools)
    good, first = texts(folder), narrow(folder, "nb/welcome")
    running = sets.in_use(folder)
    held = folder / "build" / "nb" / str(running) / "welcome.alaw"
    before = held.read_bytes()
    edit(folder, "Du kan legge på nå.", "Nå kan du legge på.")
    record(folder / "nb" / "welcome.wav", (500, 1.0, 0.2))
    report = build(folder, tools=tools)
    assert report.built == 2
    bad = texts(folder)
    assert held.read_bytes() == before  # a running call keeps the set it started with
    assert not np.array_equal(narrow(folder, "nb/welcome"), first)
    used, left, aside = sets.rollback(folder)
    assert (used.id, aside) == (running, None) and left.id != running
    assert texts(folder) == good
    assert np.array_equal(narrow(folder, "nb/welcome"), first)
    assert build(folder).built == 0  # and no build removes it
    assert sets.in_use(folder) == running
    edit(folder, "Du kan legge på nå.", "Legg på nå.")
    _, _, aside = sets.rollback(folder)
    assert texts(folder) == bad
    assert aside and "Legg på nå." in (aside / "catalogue.toml").read_text("utf-8")  # no work is lost
    assert build(folder).built == 0


def test_rollback_without_an_earlier_build_is_refused(folder: Path, tools: Path) -> None:
    build(folder, tools=tools)
    with pytest.raises(PromptsError, match="no previous set"):
        sets.rollback(folder)
    run = CliRunner().invoke(cli.app, ["rollback", "--prompts-dir", str(folder)])
    assert run.exit_code == 1


def test_only_the_latest_sets_are_kept(folder: Path, tools: Path) -> None:
    for text in ("Én.", "To.", "Tre.", "Fire."):
        catalogue = (folder / "catalogue.toml").read_text("utf-8")
        line = next(line for line in catalogue.splitlines() if line.startswith("may_hang_up"))
        edit(folder, line, f'may_hang_up = "{text}"')
        build(folder, tools=tools)
        listed = folder / "build" / sets.LIST
        listed.write_text(re.sub(r'"built": "20\d\d', '"built": "2020', listed.read_text("utf-8")), "utf-8")  # long ago
    kept = {each.id for each in sets.sets(folder)}
    assert len(kept) == sets.KEPT
    assert {path.name for path in (folder / "build" / "nb").iterdir() if path.is_dir()} == kept


def test_refused_build_is_noted_and_callers_keep_the_old_set(folder: Path, tools: Path) -> None:
    build(folder, tools=tools)
    before, running = stamps(folder), sets.in_use(folder)
    edit(folder, 'digit_7 = "sju"', 'digit_7 = ""')
    with pytest.raises(PromptsError):
        build(folder, tools=tools)
    note = folder / "build" / sets.REFUSED
    assert note.read_text("utf-8").startswith("catalogue.toml:") and "digit_7 has no text" in note.read_text("utf-8")
    assert (stamps(folder), sets.in_use(folder)) == (before, running)
    edit(folder, 'digit_7 = ""', 'digit_7 = "sju"')
    build(folder, tools=tools)
    assert not note.exists()


def test_production_refuses_drafts_before_anything_is_built(folder: Path) -> None:
    before = stamps(folder)
    with pytest.raises(PromptsError, match="no recording of nb/"):
        build(folder, production=True)
    assert stamps(folder) == before


def test_prompts_are_listed_played_and_exported_as_a_script(folder: Path, tools: Path, tmp_path: Path) -> None:
    record(folder / "nb" / "welcome.wav", (500, 1.0, 0.2))
    build(folder, tools=tools)
    where = ["--prompts-dir", str(folder)]

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli.app, [*arguments, *where])
        return done.exit_code, done.output

    code, printed = run("list")
    assert code == 0
    assert any(line.split()[:3] == ["nb", "welcome", "recording"] for line in printed.splitlines())
    assert printed.splitlines()[-1].startswith(f"{KEYS} prompts, {KEYS - 4} of them drafts")
    code, printed = run("list", "--drafts", "--language", "nb")
    assert "nb  welcome " not in printed
    out = tmp_path / "promise.wav"
    code, printed = run("say", "we_ring", "today_by", "oclock_15", "--out", str(out))
    assert (code, printed.splitlines()[0]) == (0, "Vi ringer deg i dag innen klokken femten")
    with wave.open(str(out)) as file:
        assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
        assert file.getnframes() == sum(len(wide(folder, f"nb/{key}")) for key in ("we_ring", "today_by", "oclock_15"))
    csv = tmp_path / "script.csv"
    assert run("script", "--out", str(csv))[0] == 0
    rows = [line.split(";") for line in csv.read_text("utf-8-sig").splitlines()]
    assert rows[0] == ["language", "key", "file", "text", "kind", "draft_seconds"]
    scripted = {row[1]: row for row in rows[1:]}
    assert "welcome" not in scripted and "pause" not in scripted
    assert scripted["digit_7"][2:5] == ["prompts/nb/digit_7.wav", "sju", "fragment"]
    for arguments, reason in (
        (("say", "welcom"), "did you mean welcome?"),
        (("say", "welcome", "--language", "sv"), "there is no language sv"),
        (("list", "--language", "sv"), "there is no language sv"),
        (("say", "welcome", "--out", str(tmp_path / "no" / "such.wav")), "it can't be written"),
    ):
        code, printed = run(*arguments)
        assert (code, reason in " ".join(printed.split())) == (1, True), printed
