"""Runs a program that ends when its parent does, also when the parent is killed.

`python -m config.leash PROGRAM ARGUMENTS…` asks the kernel for SIGTERM at the parent's death and
becomes the program. A process of its own, because code between fork and exec is not safe in a
parent with threads. Linux only; elsewhere the program runs without the leash.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent = int(os.environ.pop("COUNTERSIGN_PARENT", "0"))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if parent and os.getppid() != parent:
            sys.exit(1)  # the parent died before the kernel was asked
    os.execvp(arguments[0], arguments)  # noqa: S606 - this is what the module is for


if __name__ == "__main__":
    main(sys.argv[1:])
