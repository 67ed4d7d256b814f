# SPDX-License-Identifier: GPL-2.0-or-later
"""A long file in short slices: few markers, every byte in its place, no more promised than may be.

The guest's program is Python with the library loaded, so nothing here runs with sanitizers.
"""

import contextlib
import pathlib
import random
import re
import socket
import sys

import pytest
from wiring import socket_in

from hylab import wall
from hylab.channel import Process
from hylab.net import Net
from hylab.offload import LIBRARY, Offload

FILE_BYTES = 64 << 20
SLICE = 64 << 10
LIMITS = (pathlib.Path(__file__).resolve().parents[2] / "common" / "limits.h").read_text(
    encoding="utf-8")
SLICES = FILE_BYTES // SLICE
SMALL = 16 << 10
PIECE = 1 << 20
LINE = b"neither of the file nor a marker"      # as long as a marker
MARKERS_MOST = 22       # of a pair as the library makes it


def limit(name):
    """A limit that is so many times a power of two."""
    number, power = re.search(rf"#define {name} \((\d+)u? << (\d+)\)", LIMITS).groups()
    return int(number) << int(power)


@pytest.fixture(name="offload", scope="module")
def _offload():
    wall.require()
    with Net.bridge_uplink(spaces=1) as net, Offload(net, net.guests[0]) as offload:
        (offload.share / "body").write_bytes(random.Random(1).randbytes(FILE_BYTES))
        yield offload


class Served:
    """The server in the guest, and a client that is connected to it."""

    def __init__(self, stack, offload, every=0, room=0):
        self.file = offload.share / "body"
        script = pathlib.Path(__file__).with_name("slicer.py")
        environment = {**offload.environment, "HYLICS_LIBRARY": LIBRARY / "libhylics.so.0"}
        self.server = stack.enter_context(Process([
            *offload.guest.node.prefix(), "env", *(f"{k}={v}" for k, v in environment.items()),
            sys.executable, "-B", str(script), str(self.file), str(SLICE), str(every),
            LINE.decode()]))
        port = int(re.search(r"\d+", self.server.wait_output("port"))[0])
        self.client = stack.enter_context(socket_in(offload.net.client, socket.AF_INET,
                                                    socket.SOCK_STREAM))
        if room:
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.client.connect((offload.guest.v4, port))

    def expect(self, data):
        """Read so much, which must be this."""
        got = bytearray()
        while len(got) < len(data):
            piece = self.client.recv(min(PIECE, len(data) - len(got)))
            assert piece, f"an end after {len(got)} bytes"
            got += piece
        assert got == data

    def expect_all(self, every=0):
        """The file, and the lines in it, and the end."""
        body = self.file.read_bytes()
        step = (every or SLICES) * SLICE
        for at in range(0, FILE_BYTES, step):
            whole = len(body[at:at + step]) == step
            self.expect(body[at:at + step] + (LINE if every and whole else b""))
        assert self.client.recv(1) == b""


def markers(offload):
    """How many the agent has told the host; that a connection was moved, too."""
    offload.settled()
    counts = offload.counts("agent-stats")
    return counts["slices"] - counts["grown"], counts["moved"]


@contextlib.contextmanager
def marked(offload, least, most):
    """One connection is moved, with so many markers."""
    markers_before, moved_before = markers(offload)
    with contextlib.ExitStack() as stack:
        yield stack
        n, moved = markers(offload)
        assert moved == moved_before + 1
        assert least <= n - markers_before <= most


def test_few_markers(offload):
    """1024 slices: what the agent is woken for are the markers."""
    with marked(offload, 1, SLICES // 8) as stack:
        Served(stack, offload).expect_all()


@pytest.mark.parametrize("every", [1, 5])
def test_writes_in_between(offload, every):
    """Whatever kind of call they are made by."""
    with marked(offload, SLICES // every, SLICES) as stack:
        Served(stack, offload, every).expect_all(every)


def test_a_client_that_reads_nothing(offload):
    """What its server was told is sent, is what a pair of the shortest markers holds."""
    with contextlib.ExitStack() as stack:
        served = Served(stack, offload, room=SMALL)
        ahead = int(re.search(r"\d+", served.server.wait_output("full"))[0])
        assert ahead <= limit("HY_SLICE_ALONE") + MARKERS_MOST * limit("HY_SLICE_NEW")
        served.expect_all()
