# SPDX-License-Identifier: GPL-2.0-or-later
"""Carries frames between a macvtap's queue and a tap: what a VM's NIC does, for a namespace.

Started in the guest's namespace with the queue's device and the tap's name; says "ready", and goes
on until it is killed. Frames keep their offload headers, so that large ones stay whole.
"""

import errno
import fcntl
import os
import select
import struct
import sys

TUNSETIFF, TUNSETOFFLOAD = 0x400454ca, 0x400454d0
TAP_NO_PI_VNET_HDR = 0x0002 | 0x1000 | 0x4000
CSUM_TSO4_TSO6 = 1 | 2 | 4
FRAME_MAX = 1 << 17
# The other side is down, or its queue is full: a NIC drops the frame.
DROPPED = (errno.EIO, errno.EAGAIN, errno.ENOBUFS, errno.EINVAL, errno.ENETDOWN)


def open_queue(path, interface):
    """A queue of an interface; a macvtap's device belongs to one, whatever the name says."""
    queue = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(queue, TUNSETIFF, struct.pack("16sH22x", interface.encode(), TAP_NO_PI_VNET_HDR))
    fcntl.ioctl(queue, TUNSETOFFLOAD, CSUM_TSO4_TSO6)
    return queue


def carry(source, target):
    """All frames that are there."""
    while True:
        try:
            frame = os.read(source, FRAME_MAX)
        except BlockingIOError:
            return
        try:
            os.write(target, frame)
        except OSError as error:
            if error.errno not in DROPPED:
                raise


def main():
    """Until it is killed."""
    queue, tap = open_queue(sys.argv[1], ""), open_queue("/dev/net/tun", sys.argv[2])
    print("ready", flush=True)
    while True:
        for source in select.select([queue, tap], [], [])[0]:
            carry(source, tap if source == queue else queue)


if __name__ == "__main__":
    main()
