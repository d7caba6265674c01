"""Operators' mistakes are refused, whatever they are, and callers notice nothing. All of them: tests.bench.mistakes."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.paths import ROOT
from tests.support.machine.mistaken import Trial
from tests.support.machine.system import running_system
from tests.support.mistakes import IN_EXTENSIONS, Mistake
from tests.support.sly_mistakes import LIVE, SLY_IN_SIP

SAMPLE = [IN_EXTENSIONS[0], SLY_IN_SIP[0], LIVE[1]]
NO_MISTAKE = [each for each in SLY_IN_SIP if not each.reason][:1]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(ROOT / "dialplan", tmp_path_factory.mktemp("operators") / "dialplan"))


@pytest.fixture(scope="module")
def trial(prompts: None, live: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("mistaken")
    with running_system(folder, departments_file=live / "departments.toml") as system:
        yield Trial(system, live, folder)


@pytest.mark.parametrize("mistake", [*SAMPLE, *NO_MISTAKE], ids=str)
async def test_callers_notice_nothing(mistake: Mistake, trial: Trial) -> None:
    row = await trial.of(mistake)
    assert row.call == "works"
    assert row.check == ("refused" if mistake.reason else "accepted"), row
