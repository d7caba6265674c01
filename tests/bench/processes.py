"""Processes that a benchmark measures from outside."""

import psutil


def listening_at(port: int) -> psutil.Process:
    """The process that listens at a TCP port of this machine."""
    connections = psutil.net_connections(kind="tcp")
    listening = (one for one in connections if one.status == "LISTEN" and one.laddr and one.laddr.port == port)
    return psutil.Process(next(listening).pid)
