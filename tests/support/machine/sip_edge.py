"""A Kamailio with SIP addresses of all kinds around it, and no Asterisk."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.machine.kamailio import Kamailio
from ops.machine.kamailio_files import LOCAL
from tests.support.phone.sip_party import Party
from tests.support.ports import free_port

PROXY, TRUNK, STRANGER, INSIDE, NODES = "127.0.0.5", "127.0.0.6", "127.0.0.7", "127.0.0.8", ("127.0.0.1", "127.0.0.9")
MARK = "M" * 32


@dataclass
class Edge:
    """The proxy, and what is around it: its nodes, the telephone company, a stranger, and a machine inside."""

    kamailio: Kamailio
    nodes: list[Party]
    trunk: Party
    stranger: Party
    inside: Party

    @property
    def proxy(self) -> str:
        return self.kamailio.listen

    @property
    def parties(self) -> list[Party]:
        return [*self.nodes, self.trunk, self.stranger, self.inside]

    def log(self) -> str:
        return self.kamailio.log.read_text("utf-8", "replace")


@contextmanager
def running_edge(folder: Path) -> Iterator[Edge]:
    with ExitStack() as opened:
        one, two, trunk, stranger, inside = (
            opened.enter_context(closing(Party(host, alive=host in NODES)))
            for host in (*NODES, TRUNK, STRANGER, INSIDE)
        )
        kamailio = Kamailio(
            folder,
            listen=f"{PROXY}:{free_port(socket.SOCK_DGRAM)}",
            nodes=[one.address, two.address],
            trunk=[trunk.address],
            mark=MARK,
        )
        with (folder / LOCAL).open("a", encoding="utf-8") as local:
            local.write(f"listen=tcp:{kamailio.listen}\n")
        yield Edge(opened.enter_context(kamailio), [one, two], trunk, stranger, inside)
