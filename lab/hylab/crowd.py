# SPDX-License-Identifier: GPL-2.0-or-later
"""A client of thousands of connections that stay open and are asked now and then, for experiments.

It speaks to `hylics-talk server` and compares every byte. hylics-talk's own client asks as fast as
its connections allow; this one asks as often per second as it is told, whichever connection's turn
it is, so that many connections and few are equally much work for the server.
"""

import functools
import itertools
import mmap
import select
import socket
import struct
import time

from hylab import LabError
from hylab.experiments.wire import in_namespace

MAGIC, VERSION = 0x4b4c4154, 1          # lab/talk/request.h
HEAD_BYTES = 240
STREAMS = 64                            # patterns of heads; neighbours in time have different ones
WORD = (1 << 64) - 1
READ_BYTES = 256 << 10
EVENTS = 256
STUCK_AFTER_S = 30
US_PER_S = 1e6


def _mix(value):
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9 & WORD
    value = (value ^ value >> 27) * 0x94d049bb133111eb & WORD
    return value ^ value >> 31


@functools.lru_cache(STREAMS)
def head_of(stream):
    """What an answer of this stream begins with: lab/talk/pattern.h."""
    begin = _mix(stream + 1)
    return b"".join(_mix(begin + i * 0x9e3779b97f4a7c15 & WORD).to_bytes(8, "little")
                    for i in range(HEAD_BYTES // 8))


def request(stream, offset, size):
    """The bytes that ask for a head and these bytes of the file."""
    return struct.pack("<IIQQQQQQQII", MAGIC, VERSION, stream, HEAD_BYTES, offset, size, 0, 0, 0,
                       0, 0)


class _One:
    """A connection: what it waits for."""

    def __init__(self, sock):
        self.sock = sock
        self.stream = self.offset = self.total = self.got = 0
        self.asked_at = 0.0

    @property
    def busy(self):
        """Whether an answer is under way."""
        return self.got < self.total


class Crowd:
    """So many connections from a node, to ADDRESS:PORT of each server in turn.

    begin(), then ask() as often as wanted, then close().
    """

    def __init__(self, node, servers, path, connections):
        parts = [where.rsplit(":", 1) for where in servers]
        self._servers = [(host, int(port)) for host, port in parts]
        with open(path, "rb") as file:
            self._file = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._all = {}
        self._ones = []
        for sock in in_namespace(node.namespace, lambda: [self._socket() for _ in
                                                          range(connections)]):
            self._ones.append(_One(sock))
            self._all[sock.fileno()] = self._ones[-1]
        self._epoll = select.epoll()
        self._busy = self._turn = 0
        self.answers = self.wrong_bytes = 0
        self.response_us = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """All connections end, none with bytes under way but after a failure."""
        self._epoll.close()
        for one in self._ones:
            one.sock.close()
        self._file.close()

    def begin(self, size, at_once):
        """Each connects and asks for its first answer of this size, so many at the same time."""
        for one, server in zip(self._ones, itertools.cycle(self._servers)):
            while self._busy >= at_once:
                self._wait(STUCK_AFTER_S)
            one.sock.connect(server)
            one.sock.setblocking(False)
            self._epoll.register(one.sock, select.EPOLLIN)
            self._ask(one, size)
        self._finish()

    def ask(self, sizes, count, per_second):
        """So many answers, the sizes in turn on every connection; the seconds it took."""
        began = time.monotonic()
        for number in range(count):
            due = began + number / per_second
            while (left := due - time.monotonic()) > 0:
                self._wait(left, stuck=False)
            one = self._ones[self._turn % len(self._ones)]
            while one.busy:
                self._wait(STUCK_AFTER_S)
            # in each round over the connections every size has its share
            self._ask(one, sizes[(self._turn // len(self._ones) + self._turn) % len(sizes)])
            self._turn += 1
        self._finish()
        return time.monotonic() - began

    @staticmethod
    def _socket():
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM)

    def _finish(self):
        while self._busy:
            self._wait(STUCK_AFTER_S)

    def _ask(self, one, size):
        number = self.answers + self._busy
        one.stream = number % STREAMS
        one.offset = number * 4099 % (len(self._file) - size)
        one.got, one.total = 0, HEAD_BYTES + size
        one.asked_at = time.monotonic()
        self._busy += 1
        asked = request(one.stream, one.offset, size)
        if one.sock.send(asked) != len(asked):
            raise LabError("a request did not fit into its socket")

    def _wait(self, seconds, stuck=True):
        events = self._epoll.poll(seconds, EVENTS)
        if stuck and not events:
            raise LabError(f"no byte for {seconds} s, {self._busy} answers under way")
        for fd, _ in events:
            self._take(self._all[fd])

    def _take(self, one):
        data = one.sock.recv(READ_BYTES)
        if not data or one.got + len(data) > one.total:
            raise LabError(f"{one.got + len(data) - one.total} bytes too many" if data else
                           f"an answer ended at byte {one.got} of {one.total}")
        self._compare(one, data)
        one.got += len(data)
        if one.got == one.total:
            self.response_us.append(round((time.monotonic() - one.asked_at) * US_PER_S))
            self.answers += 1
            self._busy -= 1

    def _compare(self, one, data):
        head = head_of(one.stream)[one.got:one.got + len(data)]
        begin = one.offset + one.got + len(head) - HEAD_BYTES
        want = head + self._file[begin:begin + len(data) - len(head)]
        if data != want:
            self.wrong_bytes += sum(a != b for a, b in zip(data, want))
