"""A fixed share of a processor for some processes, as on a small machine of their own.

It is the cpu controller of Linux, and needs root.
"""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import psutil

PERIOD: Final = 100_000  # microseconds
_ROOT: Final = Path("/sys/fs/cgroup")


class NoShares(Exception):
    """This machine can't limit processes."""


@contextlib.contextmanager
def share_of_processor(name: str, pids: Iterable[int], percent: float) -> Iterator[Path]:
    """Limit these processes, and the children they have, to `percent` of one processor together. Yields the group.

    Raises NoShares.
    """
    of_its_own = (_ROOT / "cpu").is_dir()  # version 1 has a folder for each controller
    group = (_ROOT / "cpu" if of_its_own else _ROOT) / f"innringing-{name}"
    quota = round(PERIOD * percent / 100)
    try:
        group.mkdir()
        if of_its_own:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(quota))
        else:
            (group / "cpu.max").write_text(f"{quota} {PERIOD}")
        _move(group, pids)
    except OSError as error:
        raise NoShares(f"{group}: {error.strerror}") from error
    try:
        yield group
    finally:
        _move(group.parent, map(int, (group / "cgroup.procs").read_text().split()))
        group.rmdir()


def throttled(group: Path) -> int:
    """Return in how many periods the processes wanted more than their share."""
    lines = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
    return int(lines["nr_throttled"])


def _move(group: Path, pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            for each in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
                (group / "cgroup.procs").write_text(str(each.pid))
