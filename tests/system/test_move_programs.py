# SPDX-License-Identifier: GPL-2.0-or-later
"""Moved connections of programs other than hylics-talk: curl and wrk as clients, a guest that calls
out.

The guest's program is Python with the library loaded, so nothing here runs with sanitizers.
"""

import contextlib
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys

import pytest
from moving import PATIENCE_S, Puppet, wait_for
from wiring import socket_in

from hylab import wall
from hylab.channel import Process
from hylab.net import Net
from hylab.offload import LIBRARY, Offload

FILE_BYTES = 8 << 20
HALF = FILE_BYTES // 2
SMALL_BYTES = 1000
PAGES = {"page": 1 << 20, "film": 1500000, "icon": 300}
WRK_CONNECTIONS = 10
WRK = ("--threads", 2, "--connections", WRK_CONNECTIONS, "--duration", "10m", "--timeout", "10m")
WRK_MOVES = 200
HOME = ("--home-after", "512K")
BYTES = random.Random(1).randbytes(FILE_BYTES)


@pytest.fixture(name="stack")
def _stack():
    wall.require()
    with contextlib.ExitStack() as stack:
        yield stack


def start(stack, build, **options):
    """A network with one guest, and offload for it, with files of two sizes."""
    net = stack.enter_context(build(spaces=1))
    offload = stack.enter_context(Offload(net, net.guests[0], **options))
    (offload.share / "body").write_bytes(BYTES)
    (offload.share / "small").write_bytes(BYTES[:SMALL_BYTES])
    return offload


def read_exactly(sock, count):
    """So many bytes; fewer at the end of the stream."""
    with sock.makefile("rb", buffering=0) as file:
        whole = bytearray()
        while len(whole) < count:
            piece = file.read(count - len(whole))
            if not piece:
                break
            whole += piece
        return bytes(whole)


@pytest.mark.parametrize("family", [4, 6])
def test_a_connection_the_guest_opened_through_nat(stack, family):
    """Its far end sees the host's address. To the host, home in the middle, and both again."""
    offload = start(stack, Net.nat_forward, worker=HOME)
    net, puppet = offload.net, stack.enter_context(Puppet(offload))
    address, outside = ((net.client.v4, net.host.v4) if family == 4 else
                        (net.client.v6, net.host.v6))
    listener = stack.enter_context(socket_in(net.client, socket.AF_INET if family == 4 else
                                             socket.AF_INET6, socket.SOCK_STREAM))
    listener.bind((address, 0))
    listener.listen(1)
    port = listener.getsockname()[1]
    with offload.watch(port=port) as seen:
        puppet.do("open", offload.share / "body")
        puppet.do("connect", address, port)
        peer = stack.enter_context(listener.accept()[0])
        assert peer.getpeername()[0] == outside

        offsets = iter(range(0, HALF, 4099))

        def is_home_twice():
            """A piece that begins too early after a way home is served in the guest."""
            offset = next(offsets)
            puppet.order("file", offset, HALF)
            assert read_exactly(peer, HALF) == BYTES[offset:offset + HALF]
            puppet.answer()
            return offload.counts()["homed"] >= 2

        wait_for(is_home_twice, "two ways home")
        peer.sendall(BYTES[:SMALL_BYTES])
        assert puppet.do("recv", SMALL_BYTES)["bytes"] == SMALL_BYTES
        puppet.do("close")
        assert read_exactly(peer, 1) == b""
    assert offload.wait_counts(lambda counts: counts["live"] == 0)["moved"] >= 2
    assert seen["in"]["rst"] == seen["out"]["rst"] == 0


class Web:
    """The guest's HTTP server, for clients in the client's namespace."""

    def __init__(self, stack, offload):
        script = pathlib.Path(__file__).with_name("web.py")
        environment = {**offload.environment, "HYLICS_LIBRARY": LIBRARY / "libhylics.so.0"}
        self.server = stack.enter_context(Process([
            *offload.guest.node.prefix(), "env", *(f"{k}={v}" for k, v in environment.items()),
            sys.executable, "-B", str(script), str(offload.share)]))
        self.node, self._directory = offload.net.client, offload.directory
        self.port = re.search(r"\d+", self.server.wait_output("port"))[0]
        self.url = f"http://{offload.guest.v4}:{self.port}/"

    def clients(self):
        """The client's ends of connections that are open."""
        said = self.node.run(["ss", "-Htn", "state", "established", "dport", self.port]).stdout
        return {line.split()[2] for line in said.splitlines()}


