"""Two complete machines that share one PostgreSQL: each has its own Asterisk, phone door and api."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.machine.servers import machine_settings
from tests.support.machine.system import run, running_system
from tests.support.phone.dial_system import Exchange, running_exchange


@contextmanager
def two_nodes(folder: Path, database_url: str, **given: object) -> Iterator[tuple[Exchange, Exchange]]:
    """Two machines with their files in `folder`. They have the same keys, phones and departments; `given` are settings.

    The patient's phone is the telephone company of both.
    """
    first, second = folder / "first", folder / "second"
    for each in (first, second / "asterisk"):
        each.mkdir(parents=True)
    done = run(machine_settings(first, database_url=database_url), "migrate")
    assert done.returncode == 0, done.stderr
    with running_exchange(first, database_url=database_url, **given) as one:
        shutil.copy(first / "keys.env", second)
        shutil.copy(first / "asterisk" / "phones.json", second / "asterisk")
        settings = one.system.settings
        with running_system(
            second,
            database_url=database_url,
            departments_file=settings.files.departments,
            trunk=settings.sip.trunk,
            agent_rings=settings.dials.agent_rings,
            patient_rings=settings.dials.patient_rings,
            **given,
        ) as two:
            yield one, Exchange(two, one.patient_port, one.tokens)
