# SPDX-License-Identifier: GPL-2.0-or-later
"""What a moved descriptor answers, in namespaces, beside a connection that never was moved.

The server is a program that knows nothing of Hylics, with the preload. What is set is looked at in
the host's copy itself, which the test takes a duplicate of.
"""

import contextlib
import ctypes
import errno
import os
import pathlib
import select
import socket
import struct

import pytest
from moving import Puppet
from wiring import socket_in

from hylab import BUILD, wall
from hylab.net import Net
from hylab.offload import Offload
from hylab.wait import wait_for

PRELOAD = BUILD / "preload" / "libhylics-preload.so"
FILE_BYTES = 4 << 20
MOVED_BYTES = 1 << 20
PIDFD_GETFD = 438
TCP, IP, SOL = socket.IPPROTO_TCP, socket.IPPROTO_IP, socket.SOL_SOCKET
SO_MAX_PACING_RATE, SO_COOKIE, TCP_CC_INFO, IP_MTU_DISCOVER, IP_MTU = 47, 57, 26, 10, 14
SIOCOUTQ, SIOCOUTQNSD, SIOCATMARK = 0x5411, 0x894B, 0x8905
UNTAKEN, PIECE = 128 << 10, 70 << 10


def number(value):
    """An int's bytes."""
    return struct.pack("i", value)


# level, name, value, whether the host's copy has it
SETTABLE = {
    "TCP_NODELAY": (TCP, socket.TCP_NODELAY, number(1), True),
    "TCP_CORK": (TCP, socket.TCP_CORK, number(1), True),
    "SO_KEEPALIVE": (SOL, socket.SO_KEEPALIVE, number(1), True),
    "TCP_KEEPIDLE": (TCP, socket.TCP_KEEPIDLE, number(77), True),
    "TCP_KEEPINTVL": (TCP, socket.TCP_KEEPINTVL, number(33), True),
    "TCP_KEEPCNT": (TCP, socket.TCP_KEEPCNT, number(5), True),
    "TCP_USER_TIMEOUT": (TCP, socket.TCP_USER_TIMEOUT, number(45000), True),
    "TCP_CONGESTION": (TCP, socket.TCP_CONGESTION, b"reno", True),
    "TCP_LINGER2": (TCP, socket.TCP_LINGER2, number(20), True),
    "TCP_THIN_LINEAR_TIMEOUTS": (TCP, 16, number(1), True),
    "SO_PRIORITY": (SOL, socket.SO_PRIORITY, number(4), True),
    "SO_MAX_PACING_RATE": (SOL, SO_MAX_PACING_RATE, struct.pack("Q", 900000000), True),
    "IP_TOS": (IP, socket.IP_TOS, number(0x20), True),
    "IP_TTL": (IP, socket.IP_TTL, number(50), True),
    "IP_MTU_DISCOVER": (IP, IP_MTU_DISCOVER, number(0), True),
    "SO_LINGER": (SOL, socket.SO_LINGER, struct.pack("ii", 1, 9), False),
    "SO_REUSEADDR": (SOL, socket.SO_REUSEADDR, number(1), False),
    "SO_REUSEPORT": (SOL, socket.SO_REUSEPORT, number(1), False),
    "SO_SNDBUF": (SOL, socket.SO_SNDBUF, number(40000), False),
    "SO_RCVBUF": (SOL, socket.SO_RCVBUF, number(50000), False),
    "SO_RCVLOWAT": (SOL, socket.SO_RCVLOWAT, number(2), False),
    "SO_OOBINLINE": (SOL, socket.SO_OOBINLINE, number(1), False),
    "TCP_NOTSENT_LOWAT": (TCP, socket.TCP_NOTSENT_LOWAT, number(100000), False),
    "TCP_SYNCNT": (TCP, socket.TCP_SYNCNT, number(4), False),
    "TCP_DEFER_ACCEPT": (TCP, socket.TCP_DEFER_ACCEPT, number(3), False),
    "TCP_WINDOW_CLAMP": (TCP, socket.TCP_WINDOW_CLAMP, number(60000), True),
}


