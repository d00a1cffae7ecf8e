"""Runs a command on a machine without any network: in a namespace that has only 127.0.0.1.

    python only_loopback.py COMMAND [ARGUMENT...]

Exit code: the command's; 77 where the system gives no such namespace.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40


def main() -> None:
    wanted = CLONE_NEWNET if os.geteuid() == 0 else CLONE_NEWNET | CLONE_NEWUSER
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(wanted) != 0:
        print(f"needs a network namespace: {os.strerror(ctypes.get_errno())}", file=sys.stderr)
        sys.exit(77)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP | IFF_RUNNING))
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
