"""A leaked password is refused everywhere, over REST and by the command; an invalid list stops the start."""

import hashlib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from desk.accounts.errors import LeakedPasswordsFault
from innringing import app
from tests.integration.test_api_sessions import PASSWORD, browser_of
from tests.support.web.api import open_world, refused

LEAKED, OWN = "en ny og lang setning", "en annen lang setning"


def listed(file: Path, *passwords: str) -> Path:
    lines = sorted(hashlib.sha1(each.encode()).hexdigest().upper() for each in passwords)
    file.write_text("".join(f"{each}:7\r\n" for each in lines), newline="")
    return file


async def test_leaked_password_is_refused_over_rest(migrated_url: str, tmp_path: Path) -> None:
    file = listed(tmp_path / "list.txt", LEAKED, "x")
    async with open_world(migrated_url, tmp_path, leaked_passwords=file) as world:
        await world.token("kari")
        await world.services.logins.set_password("kari", PASSWORD)
        browser = browser_of(world)
        await browser.logs_in()
        change = {"old": PASSWORD, "new": LEAKED}
        answer = await browser.ask("POST", "/session/password", json=change)
        refused(answer, 422, "weak-password")
        assert answer.json()["detail"] == "leaked"
        file.rename(tmp_path / "away.txt")
        answer = await browser.ask("POST", "/session/password", json={**change, "new": OWN})
        refused(answer, 503, "leaked-passwords-unavailable")
        assert "list.txt" not in answer.text and answer.headers["retry-after"]
        listed(file, "y")  # replaced by a newer list
        assert (await browser.ask("POST", "/session/password", json=change)).status_code == 200
        await browser.client.aclose()


async def test_nothing_starts_with_an_invalid_list(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("passord\n" * 100)
    for name in ("list.txt", "missing.txt"):
        with pytest.raises(LeakedPasswordsFault, match=name):
            async with open_world(f"sqlite+aiosqlite:///{tmp_path}/x.db", tmp_path, leaked_passwords=tmp_path / name):
                pass


def test_leaked_password_is_refused_by_the_command(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("INNRINGING_ENVIRONMENT", "demo")
    monkeypatch.setenv("INNRINGING_DATABASE_URL", migrated_url)
    monkeypatch.setenv("INNRINGING_VAR_DIR", str(tmp_path))
    monkeypatch.setenv("INNRINGING_LEAKED_PASSWORDS", str(listed(tmp_path / "list.txt", LEAKED)))

    def output_of(*words: str, given: str = "") -> tuple[int, str]:
        done = CliRunner().invoke(app, list(words), input=given)
        return done.exit_code, done.output

    assert output_of("agents", "add", "kari", "--department", "kirurgi")[0] == 0
    code, said = output_of("agents", "password", "kari", given=f"{LEAKED}\n")
    assert (code, "Not a valid password" in said, LEAKED in said) == (1, True, False)
    assert output_of("agents", "password", "kari", given=f"{OWN}\n")[0] == 0
    (tmp_path / "list.txt").unlink()
    code, said = output_of("agents", "password", "kari", given=f"{OWN}\n")
    assert (code, "list.txt" in said, OWN in said) == (1, True, False)