class Server(Puppet):
    """The server, and its clients."""

    script = "socket_server.py"
    preload = str(PRELOAD)

    def __init__(self, offload, file):
        self._offload = offload
        self.clients = {}
        super().__init__(offload)
        self.do("open", file)

    def connect(self, name, window=0):
        """Another connection, with its client's end here, which takes so much at once if not 0."""
        address, port = self._offload.net.endpoint(self._offload.guest, self.port, 4)
        client = socket_in(self._offload.net.client, socket.AF_INET, socket.SOCK_STREAM)
        if window:
            client.setsockopt(SOL, socket.SO_RCVBUF, window)
        client.connect((address, port))
        self.clients[name] = client
        self.do("accept", name)
        return client

    def move(self, name, count=MOVED_BYTES):
        """Send so much that it is moved; the client has read it when this returns."""
        before = self._offload.counts()["moved"]
        self.order("file", name, 0, count)
        left = count
        while left:
            left -= len(self.clients[name].recv(min(left, 65536)))
        assert self.answer().get("errno", 0) == 0
        self._offload.wait_counts(lambda counts: counts["moved"] > before)

    def get(self, name, level, option, size=4):
        """An option's bytes."""
        return bytes.fromhex(self.do("get", name, level, option, size)["value"])

    def errno_of(self, *words):
        """Of an order that fails."""
        self.order(*words)
        return self.answer().get("errno", 0)


@pytest.fixture(name="world", scope="module")
def _world():
    wall.require()
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(Net.bridge_uplink(spaces=1))
        offload = stack.enter_context(Offload(net, net.guests[0]))
        yield offload, offload.file("body", FILE_BYTES)


@pytest.fixture(name="pair")
def _pair(world):
    """A moved connection, and its twin that is not."""
    offload, file = world
    with Server(offload, file) as server:
        server.connect("moved")
        server.connect("twin")
        server.move("moved")
        yield offload, server
        for client in server.clients.values():
            client.close()


def copy_of(offload, client):
    """A duplicate of the host's copy of a connection."""
    libc = ctypes.CDLL(None, use_errno=True)
    worker = offload.pids("keeper")[1]
    pidfd = os.pidfd_open(worker)
    try:
        for entry in pathlib.Path(f"/proc/{worker}/fd").iterdir():
            fd = libc.syscall(PIDFD_GETFD, pidfd, int(entry.name), 0)
            if fd < 0:
                continue
            with contextlib.suppress(OSError):
                found = socket.socket(fileno=fd)
                if found.family == socket.AF_INET and (
                        found.getpeername() == client.getsockname()):
                    return found
                found.detach()
            os.close(fd)
    finally:
        os.close(pidfd)
    pytest.fail("the host has no copy of it")


def set_all(server, name):
    """Every option that may be set."""
    for level, option, value, _ in SETTABLE.values():
        server.do("set", name, level, option, value.hex())


def told(server, name):
    """What the server hears of each."""
    return {word: server.get(name, level, option, 16 if word == "TCP_CONGESTION" else len(value))
            for word, (level, option, value, _) in SETTABLE.items()}


def without(words, server, name):
    """The same but for what does not travel."""
    return {word: value for word, value in told(server, name).items() if word not in words}


def carried(word):
    """Whether an option set before the move is on the copy then."""
    return word not in ("TCP_CORK", "TCP_LINGER2", "TCP_THIN_LINEAR_TIMEOUTS", "IP_MTU_DISCOVER",
                        "TCP_WINDOW_CLAMP") and SETTABLE[word][3]


def on_copy(offload, client, server, name, words):
    """Waits until the copy has what the server hears."""
    with copy_of(offload, client) as copy:
        for word in words:
            level, option, value, _ = SETTABLE[word]
            size = 16 if word == "TCP_CONGESTION" else len(value)
            want = server.get(name, level, option, size)
            wait_for(lambda: copy.getsockopt(level, option, size) == want,
                     f"{word}: {copy.getsockopt(level, option, size)}, not {want}")


def test_options_set_after_the_move(pair):
    offload, server = pair
    set_all(server, "moved")
    set_all(server, "twin")
    assert told(server, "moved") == told(server, "twin")
    on_copy(offload, server.clients["moved"], server, "moved",
            [word for word, row in SETTABLE.items() if row[3]])


