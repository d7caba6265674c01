"""Ports for the servers of a test: free, never the same twice, and different from those of other test processes."""

import os
import random
import socket
from typing import Final

from ops.machine.asterisk import port_is_free

LOWEST_PORT, HIGHEST_PORT = 20000, 30000
"""Below the ephemeral ports, since an outgoing connection could take a port before its server does."""

SHARES: Final = 8
"""The number of test processes with separate ranges of ports."""

_dice = random.SystemRandom()  # some tests seed the default generator
_given: set[int] = set()


def free_port(kind: socket.SocketKind) -> int:
    """A port without a listener, not used before in this run."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % SHARES
    share = range(LOWEST_PORT + worker, HIGHEST_PORT, SHARES)
    for port in _dice.sample(share, len(share)):
        if port not in _given and port_is_free(kind, "127.0.0.1", port):
            _given.add(port)
            return port
    raise AssertionError("no free port is left")


def free_rtp_range() -> int:
    """The first of 100 ports that are probably free. A single occupied one does not disturb Asterisk."""
    return _dice.randrange(10000, LOWEST_PORT, 100)
