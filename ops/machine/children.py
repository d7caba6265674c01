"""End child processes together with their parent, also when the parent is killed."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable

PR_SET_PDEATHSIG = 1


def ending_with_parent() -> Callable[[], None]:
    """Return a `preexec_fn`: the child gets SIGTERM when the calling thread ends (Linux).

    Call it from the main thread, which lives as long as the process.
    """
    parent = os.getpid()

    def prepare() -> None:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the parent was killed before prctl
            os._exit(1)

    return prepare
