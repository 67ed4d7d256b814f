# SPDX-License-Identifier: GPL-2.0-or-later
"""A client's frame that arrives before, inside and after a move, to the host and home again.

A step is held open by stopping who came to it; a scripted wire says when the frame has passed, and
holds back those that a client sends by itself. Then every byte is compared, and the wire has
counted: no RST but the client's own, nothing sent twice but what nobody heard. On its way to the
host that is nothing: what the frozen socket did not hear comes late to the copy.
"""

import contextlib
import dataclasses
import hashlib
import os
import platform
import random
import signal
import socket
import struct
import time

import pytest
from moving import LONG, REPEATS, Puppet, children, is_stopped, wait_for
from wiring import Wire, socket_in

from hylab import wall
from hylab.net import Net
from hylab.offload import Offload

FILE_BYTES = 4 << 20
MOVED_BYTES = 1 << 20
CLIENT_SAYS = bytes(range(250)) * 4     # one segment
# A peer's shortest retransmission timer: who was held for longer may have said a thing again.
RTO_S = 0.2
SMALL_WINDOW = 16384
FILLS_IT = 60000
# Of few unacknowledged segments a copy says all again at once, having no idea of the round trip
# (HY_AGAIN_SEGMENTS); a tail loss probe of the kernel's own looks the same.
AGAIN_SEGMENTS = 8
ATTEMPTS = 3
# Of the guest, which is a namespace here: with it what a frozen socket does not hear can be kept.
KEEPS_LATE = tuple(map(int, platform.release().split("-")[0].split(".")[:2])) >= (5, 8)

# What is stopped where; the window is open at those called inside.
STEPS = {
    ("move", "before"): [("agent", "move.freeze")],
    ("move", "inside"): [("agent", "move.dump"), ("worker", "move.live")],
    ("move", "after"): [("worker", "move.adopted"), ("agent", "move.silence")],
    ("home", "before"): [("worker", "home.freeze")],
    ("home", "inside"): [("worker", "home.offer"), ("worker", "home.close")],
    ("home", "after"): [(None, None)],
}
MORE_STEPS = {
    ("move", "inside"): [("agent", "move.offer"), ("worker", "move.restore"),
                         ("worker", "move.keep")],
    ("home", "inside"): [("agent", "home.rebuild"), ("agent", "home.taken"),
                         ("worker", "home.done"), ("agent", "home.live")],
}


@dataclasses.dataclass(frozen=True)
class Event:
    """A frame of the client."""
    key: str                # which frames, for the wire
    held: bool = False      # the client sends it by itself, so the wire keeps it until it is time
    fills: int = 0          # bytes that the server says first, unread
    window: int = 0         # SO_RCVBUF
    lost_inside: int = 0    # how often the client may have to say it again, if nobody keeps it


EVENTS = {
    "ack": Event("tcp=ack", held=True, fills=1000),
    "data": Event("tcp=data", lost_inside=1),
    "fin": Event("tcp=fin", lost_inside=1),
    "rst": Event("tcp=rst"),
    "zero-window": Event("tcp=ack win=0", held=True, fills=FILLS_IT, window=SMALL_WINDOW),
    "window-update": Event("tcp=ack win=1-", fills=FILLS_IT, window=SMALL_WINDOW),
}


def cases():
    """(event, way, when, who, step)"""
    for name in EVENTS:
        for (way, when), steps in STEPS.items():
            for who, step in steps + (MORE_STEPS.get((way, when), []) if LONG else []):
                yield pytest.param(name, way, when, who, step,
                                   id="-".join(filter(None, (name, way, when, step))))


@contextlib.contextmanager
def a_net():
    """Each case has its own: a FIN of the one before, said again, would fall into its counts."""
    wall.require()
    with Net.bridge_uplink(spaces=1, wire=True) as net:
        yield net


