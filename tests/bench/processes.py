"""Processes that a benchmark measures from outside."""

import psutil

from ops.machine.postgres import Postgres


def listening_at(port: int) -> psutil.Process:
    """The process that listens at a TCP port of this machine."""
    connections = psutil.net_connections(kind="tcp")
    listening = (one for one in connections if one.status == "LISTEN" and one.laddr and one.laddr.port == port)
    return psutil.Process(next(listening).pid)


def processor(server: Postgres) -> float:
    """Seconds of CPU of the database, including running and ended children."""
    head = listening_at(server.port)
    spent = sum(head.cpu_times()[:4])
    for child in head.children(recursive=True):
        try:
            spent += sum(child.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue
    return float(spent)
