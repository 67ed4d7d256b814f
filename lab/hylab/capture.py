# SPDX-License-Identifier: GPL-2.0-or-later
"""When frames left an interface: a packet socket whose frames the kernel has timed.

Frames wait in the socket until they are read, so that nobody reads while something is measured.
"""

import contextlib
import ctypes
import socket
import struct
import time

from hylab import LabError
from hylab.experiments.wire import SO_RCVBUFFORCE, SO_TIMESTAMPNS, in_namespace, packet_counts

ETH_P_ALL = 3
SO_ATTACH_FILTER = 26
BUFFER_BYTES = 1 << 30
SNAP_BYTES = 128            # Ethernet, IPv4 and TCP with all its options
PACKET_OUTGOING = 4
READINGS = 100
# Classic BPF, offsets from the Ethernet header: IPv4, TCP, no fragment, from this port.
LD_HALF, LD_BYTE, LDX_IP_LENGTH, LD_HALF_INDEXED, IF_EQUAL, IF_SET, RETURN = (
    0x28, 0x30, 0xb1, 0x48, 0x15, 0x45, 0x06)


def port_filter(port):
    """Instructions that pass SNAP_BYTES of the TCP segments from a port."""
    return [(LD_HALF, 0, 0, 12), (IF_EQUAL, 0, 8, 0x0800), (LD_BYTE, 0, 0, 23),
            (IF_EQUAL, 0, 6, socket.IPPROTO_TCP), (LD_HALF, 0, 0, 20), (IF_SET, 4, 0, 0x1fff),
            (LDX_IP_LENGTH, 0, 0, 14), (LD_HALF_INDEXED, 0, 0, 14), (IF_EQUAL, 0, 1, port),
            (RETURN, 0, 0, SNAP_BYTES), (RETURN, 0, 0, 0)]


def _open(interface, port):
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in port_filter(port))
    memory = ctypes.create_string_buffer(code)
    made.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                    struct.pack("HL", len(code) // 8, ctypes.addressof(memory)))
    made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    made.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    made.bind((interface, ETH_P_ALL))
    return made


def payload_of(frame):
    """(client's port, bytes of payload) of a segment that port_filter() has passed."""
    ip_bytes = (frame[14] & 15) * 4
    _, port = struct.unpack_from("!HH", frame, 14 + ip_bytes)
    tcp_bytes = (frame[14 + ip_bytes + 12] >> 4) * 4
    total, = struct.unpack_from("!H", frame, 16)
    return port, total - ip_bytes - tcp_bytes


def clock_offset_ns():
    """What is to be taken from the kernel's time of a frame, to have CLOCK_MONOTONIC.

    Of many readings the one that took least: another process may have run in the middle of one.
    """
    readings = []
    for _ in range(READINGS):
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        readings.append((after - before, wall - (before + after) // 2))
    return min(readings)[1]


class Capture:
    """Segments with payload that leave an interface from a TCP port."""

    def __init__(self, node, interface, port):
        self._sock = in_namespace(node.namespace, lambda: _open(interface, port))
        self._known = set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._sock.close()

    def first_segments_ns(self):
        """When the first segment with payload of each connection left that is new since last time.

        {client's port: ns of CLOCK_MONOTONIC}, in the order of their leaving.
        """
        offset, found = clock_offset_ns(), {}
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, extra, _, address = self._sock.recvmsg(SNAP_BYTES, 64, socket.MSG_DONTWAIT)
                if address[2] != PACKET_OUTGOING:
                    continue
                port, payload = payload_of(frame)
                if payload > 0 and port not in self._known:
                    self._known.add(port)
                    seconds, nanoseconds = struct.unpack("qq", extra[0][2])
                    found[port] = seconds * 10**9 + nanoseconds - offset
        if packet_counts(self._sock)[1]:
            raise LabError("frames were lost before they could be read: no time is right")
        return found
