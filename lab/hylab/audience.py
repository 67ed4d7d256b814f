# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that ask a web server for files again and again, and what came when.

    with Audience(net.client, "10.99.50.11", 8080, {"a.ts": path}, connections=4) as audience:
        ...
        heard = audience.end()
    heard.rates_mbps(began, ended)

They are a process of their own, with one thread. The length of every answer is checked, and the
bytes of a connection's first and of each hundredth; the others are taken out of the socket
uncopied, so that clients cost as little as if they were elsewhere.
"""

import contextlib
import json
import math
import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import time

from hylab import LabError
from hylab.wait import wait_for

STEP_S = 0.1                # bytes are summed up over so long
CHECK_EVERY = 100
READ_BYTES = 4 << 20
HEAD_MAX = 16 << 10
STUCK_AFTER_S = 60
START_WITHIN_S = 120
TROUBLES_KEPT = 5
COUNT_BYTES = 8             # of each of two counters: answers, bytes
ROUNDING = 1e-6


class Trouble(Exception):
    """An answer that is not what was asked for."""


class Heard:
    """What an audience got."""

    def __init__(self, said):
        self._began, self._bytes = said["began"], said["bytes"]
        self.answers, self.checked = said["answers"], said["checked"]
        self.troubles = said["troubles"]

    def _between(self, steps, began, ended):
        """The whole steps between two moments of time.monotonic()."""
        first = math.ceil((began - self._began) / STEP_S - ROUNDING)
        last = math.floor((ended - self._began) / STEP_S + ROUNDING)
        return steps[max(0, first):max(0, last)]

    def rates_mbps(self, began, ended, every_s=0.5):
        """The rate in each stretch of every_s between two moments; a rest is left out."""
        steps, width = self._between(self._bytes, began, ended), round(every_s / STEP_S)
        return [round(sum(steps[at:at + width]) * 8 / (width * STEP_S) / 1e6, 2)
                for at in range(0, len(steps) - width + 1, width)]

    def rate_mbps(self, began, ended):
        """The mean rate between two moments."""
        steps = self._between(self._bytes, began, ended)
        return sum(steps) * 8 / (len(steps) * STEP_S) / 1e6 if steps else 0.0

    def gigabytes(self, began, ended):
        """What came between two moments."""
        return self.rate_mbps(began, ended) * (ended - began) / 8000


def _troubles(said):
    with contextlib.suppress(ValueError):
        return "; ".join(json.loads(said)["troubles"])
    return ""


class Audience:
    """The process, on entering; every client has had a byte by then."""

    def __init__(self, node, address, port, files, connections=4, prefix=""):
        """files: what is asked for in turn, name -> path of the same bytes; prefix: of the URLs."""
        self._count_fd = os.memfd_create("answers")
        os.ftruncate(self._count_fd, 2 * COUNT_BYTES)
        self._count = mmap.mmap(self._count_fd, 2 * COUNT_BYTES)
        wanted = {"address": address, "port": port, "prefix": prefix, "connections": connections,
                  "files": [[name, str(path)] for name, path in files.items()],
                  "count_fd": self._count_fd}
        self._argv = [*node.prefix(), sys.executable, "-B", "-m", "hylab.audience",
                      json.dumps(wanted)]
        self._process = None

    def __enter__(self):
        said = ""
        self._process = subprocess.Popen(self._argv, stdout=subprocess.PIPE, text=True,
                                         stderr=subprocess.PIPE, pass_fds=[self._count_fd])
        if not select.select([self._process.stdout], [], [], START_WITHIN_S)[0] \
                or (said := self._process.stdout.readline()) != "ready\n":
            self._process.kill()
            rest, errors = self._process.communicate()
            self._close_count()
            raise LabError(f"the clients got nothing: {_troubles(said or rest)} {errors.strip()}")
        return self

    def _close_count(self):
        self._count.close()
        os.close(self._count_fd)

    def __exit__(self, *_):
        self._close_count()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._process.stderr.close()

    def answers(self):
        """How many they have had so far."""
        return int.from_bytes(self._count[:COUNT_BYTES], "little")

    def bytes(self):
        """How many bytes of answers they have had so far."""
        return int.from_bytes(self._count[COUNT_BYTES:], "little")

    def wait_answers(self, count):
        """Until they have had so many; LabError if they end before."""
        def had():
            if self._process.poll() is not None:
                raise LabError(f"the clients ended behind {self.answers()} answers")
            return self.answers() >= count
        wait_for(had, f"{count} answers", STUCK_AFTER_S)

    def end(self):
        """Let them go; what they heard. LabError if an answer was wrong."""
        self._process.send_signal(signal.SIGTERM)
        said, errors = self._process.communicate(timeout=STUCK_AFTER_S)
        if self._process.returncode:
            raise LabError(f"the clients ended: {errors.strip()}")
        heard = Heard(json.loads(said))
        if heard.troubles:
            raise LabError("clients: " + "; ".join(heard.troubles))
        return heard


# --- the process ---------------------------------------------------------------------------------

class _Client:
    """One connection, and the answer that is under way on it."""

    def __init__(self, crowd, number):
        self._crowd = crowd
        self._turn = number         # clients do not go through the files in step
        self._answers = 0
        self._head = b""
        self._left = self._at = 0
        self.sock = None
        self.heard = False

    def connect(self):
        """Connect and ask."""
        self.sock = socket.create_connection(self._crowd.where, STUCK_AFTER_S)
        self.sock.setblocking(False)
        self._crowd.watch(self)
        self._ask()

    def _connect_anew(self):
        """Servers end a connection behind so many answers."""
        self.sock.close()
        self.connect()

    def _ask(self):
        name, _ = self._crowd.files[self._turn % len(self._crowd.files)]
        self._head, self._left, self._at = b"", 0, 0
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):    # read as its end
            self.sock.send(f"GET /{self._crowd.prefix}{name} HTTP/1.1\r\nHost: lab\r\n\r\n"
                           .encode())

    def take(self):
        """Take what is there; how many bytes of bodies."""
        if not self._left:
            return self._take_head()
        return self._take_body()

    def _take_head(self):
        piece = self._receive_head()
        if not piece and not self._head:
            self._connect_anew()
            return 0
        self._head += piece
        head, end, body = self._head.partition(b"\r\n\r\n")
        if not end:
            if len(head) > HEAD_MAX:
                raise Trouble("a head does not end")
            return 0
        lines = head.decode("latin-1").lower().split("\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith("content-length:")), -1)
        if lines[0].split(" ")[1:2] != ["200"] or length != len(self._file):
            raise Trouble(f"'{lines[0]}', {length} bytes instead of {len(self._file)}")
        self._left = length
        self.heard = True
        self._compare(body)
        return self._count(len(body))

    def _receive_head(self):
        try:
            piece = self.sock.recv(HEAD_MAX)
        except ConnectionResetError:
            piece = b""
        if not piece and (self._head or not self._answers):
            raise Trouble("the connection ends in a head")
        return piece

    @property
    def _file(self):
        return self._crowd.files[self._turn % len(self._crowd.files)][1]

    @property
    def _checked(self):
        return self._answers % CHECK_EVERY == 0

    def _compare(self, piece):
        if self._checked and piece != self._file[self._at:self._at + len(piece)]:
            raise Trouble(f"wrong bytes behind {self._at} of {len(self._file)}")

    def _take_body(self):
        most = min(self._left, READ_BYTES)
        if self._checked:
            piece = self._receive(most)
            self._compare(piece)
            return self._count(len(piece))
        count = self.sock.recv_into(self._crowd.bin, most, socket.MSG_TRUNC)
        if not count:
            raise Trouble(f"the answer ends {self._left} bytes early")
        return self._count(count)

    def _receive(self, most):
        piece = self.sock.recv(most)
        if not piece:
            raise Trouble(f"the connection ends, {self._left} bytes early")
        return piece

    def _count(self, count):
        self._left -= count
        self._at += count
        if not self._left:
            self._crowd.answered(self._checked)
            self._answers += 1
            self._turn += 1
            self._ask()
        return count


class _Crowd:
    """All connections, and the sums."""

    def __init__(self, wanted):
        self.where = wanted["address"], wanted["port"]
        self.prefix = wanted["prefix"]
        self.files = [(name, _mapped(path)) for name, path in wanted["files"]]
        self.bin = bytearray(READ_BYTES)
        self._count = mmap.mmap(wanted["count_fd"], 2 * COUNT_BYTES)
        self._total = 0
        self._clients = [_Client(self, number) for number in range(wanted["connections"])]
        self._by_fd = {}
        self._epoll = select.epoll()
        self._began = time.monotonic()
        self._bytes, self._troubles = [], []
        self._answers = self._checked = 0
        self._ending = self._ready = False

    def answered(self, checked):
        """An answer is whole."""
        self._answers += 1
        self._checked += checked
        self._count[:COUNT_BYTES] = self._answers.to_bytes(COUNT_BYTES, "little")

    def watch(self, client):
        """It has a socket."""
        self._by_fd[client.sock.fileno()] = client
        self._epoll.register(client.sock, select.EPOLLIN)

    def stop(self, *_):
        """At the next look."""
        self._ending = True

    def run(self):
        """Until stop()."""
        for client in self._clients:
            client.connect()
        while not self._ending and not self._troubles:
            events = self._epoll.poll(1)
            for fd, _ in events:
                self._take(self._by_fd[fd])
            if not self._ready and all(client.heard for client in self._clients):
                print("ready", flush=True)
                self._ready = True

    def _take(self, client):
        try:
            count = client.take()
        except (Trouble, OSError) as trouble:
            self._troubles.append(str(trouble))
            return
        step = int((time.monotonic() - self._began) / STEP_S)
        self._bytes.extend([0] * (step + 1 - len(self._bytes)))
        self._bytes[step] += count
        self._total += count
        self._count[COUNT_BYTES:] = self._total.to_bytes(COUNT_BYTES, "little")

    def said(self):
        """For Heard."""
        now = int((time.monotonic() - self._began) / STEP_S)
        self._bytes.extend([0] * (now - len(self._bytes)))
        return {"began": self._began, "bytes": self._bytes, "answers": self._answers,
                "checked": self._checked, "troubles": self._troubles[:TROUBLES_KEPT]}


def _mapped(path):
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def main(argv):
    """See the module."""
    crowd = _Crowd(json.loads(argv[0]))
    signal.signal(signal.SIGTERM, crowd.stop)
    crowd.run()
    print(json.dumps(crowd.said()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
