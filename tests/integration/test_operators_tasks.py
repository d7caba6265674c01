"""The ten tasks of docs/operator.md, each written as the manual says, one after another on one running system."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from desk.paths import ROOT
from desk.settings.settings import Settings
from tests.support.environment import without_ours
from tests.support.machine.servers import machine_settings
from tests.support.manual import blocks, section, set_in
from tests.support.phone.callers import ringing

pytestmark = pytest.mark.usefixtures("prompts")
PARTS = ("api", "desk", "dialplan", "docker", "ivr", "migrations", "ops", "prompts")
TASKS = section("De ti vanligste oppgavene")
NEW_TEXT = "Vi er på kurs i dag."
SECONDS = 180  # the machine may be busy


@dataclass
class Installation:
    """A folder as a hospital has it, with the service running in it."""

    folder: Path
    settings: Settings

    @property
    def environment(self) -> dict[str, str]:
        variables = without_ours() | {
            "INNRINGING_ARI_PORT": str(self.settings.ari.port),
            "INNRINGING_STANDBY_PORT": str(self.settings.standby.port),
            "INNRINGING_API_PORT": str(self.settings.api.port),
            "INNRINGING_SIP_PORT": str(self.settings.sip.port),
            "INNRINGING_RTP_PORTS": self.settings.sip.rtp_ports,
            "INNRINGING_LANGUAGE": "nb",
        }
        return variables | {"INNRINGING_RUNNER": "tree"}

    def does(self, number: int) -> str:
        """Write the commands of a task in a terminal. Returns what is printed; an error fails the test."""
        opening = blocks("", "sh")[0].replace("8000", str(self.settings.api.port))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", opening + "".join(commands(number))],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def change(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), "utf-8")


def task(number: int) -> str:
    """The manual's words for a task."""
    return re.split(r"(?m)^\*\*\d+\. ", TASKS)[number]


def commands(number: int, kind: str = "sh") -> list[str]:
    """The blocks of a task."""
    return re.findall(rf"(?ms)^```{kind}\n(.*?)^```$", task(number))


@pytest.fixture(scope="module")
def innringing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("innringing")
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "innringing.py", folder)
    command = folder / ".venv" / "bin" / "innringing"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m innringing "$@"\n')
    command.chmod(0o755)
    for words in (
        ["init", "-q"],
        ["add", "dialplan"],
        ["-c", "user.name=a", "-c", "user.email=a", "commit", "-qm", "a"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)
    made = Installation(folder, machine_settings(folder / "var", runner="tree"))
    with (folder / "run.log").open("wb") as log:
        service = subprocess.Popen(
            [command, "run"],
            cwd=folder,
            env=made.environment | {"INNRINGING_ENVIRONMENT": "demo"},
            stdout=log,
            stderr=log,
        )
    try:
        end = time.monotonic() + SECONDS
        while "Innringing er oppe." not in (said := (folder / "run.log").read_text("utf-8")):
            assert service.poll() is None and time.monotonic() < end, said
            time.sleep(0.1)
        yield made
    finally:
        service.terminate()
        assert service.wait(SECONDS) == 0


def test_1_is_everything_in_order(innringing: Installation) -> None:
    said = innringing.does(1)
    assert "Avdelinger, tekster og dialplan er i orden." in said
    assert '"ready":true' in said


def test_2_deadline(innringing: Installation) -> None:
    path = innringing.folder / "dialplan" / "departments.toml"
    block = blocks("Frister og runder")[0].partition("\n[kirurgi.half_days]\n")[0]
    path.write_text(set_in(path.read_text("utf-8"), "kirurgi", block), "utf-8")
    assert "innen klokken fjorten" in innringing.does(2)


def test_3_queue_is_closed_and_opened(innringing: Installation) -> None:
    said = innringing.does(3)
    assert '"closed_course"' in said
    assert "problem" not in said


def test_4_text(innringing: Installation) -> None:
    innringing.change("prompts/catalogue.toml", "Avdelingen er stengt på grunn av kurs.", NEW_TEXT)
    said = innringing.does(4)
    assert "Tekster: 1 bygget" in said
    assert NEW_TEXT in said
    assert (innringing.folder / "hør.wav").stat().st_size > 10_000


def test_5_recording(innringing: Installation) -> None:
    shutil.copy(innringing.folder / "hør.wav", innringing.folder / "opptak.wav")
    said = innringing.does(5)
    assert "Tekster: 1 bygget" in said
    assert NEW_TEXT in (innringing.folder / "tekster.csv").read_text("utf-8")
    assert "0 med en feil" in said


async def test_6_department(innringing: Installation) -> None:
    departments = innringing.folder / "dialplan" / "departments.toml"
    departments.write_text(departments.read_text("utf-8") + "\n" + blocks("Ny avdeling")[0], "utf-8")
    (lines,) = [each for each in blocks("Ny avdeling", "") if "exten" in each]
    innringing.change("dialplan/extensions.conf", "[departments]\n", f"[departments]\n{lines}")
    said = innringing.does(6)
    assert "Asterisk har de nye filene" in said
    async with ringing(innringing.settings, "3000", "+4741003000") as caller:
        await caller.hears("welcome")


def test_7_phone(innringing: Installation) -> None:
    (block,) = commands(7, "")
    phones = innringing.folder / "dialplan" / "pjsip.conf"
    phones.write_text(phones.read_text("utf-8") + f"\n{block}", "utf-8")
    assert re.search(r'"anne": "\S{16,}"', innringing.does(7))


def test_8_agent(innringing: Installation) -> None:
    said = innringing.does(8)
    assert "Tokenet til kari" in said
    assert "kari kan logge inn med det i" in said
    assert re.search(r"kari +│ agent +│ kirurgi +│ anne", said)


def test_9_backup(innringing: Installation) -> None:
    assert "Innsynsloggen er hel" in innringing.does(9)


def test_10_undo(innringing: Installation) -> None:
    said = innringing.does(10)
    assert "I bruk: bygget fra" in said
    assert "[ortopedi]" not in (innringing.folder / "dialplan" / "departments.toml").read_text("utf-8")
    assert not (innringing.folder / "prompts" / "nb" / "closed_course.wav").exists()


def test_each_task_of_the_manual_has_a_test() -> None:
    numbers = [int(each) for each in re.findall(r"(?m)^\*\*(\d+)\. ", TASKS)]
    assert numbers == list(range(1, 11))
    assert [
        f"test_{number}_" for number in numbers if not any(n.startswith(f"test_{number}_") for n in globals())
    ] == []
