# SPDX-License-Identifier: GPL-2.0-or-later
"""A server that sends a mapped file with plain calls, as servers do; lines as puppet.py's.

open PATH		map it, for reading alone
accept			take the next connection
write CALL N HEAD PIECE	HEAD bytes, then N of the mapping, PIECE at a time, by CALL: write, writev,
			send or sendmsg; then the connection's close
"""

import mmap
import os
import select
import socket

from orders import obey


class Server:
    """One connection at a time."""

    def __init__(self):
        self.listener = socket.create_server(("", 0), backlog=64)
        self.sock = self.map = None

    def open(self, path):
        """The file: as its mapping, nothing else is kept."""
        with open(path, "rb") as file:
            self.map = memoryview(mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ))

    def accept(self):
        """Non-blocking, as servers with an event loop have it."""
        self.sock, _ = self.listener.accept()
        self.sock.setblocking(False)

    def _call(self, call, pieces):
        if call == "write":
            return os.write(self.sock.fileno(), pieces[0])
        if call == "send":
            return self.sock.send(pieces[0], socket.MSG_NOSIGNAL)
        if call == "sendmsg":
            return self.sock.sendmsg(pieces, [], socket.MSG_NOSIGNAL)
        return os.writev(self.sock.fileno(), pieces)

    def _some(self, call, pieces):
        while True:
            try:
                return self._call(call, [piece for piece in pieces if len(piece)])
            except BlockingIOError:
                select.select([], [self.sock], [])

    def write(self, call, count, head, piece):
        """An answer; how many calls it took."""
        head, at, calls = bytes(int(head)), 0, 0
        while at < int(count):
            sent = self._some(call, [head, self.map[at:min(at + int(piece), int(count))]])
            calls += 1
            of_head = min(sent, len(head))
            head = head[of_head:]
            at += sent - of_head
        self.sock.close()
        return {"calls": calls}


obey(Server())
