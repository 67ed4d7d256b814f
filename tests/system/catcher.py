# SPDX-License-Identifier: GPL-2.0-or-later
"""Catches datagrams of a file and looks at each; a program of the client.

catcher.py ADDRESS FILE BYTES	the file is one of Offload.file(): its bytes tell their place
It prints its port, and for each line of standard input one of JSON:

tell			what came so far
answer TEXT		says it to whoever sent last
"""

import collections
import json
import select
import socket
import sys

WORD = 8
MASK = (1 << 64) - 1
GOLDEN = 0x9e3779b97f4a7c15
INVERSE = pow(GOLDEN, -1, 1 << 64)
SO_RCVBUFFORCE = 33
ROOM = 256 << 20


class Catcher:
    """What came, datagram by datagram."""

    def __init__(self, address, path, size):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
        self.sock.bind((address, 0))
        with open(path, "rb") as file:
            self.body = file.read()
        self.size = size
        self.seen = collections.Counter()       # by offset
        self.sources = collections.Counter()
        self.wrong = []
        self.last = None

    def offset_of(self, piece):
        """Where in the file it belongs, as its first word says."""
        return ((int.from_bytes(piece[:WORD], "little") - 1) * INVERSE & MASK) * WORD

    def take(self):
        """One datagram."""
        piece, self.last = self.sock.recvfrom(1 << 16)
        self.sources[f"{self.last[0]} {self.last[1]}"] += 1
        at = self.offset_of(piece)
        whole = len(piece) == self.size or at + len(piece) == len(self.body)
        if not whole or self.body[at:at + len(piece)] != piece:
            self.wrong.append([at, len(piece)])
        else:
            self.seen[at] += 1

    def obey(self, line):
        """An order's answer."""
        order, _, text = line.rstrip("\n").partition(" ")
        if order == "answer":
            self.sock.sendto(text.encode(), self.last)
        bytes_seen = sum(min(self.size, len(self.body) - at) for at in self.seen)
        return {"bytes": bytes_seen, "datagrams": sum(self.seen.values()),
                "twice": sum(n - 1 for n in self.seen.values()), "first": min(self.seen, default=0),
                "wrong": self.wrong[:5], "sources": self.sources}

    def run(self):
        """Until standard input ends."""
        print(self.sock.getsockname()[1], flush=True)
        while True:
            ready = select.select([self.sock, sys.stdin], [], [])[0]
            if self.sock in ready:      # first what has come
                self.take()
            elif line := sys.stdin.readline():
                print(json.dumps(self.obey(line)), flush=True)
            else:
                break


if __name__ == "__main__":
    Catcher(sys.argv[1], sys.argv[2], int(sys.argv[3])).run()
