# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers that write() a mapped file, with the preload: what the host sends, byte for byte."""

import contextlib
import socket

import pytest
from moving import PATIENCE_S, Puppet
from wiring import socket_in

from hylab import BUILD, wall
from hylab.net import Net
from hylab.offload import Offload

PRELOAD = BUILD / "preload/libhylics-preload.so"
BODY, HEAD, PIECE = 8 << 20, 300, 256 << 10

pytestmark = pytest.mark.skipif(b"__asan_init" in PRELOAD.read_bytes(), reason="sanitized")


class Mapper(Puppet):
    """mapper.py, with the preload."""

    script = "mapper.py"
    preload = str(PRELOAD)


@pytest.fixture(name="offload")
def _offload():
    wall.require()
    with Net.bridge_uplink(spaces=1) as net, Offload(net, net.guests[0]) as offload:
        offload.body = offload.file("body", BODY)
        yield offload


@contextlib.contextmanager
def client(offload, server):
    """A connection that the server has accepted."""
    with socket_in(offload.net.client, socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(PATIENCE_S)
        sock.connect(offload.net.endpoint(offload.guest, server.port, 4))
        server.do("accept")
        yield sock


def read_all(sock):
    """To its end."""
    data = bytearray()
    while piece := sock.recv(1 << 20):
        data += piece
    return bytes(data)


@pytest.mark.parametrize("call", ["write", "send", "writev", "sendmsg"])
def test_the_host_sends_what_is_mapped(offload, call):
    head = HEAD if call in ("writev", "sendmsg") else 0
    with Mapper(offload) as server:
        server.do("open", offload.body)
        with client(offload, server) as sock:
            server.order("write", call, BODY, head, PIECE)
            got = read_all(sock)
            server.answer()
    assert got == bytes(head) + offload.body.read_bytes()
    offload.wait_counts(lambda counts: counts["moved"] == 1 and counts["bytes_file"] == BODY)


def test_short_answers_stay_plain(offload):
    with Mapper(offload) as server:
        server.do("open", offload.body)
        for _ in range(5):
            with client(offload, server) as sock:
                server.order("write", "writev", 20000, HEAD, 20000)
                assert read_all(sock) == bytes(HEAD) + offload.body.read_bytes()[:20000]
                server.answer()
    assert offload.counts()["offered"] == 0


@pytest.mark.parametrize("who", ["worker", "agent"])
def test_killed_and_taken_over(offload, who):
    """kill -9 when it is moved: right bytes to the end."""
    with Mapper(offload) as server:
        server.do("open", offload.body)
        with client(offload, server) as sock:
            server.order("write", "writev", BODY, HEAD, PIECE)
            offload.wait_counts(lambda counts: counts["live"] == 1)
            offload.kill_child(who)
            got = read_all(sock)
            server.answer()
    assert got == bytes(HEAD) + offload.body.read_bytes()


def test_without_anything_of_hylics_it_serves(offload):
    offload.close_programs()
    with Mapper(offload) as server:
        server.do("open", offload.body)
        with client(offload, server) as sock:
            server.order("write", "writev", BODY, HEAD, PIECE)
            assert read_all(sock) == bytes(HEAD) + offload.body.read_bytes()
            server.answer()
