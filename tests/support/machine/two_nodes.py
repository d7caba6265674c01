"""Two machines, each with an Asterisk, a phone door and an api; one PostgreSQL, and two Kamailios before them."""

import re
import shutil
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ops.machine.kamailio import Kamailio
from ops.softphone.phone import Phone
from tests.support.machine.servers import free_port, machine_settings
from tests.support.machine.system import System, run, running_system, until
from tests.support.phone.dial_system import Exchange, running_exchange

PROXY, SPARE, TELEPHONE_COMPANY = "127.0.0.5", "127.0.0.10", "127.0.0.6"
"""Loopback addresses of their own: Asterisk takes calls from 127.0.0.1 as the telephone company's in the demo."""
MARK = "M" * 32
QUESTION_LASTS = 3
"""Seconds that Asterisk waits for the answer to its OPTIONS."""


@dataclass(frozen=True)
class Nodes:
    """The two machines, the proxies' port and that of the telephone company. `spare`: the second proxy, not started."""

    one: Exchange
    two: Exchange
    proxy: Kamailio
    spare: Kamailio
    port: int
    trunk_port: int

    @asynccontextmanager
    async def telephone_company(self, proxy: str = PROXY) -> AsyncIterator[Phone]:
        """The telephone company, which calls a proxy for patients, and is called for them."""
        phone = Phone(proxy, self.port, user="patient", own_port=self.trunk_port)
        phone.host = TELEPHONE_COMPANY
        async with phone:
            yield phone

    def agents_phone(self, proxy: str = PROXY) -> Phone:
        """The agent's phone, which registers through a proxy."""
        password = self.one.system.asterisk.instance.passwords["demo-phone"]
        return Phone(proxy, self.port, user="demo-phone", password=password)


@contextmanager
def two_nodes(folder: Path, database_url: str, **given: object) -> Iterator[Nodes]:
    """Two machines with their files in `folder`. They have the same keys, phones and departments.

    `given` are settings of both.
    """
    first, second = folder / "first", folder / "second"
    for each in (first, second / "asterisk"):
        each.mkdir(parents=True)
    done = run(machine_settings(first, database_url=database_url), "migrate")
    assert done.returncode == 0, done.stderr
    port, trunk_port = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    proxies = [f"{host}:{port}" for host in (PROXY, SPARE)]
    behind = {"sip_proxy": ",".join(proxies), "sip_proxy_mark": MARK, "trunk_qualify": 2, **given}
    with running_exchange(first, database_url=database_url, **behind) as one:
        shutil.copy(first / "keys.env", second)
        shutil.copy(first / "asterisk" / "phones.json", second / "asterisk")
        settings = one.system.settings
        with (
            running_system(
                second,
                database_url=database_url,
                departments_file=settings.files.departments,
                **behind,
                agent_rings=settings.dials.agent_rings,
                patient_rings=settings.dials.patient_rings,
            ) as two,
            ExitStack() as before,
        ):
            proxy, spare = (
                Kamailio(
                    folder / f"kamailio-{n}",
                    listen=address,
                    nodes=[f"127.0.0.1:{each.settings.sip.port}" for each in (one.system, two)],
                    trunk=[f"{TELEPHONE_COMPANY}:{trunk_port}"],
                    mark=MARK,
                )
                for n, address in enumerate(proxies)
            )
            before.enter_context(proxy)
            for each in (one.system, two):
                await_proxy(each, PROXY)
            yield Nodes(one, Exchange(two, trunk_port, one.tokens), proxy, spare, port, trunk_port)


def await_proxy(system: System, proxy: str) -> None:
    """Wait until this node knows that the proxy answers. Nodes start first, and ask in vain.

    A question that was lost counts against the proxy when its time is over, also after a later one was answered.
    """
    known = partial(sees, system, proxy, "Avail")
    until(known)
    time.sleep(QUESTION_LASTS + 1)
    until(known)


def sees(system: System, proxy: str, state: str) -> bool:
    """Whether Asterisk's list of contacts says that of the proxy: `Avail` or `Unavail`."""
    contacts = system.asterisk.console("pjsip show contacts")
    return bool(re.search(rf"trunk/sip:{re.escape(proxy)}:\S+ +\S+ +{state}", contacts))
