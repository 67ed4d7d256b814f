# SPDX-License-Identifier: GPL-2.0-or-later
"""A program that joins the agent of argv[1], and writes into its tally what lines tell it.

count REASON N		into every stripe, but 0 into all but the first if N is small
example REASON BYTES	a whole one
writing REASON		one that is never finished
cut, hole		tries to make it shorter; takes its memory away
"""

import ctypes
import mmap
import os
import socket
import struct
import sys
import time

REASONS = {"below-threshold": 1, "mptcp": 5, "ulp": 6}
SIZE, CALLS, LAST, STRIPES, STRIPE, ROW = 3136, 64, 1088, 4, 256, 64
PUNCH_HOLE_KEEP_SIZE = 3


def join(path):
    """The tally's descriptor; the connection stays open."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.connect(path)
    sock.send(struct.pack("<HHI", 1, 4, 9))
    answer, fds, _, _ = socket.recv_fds(sock, 1024, 4)
    assert struct.unpack("<HHI", answer) == (1, 5, 9) and len(fds) == 3, (answer, fds)
    return sock, fds[2]


def main():
    """Until standard input ends."""
    sock, fd = join(sys.argv[1])
    tally = mmap.mmap(fd, SIZE)
    for line in sys.stdin:
        order, *words = line.split()
        reason = REASONS[words[0]] if words else 0
        row = LAST + ROW * reason
        if order == "count":
            value = int(words[1])
            for stripe in range(STRIPES):
                struct.pack_into("=Q", tally, CALLS + STRIPE * stripe + 8 * reason,
                                 value if stripe == 0 or value > 1 << 32 else 0)
        elif order == "example":
            struct.pack_into("=IIQQQQQ", tally, row, 2, 3, int(time.time() * 1000), 1, 2, 3,
                             int(words[1]))
        elif order == "writing":
            struct.pack_into("=I", tally, row, 1)
        elif order == "cut":
            for size in (0, 100, SIZE * 100):
                try:
                    os.ftruncate(fd, size)
                    sys.exit("it could be resized")
                except PermissionError:
                    pass
        elif order == "hole":
            libc = ctypes.CDLL(None, use_errno=True)
            libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
            assert libc.fallocate(fd, PUNCH_HOLE_KEEP_SIZE, 0, 4096) == 0
        print("done", flush=True)
    sock.close()


main()
