"""Becomes the program it is given, after asking Linux to kill it as soon as its parent is dead.

`python -I -S run_child.py PARENT_PID PROGRAM ARGUMENT...`. A script of its own because the alternative, a
`preexec_fn`, runs Python between fork and exec, which is not safe in a process with threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> None:
    """Ask for SIGKILL when the parent's starting thread ends; leave at once if the parent is gone already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        sys.exit(1)


def main(parent_pid: str, *argv: str) -> None:
    die_with_parent(int(parent_pid))
    try:
        os.execvp(argv[0], argv)  # noqa: S606  # the whole point: no shell, no new process
    except OSError as error:
        sys.exit(f"cannot run {argv[0]}: {error.strerror}")


if __name__ == "__main__":
    main(*sys.argv[1:])