def test_options_set_before_the_move(world):
    offload, file = world
    with Server(offload, file) as server:
        server.connect("moved")
        server.connect("twin")
        set_all(server, "moved")
        set_all(server, "twin")
        server.move("moved")
        kept_back = ["TCP_WINDOW_CLAMP"]        # no kernel gives that away
        assert without(kept_back, server, "moved") == without(kept_back, server, "twin")
        on_copy(offload, server.clients["moved"], server, "moved", filter(carried, SETTABLE))


def test_what_a_tcp_socket_refuses_a_moved_one_refuses(pair):
    _, server = pair
    for level, option, value in [
            (TCP, socket.TCP_KEEPIDLE, number(0)), (TCP, socket.TCP_CONGESTION, b"nonesuch"),
            (TCP, socket.TCP_KEEPCNT, number(1000)), (TCP, 9999, number(1)),
            (IP, socket.IP_TTL, number(300)), (TCP, socket.TCP_INFO, number(1)),
            (TCP, socket.TCP_NODELAY, b"\1"), (SOL, 9999, number(1))]:
        moved, twin = (server.errno_of("set", name, level, option, value.hex())
                       for name in ("moved", "twin"))
        assert moved == twin != 0, (level, option)
    for level, option in [(TCP, 9999), (IP, 9999), (SOL, 9999)]:
        moved, twin = (server.errno_of("get", name, level, option, 4)
                       for name in ("moved", "twin"))
        assert moved == twin != 0, (level, option)


def test_what_only_the_connection_knows(pair):
    """The copy's own answer, if the machine lets it come in time."""
    offload, server = pair
    assert server.get("moved", TCP, socket.TCP_INFO, 256)[0] == 1       # established
    with copy_of(offload, server.clients["moved"]) as copy:
        real = copy.getsockopt(TCP, socket.TCP_INFO, 256)
        info = wait_for(lambda: len(said := server.get("moved", TCP, socket.TCP_INFO, 256))
                        == len(real) and said, "the copy's own TCP_INFO")
        assert struct.unpack_from("I", info, 16) == struct.unpack_from("I", real, 16)   # MSS
        for level, option in [(TCP, socket.TCP_MAXSEG), (IP, IP_MTU)]:
            wait_for(lambda: server.get("moved", level, option) == copy.getsockopt(level, option,
                                                                                   4), option)
    assert len(server.get("moved", SOL, SO_COOKIE, 8)) == 8


def test_it_is_who_it_was(world):
    offload, file = world
    with Server(offload, file) as server:
        server.connect("moved")
        before = server.do("names", "moved")
        server.move("moved")
        assert server.do("names", "moved") == before
        assert server.do("forked", "moved") | {"ino": 0} == before | {"ino": 0}
        assert server.do("executed", "moved") | {"ino": 0} == before | {"ino": 0}
        assert offload.counts()["live"] > 0
        after = server.do("passed", "moved")
        assert after == before


def test_options_come_home(pair):
    offload, server = pair
    homed = offload.counts()["homed"]
    set_all(server, "moved")
    set_all(server, "twin")
    before = server.do("names", "moved")
    assert server.do("passed", "moved") == before       # which brings it home
    offload.wait_counts(lambda counts: counts["homed"] > homed)
    # of a socket that is given back a linger time is off: the agent may be the last to close it
    kept_back = ["TCP_WINDOW_CLAMP", "SO_LINGER"]
    assert without(kept_back, server, "moved") == without(kept_back, server, "twin")


def test_a_child_may_set_options(pair):
    offload, server = pair
    server.do("child_sets", "moved", TCP, socket.TCP_KEEPIDLE, number(99).hex())
    assert server.get("moved", TCP, socket.TCP_KEEPIDLE) == number(99)
    on_copy(offload, server.clients["moved"], server, "moved", ["TCP_KEEPIDLE"])


@pytest.mark.parametrize("who", ["worker", "agent"])
def test_options_outlive(pair, who):
    offload, server = pair
    set_all(server, "moved")
    server.do("set", "twin", TCP, socket.TCP_NODELAY, number(1).hex())
    want = told(server, "moved")
    resumed = offload.counts()["resumed"]
    offload.kill_child(who)
    offload.wait_counts(lambda counts: counts["resumed"] > resumed)
    wait_for(lambda: told(server, "moved") == want, "another value")
    on_copy(offload, server.clients["moved"], server, "moved",
            [word for word, row in SETTABLE.items() if row[3]])


