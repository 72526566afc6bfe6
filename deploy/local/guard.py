"""Become another program that dies with its parent.

    python guard.py PARENT_PID PROGRAM [ARGUMENT …]

Linux sends this process SIGKILL when its parent ends, however that ends, and the setting outlives
`exec`. A small program of its own rather than `preexec_fn`, which is unsafe in a process with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the kernel for the signal, then exec the program named in the arguments."""
    parent = int(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:  # the parent ended before the kernel knew of our wish
        sys.exit(1)
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606  no shell is meant


if __name__ == "__main__":
    main()