class Curl(Web):
    """A real client, and the files it writes."""

    def file(self, name):
        """Where it writes."""
        return self._directory / name

    def run(self, *words, shell=None):
        """Run it in the client's namespace, to its end; what it says."""
        argv = ["curl", "--silent", "--show-error", "--max-time", "60", *map(str, words)]
        return self.node.run(argv if shell is None else " ".join(argv) + shell).stdout


def test_curl_downloads(stack):
    """Whole, in parts, resumed, several on one connection, several at once; small ones, headers."""
    offload = start(stack, Net.bridge_uplink)
    curl = Curl(stack, offload)
    body, small, got = curl.url + "body", curl.url + "small", curl.file("got")
    with offload.watch(port=curl.port) as seen:
        curl.run(body, "-o", got)
        assert got.read_bytes() == BYTES
        curl.run(body, "-r", "1000-2000999", "-o", got)
        assert got.read_bytes() == BYTES[1000:2001000]
        got.write_bytes(BYTES[:HALF])
        curl.run(body, "-C", "-", "-o", got)
        assert got.read_bytes() == BYTES
        assert f"Content-Length: {FILE_BYTES}" in curl.run("--head", body)
        assert curl.run("--head", curl.url + "nosuch").startswith("HTTP/1.1 404")
        connects = curl.run(body, "-o", got, small, "-o", curl.file("1"), body, "-o",
                            curl.file("2"), "-w", "%{num_connects} ")
        assert connects.split() == ["1", "0", "0"]
        assert got.read_bytes() == curl.file("2").read_bytes() == BYTES
        assert curl.file("1").read_bytes() == BYTES[:SMALL_BYTES]
        curl.run("--parallel", "--parallel-immediate",
                 *(word for i in range(4) for word in (body, "-o", curl.file(f"{i}"))))
        assert [curl.file(f"{i}").read_bytes() == BYTES for i in range(4)] == [True] * 4
    offload.wait_counts(lambda counts: counts["live"] == 0 and counts["moved"] >= 8)
    assert seen["in"]["rst"] == seen["out"]["rst"] == 0
    assert curl.server.alive()


def test_curl_gives_up(stack):
    """Its reader has enough, and it leaves in the middle: nothing stays, the next one is served."""
    offload = start(stack, Net.bridge_uplink)
    curl = Curl(stack, offload)
    for _ in range(3):
        got = curl.file("got")
        curl.run(curl.url + "body", shell=f" 2>/dev/null | head -c {SMALL_BYTES} > {got}")
        assert got.read_bytes() == BYTES[:SMALL_BYTES]
    offload.wait_counts(lambda counts: counts["live"] == 0 and counts["moved"] == 3)
    curl.run(curl.url + "body", "-o", curl.file("got"))
    assert curl.file("got").read_bytes() == BYTES
    assert curl.server.alive()


def test_wrk(stack):
    """Ten busy connections that stay open, each to the host and home again and again."""
    offload = start(stack, Net.bridge_uplink, worker=HOME)
    web = Web(stack, offload)
    files = [offload.share / name for name in PAGES]
    for place, (file, size) in enumerate(zip(files, PAGES.values())):
        file.write_bytes(BYTES[place:place + size])
    with offload.watch(port=web.port) as seen:
        wrk = web.node.popen(["wrk", *WRK, "--script",
                              pathlib.Path(__file__).with_name("wrk.lua"), web.url, "--", *files],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        offload.wait_counts(lambda counts: counts["homed"] >= WRK_CONNECTIONS)
        begun = web.clients()
        offload.wait_counts(lambda counts: min(counts["moved"], counts["homed"]) >= WRK_MOVES)
        assert web.clients() == begun and len(begun) == WRK_CONNECTIONS
    wrk.send_signal(signal.SIGINT)      # it says what it has seen, and leaves in the middle
    said = wrk.communicate(timeout=PATIENCE_S)[0]
    assert "errors" not in said and "Non-2xx" not in said, said
    answers, *bad = map(int, re.search(r"^result (.*)$", said, re.MULTILINE)[1].split())
    assert answers >= WRK_MOVES and not any(bad), said
    assert seen["in"]["rst"] == seen["out"]["rst"] == 0
    counts = offload.wait_counts(lambda counts: counts["live"] == 0)
    assert not counts["reset_by_us"], counts
    assert web.server.alive()