def test_queue_lengths(pair):
    _, server = pair
    for name in ("moved", "twin"):
        wait_for(lambda: server.do("ioctl", name, SIOCOUTQ)["value"] == 0, "bytes in the queue")
        assert server.do("ioctl", name, SIOCATMARK)["value"] == 0


def test_a_file_that_has_no_name_any_more(world):
    """The agent reads it for the host, which is given no more than it takes."""
    offload, _ = world
    file = offload.file("gone", FILE_BYTES)
    content = file.read_bytes()
    with Server(offload, file) as server:
        file.unlink()
        client = server.connect("it")
        before = offload.counts()
        server.order("pieces", "it", FILE_BYTES, PIECE)
        with client.makefile("rb") as stream:
            assert stream.read(FILE_BYTES) == content
        assert server.answer().get("errno", 0) == 0
        client.close()
    offload.wait_counts(lambda counts: counts["moved"] > before["moved"])
    assert offload.counts()["resumed"] == before["resumed"]


def test_what_a_client_does_not_take_is_in_the_queue(pair):
    _, server = pair
    client = server.connect("slow", window=4096)
    server.move("slow")
    server.do("file", "slow", 0, UNTAKEN)
    wait_for(lambda: server.do("ioctl", "slow", SIOCOUTQNSD)["value"] > 0 and
             server.do("ioctl", "slow", SIOCOUTQ)["value"] > UNTAKEN // 2, "bytes in the queue")
    left = UNTAKEN
    while left:
        left -= len(client.recv(min(left, 65536)))
    wait_for(lambda: server.do("ioctl", "slow", SIOCOUTQ)["value"] == 0, "no bytes in the queue")


def reset_by(client):
    """The client goes with a RST."""
    client.setsockopt(SOL, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def received(server, name):
    """The next word of a client: bytes, or errno."""
    def came():
        server.order("recv", name, 100, 0)
        said.update(server.answer())
        return said.get("errno") != errno.EAGAIN
    said = {}
    wait_for(lambda: said.clear() or came(), "nothing comes")
    return said.get("errno") or said["bytes"]


def test_a_reset_is_told_as_one(pair):
    _, server = pair
    for name in ("moved", "twin"):
        server.clients[name].sendall(b"last")
        assert received(server, name) == b"last".hex()
        reset_by(server.clients[name])
    for name in ("moved", "twin"):
        assert received(server, name) == errno.ECONNRESET, name
        assert received(server, name) == "", name
        assert server.errno_of("names", name) == errno.ENOTCONN, name


def test_a_reset_is_told_by_so_error(pair):
    _, server = pair
    for name in ("moved", "twin"):
        reset_by(server.clients[name])
        wait_for(lambda: server.get(name, SOL, socket.SO_ERROR) == number(errno.ECONNRESET),
                 "no error")
        assert server.get(name, SOL, socket.SO_ERROR) == number(0)
        assert received(server, name) == ""


def test_an_end_is_told_as_one(pair):
    _, server = pair
    for name in ("moved", "twin"):
        server.clients[name].shutdown(socket.SHUT_WR)
        assert received(server, name) == ""


def test_bytes_are_thrown_away_as_tcp_does(pair):
    _, server = pair
    for name in ("moved", "twin"):
        server.clients[name].sendall(b"abcdef")
        wait_for(lambda: server.errno_of("recv", name, 6, socket.MSG_PEEK) == 0, "nothing comes")
        assert server.do("recv", name, 4, socket.MSG_TRUNC)["bytes"][:0] == ""
        assert received(server, name) == b"ef".hex(), name
        assert server.errno_of("recv", name, 1, socket.MSG_OOB) == errno.EINVAL, name


def test_a_close_that_shall_reset_resets(pair):
    _, server = pair
    for name in ("moved", "twin"):
        server.do("set", name, SOL, socket.SO_LINGER, struct.pack("ii", 1, 0).hex())
        server.do("close", name)
        client = server.clients[name]
        assert select.select([client], [], [], 30)[0]
        with pytest.raises(ConnectionResetError):
            client.recv(1)
