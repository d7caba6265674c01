"""Ports for the servers of a test: free, never the same twice, and not another test process' either."""

import os
import random
import socket
from typing import Final

from ops.machine.asterisk import port_is_free

LOWEST_PORT, HIGHEST_PORT = 20000, 30000
"""Below what the system gives to outgoing connections, which could take a port before its server does."""

SHARES: Final = 8
"""So many test processes side by side have ports of their own."""

_dice = random.SystemRandom()  # some tests set the seed of the ordinary one
_given: set[int] = set()


def free_port(kind: socket.SocketKind) -> int:
    """A port nobody listens on, never given out before in this run."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % SHARES
    share = range(LOWEST_PORT + worker, HIGHEST_PORT, SHARES)
    for port in _dice.sample(share, len(share)):
        if port not in _given and port_is_free(kind, "127.0.0.1", port):
            _given.add(port)
            return port
    raise AssertionError("no free port is left")


def free_rtp_range() -> int:
    """The first of 100 ports nobody is likely to want; a single one that is taken doesn't disturb Asterisk."""
    return _dice.randrange(10000, LOWEST_PORT, 100)
