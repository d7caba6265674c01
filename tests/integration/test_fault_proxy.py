"""The proxy of the faults refuses and comes back, whatever else holds its sockets."""

import os
import socket

import pytest

from tests.support.machine.fault_proxy import faulty


def test_cut_refuses_and_restore_listens_again_although_a_fork_has_the_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, faulty(server.getsockname()[1]) as proxy:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:  # holds every socket until the test ends
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
        os.close(reading)
        try:
            for _ in range(2):
                with socket.create_connection(("127.0.0.1", proxy.port), 5), server.accept()[0]:
                    proxy.cut()
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", proxy.port), 5).close()
                proxy.restore()
        finally:
            os.close(writing)
            os.waitpid(child, 0)