class Scene:
    """One connection between a client of this process and a server that does what it is told."""

    def __init__(self, stack, net, event, who, step):
        faults = {"keeper" if who == "worker" else "agent": f"{step}:stop"} if who else {}
        self.event, self.who = event, who
        self.offload = stack.enter_context(Offload(net, net.guests[0]).faults(**faults))
        self.content = random.Random(1).randbytes(FILE_BYTES)
        file = self.offload.share / "body"
        file.write_bytes(self.content)
        self.wire = stack.enter_context(Wire(net.wire, self.offload.directory))
        self.server = stack.enter_context(Puppet(self.offload))
        self.server.do("open", file)
        self.client = stack.enter_context(socket_in(net.client, socket.AF_INET,
                                                    socket.SOCK_STREAM))
        if event.window:
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, event.window)
        self.client.connect((net.guests[0].v4, self.server.port))
        self.server.do("accept")
        self.said = self.got = self.asked = 0
        self.held_s = 0

    # -- the server --

    def say(self, count, how="send"):
        """The server begins to say the next bytes."""
        self.server.order(how, self.said, count)
        self.said += count
        self.asked += 1

    def settle(self):
        """Everything the server was told is done."""
        for _ in range(self.asked):
            assert self.server.answer().get("errno", 0) == 0
        self.asked = 0

    # -- the client --

    def read(self, upto):
        """Read and compare up to a place in the stream."""
        while self.got < upto:
            piece = self.client.recv(min(upto - self.got, 1 << 16))
            assert piece, f"the stream ended at {self.got}"
            assert piece == self.content[self.got:self.got + len(piece)], f"wrong at {self.got}"
            self.got += len(piece)

    def act(self, name):
        """What makes the client send the frame, if it does not by itself."""
        if name == "data":
            self.client.sendall(CLIENT_SAYS)
        elif name == "fin":
            self.client.shutdown(socket.SHUT_WR)
        elif name == "rst":
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.client.close()
        elif name == "window-update":
            self.read(self.got + FILLS_IT // 6)

    # -- the frame --

    def prepare(self):
        """Up to the moment before the frame is sent, or up to its being held."""
        event = self.event
        if event.held:
            self.wire.do(f"add rule held until mark go: hold until mark go dir=a {event.key}")
        if event.fills:
            if event.window and not event.held:
                self.wire.do("add mark full dir=a tcp=ack win=0")
            self.say(event.fills)
            if event.held:
                self.wire.do("wait rule held")
            elif event.window:
                self.wire.do("wait mark full")
        if not event.held:
            self.wire.do(f"add rule seen: mark seen dir=a {event.key}")

    def frame(self, name):
        """The frame passes, and has passed when this returns."""
        if self.event.held:
            self.wire.do("mark go")
        else:
            self.act(name)
            self.wire.do("wait mark seen")
        self.wire.do("wait empty")

    # -- the move --

    def pid(self):
        """Of the process that stops."""
        parent = self.offload.keeper if self.who == "worker" else self.offload.agent
        return children(parent.pid)[0]

    def at_step(self, begin, name):
        """Begin something in which somebody stops, let the frame pass, let him go on."""
        pid = self.pid()
        started = time.monotonic()
        begin()
        wait_for(lambda: is_stopped(pid), f"{self.who} at its step")
        self.frame(name)
        os.kill(pid, signal.SIGCONT)
        self.held_s = time.monotonic() - started

    def move(self):
        """What moves the connection."""
        self.say(MOVED_BYTES, "file")

    def go_home(self):
        """What brings it home: the operator ends the keeper."""
        self.offload.keeper.kill(signal.SIGTERM)

    def is_moved(self):
        """The connection is with the host, everything has been said and read."""
        self.move()
        self.read(self.said)
        self.settle()
        self.offload.wait_counts(lambda counts: counts["moved"] == 1)

    def is_home(self):
        """It was, and the guest's own socket speaks again."""
        self.go_home()
        assert self.offload.keeper.wait_end() == 0
        self.say(1000)
        self.read(self.said)
        self.settle()


def run(scene, name, way, when):
    """The case, up to the frame's having passed and everybody's going on."""
    if way == "home":
        scene.is_moved()
    if (way, when) == ("home", "after"):
        scene.is_home()
        scene.prepare()
        scene.frame(name)
        return
    scene.prepare()
    scene.at_step(scene.move if way == "move" else scene.go_home, name)


def stays(scene):
    """A half-closed connection cannot go home: it ends with the worker, visibly."""
    assert scene.offload.wait_counts(lambda counts: counts["home_failed"])["homed"] == 0
    with pytest.raises(ConnectionResetError):
        scene.read(FILE_BYTES)


def finish(scene, name):
    """Everything said arrives, in both directions, and the ends are as they should be."""
    if name == "rst":
        scene.server.order("recv", 1)
        for _ in range(scene.asked):
            scene.server.answer()
        said = scene.server.answer()
        assert said.get("errno") or said["bytes"] == 0, said
        return
    scene.say(1000)
    scene.read(scene.said)
    scene.settle()
    if name == "data":
        said = scene.server.do("recv", len(CLIENT_SAYS))
        assert said["sha256"] == hashlib.sha256(CLIENT_SAYS).hexdigest(), said
    if name == "fin":
        assert scene.server.do("recv", 1)["bytes"] == 0


def may_be_lost(event, way, when):
    """How often the client may have to say again what it said."""
    return 0 if KEEPS_LATE or when != "inside" else event.lost_inside


def attempt(name, way, when, who, step):
    """The case once; whether nothing was said again but what may be."""
    event = EVENTS[name]
    with a_net() as net, contextlib.ExitStack() as stack:
        scene = Scene(stack, net, event, who, step)
        run(scene, name, way, when)
        if (name, way, when) == ("fin", "home", "before"):
            stays(scene)
            return True
        finish(scene, name)
        stats = scene.wire.stats()
        if name != "rst":
            scene.server.do("close")
            assert scene.client.recv(1) == b""
    assert stats["b"]["tcp_rst"] == 0
    if name != "rst":
        assert stats["a"]["tcp_rst"] == 0
    return (scene.held_s >= RTO_S or
            (stats["a"]["tcp_retransmissions"] <= may_be_lost(event, way, when) and
             stats["b"]["tcp_retransmissions"] <= AGAIN_SEGMENTS))


@pytest.mark.parametrize("_again", range(REPEATS))
@pytest.mark.parametrize(("name", "way", "when", "who", "step"), cases())
def test_frame(name, way, when, who, step, _again):
    """A busy machine's kernels say again what was only late: one quiet attempt is enough."""
    assert any(attempt(name, way, when, who, step) for _ in range(ATTEMPTS)), "said again"


def test_client_that_closes_last_is_not_reset():
    with a_net() as net, contextlib.ExitStack() as stack:
        scene = Scene(stack, net, EVENTS["data"], None, None)
        scene.is_moved()
        scene.server.do("close")
        assert scene.client.recv(1) == b""
        scene.wire.do("add mark last dir=a tcp=fin")
        scene.client.close()
        scene.wire.do("wait mark last")
        left = time.monotonic() + RTO_S
        while time.monotonic() < left and not scene.wire.stats()["b"]["tcp_rst"]:
            time.sleep(RTO_S / 100)
        assert scene.wire.stats()["b"]["tcp_rst"] == 0


def test_copy_that_closes_last_is_not_heard_again():
    """Its socket is gone with the first ACK of its FIN; a second one must not reach the guest."""
    with a_net() as net, contextlib.ExitStack() as stack:
        scene = Scene(stack, net, EVENTS["fin"], None, None)

        def another_client():
            """Is answered behind whatever has passed the wire before."""
            sock = stack.enter_context(socket_in(net.client, socket.AF_INET, socket.SOCK_STREAM))
            sock.connect((net.guests[0].v4, scene.server.port))

        scene.is_moved()
        scene.client.shutdown(socket.SHUT_WR)
        assert scene.server.do("recv", 1)["bytes"] == 0
        scene.wire.do("add mark end dir=b tcp=fin")
        scene.wire.do("add dup dir=b tcp=fin count=1")
        scene.wire.do("add rule second after mark end: hold until mark go dir=a tcp=ack nth=2")
        scene.server.do("close")
        assert scene.client.recv(1) == b""
        scene.wire.do("wait rule second")
        another_client()
        scene.wire.do("mark go")
        scene.wire.do("wait empty")
        another_client()
        assert scene.wire.stats()["b"]["tcp_rst"] == 0
