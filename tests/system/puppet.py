# SPDX-License-Identifier: GPL-2.0-or-later
"""A server that does what lines on its standard input say, and answers each with a line of JSON.

open PATH		the file to send from
accept			take the next connection
connect ADDRESS PORT	open one
send OFFSET N		bytes of the file as plain ones, by send()
file OFFSET N		hylics_sendfile() until N bytes are accepted
recv N			read exactly N bytes, or to the end; their SHA-256
shut, close		of the connection
"""

import hashlib
import os
import select
import socket

from guest_library import sendfile
from orders import obey


class Server:
    """One connection at a time."""

    def __init__(self):
        self.listener = socket.create_server(("::", 0), family=socket.AF_INET6,
                                             dualstack_ipv6=True, backlog=64)
        self.sock = self.fd = None

    def open(self, path):
        """The file."""
        self.fd = os.open(path, os.O_RDONLY)

    def accept(self):
        """Non-blocking, as servers with an event loop have it."""
        self.sock, _ = self.listener.accept()
        self.sock.setblocking(False)

    def connect(self, address, port):
        """The other way round."""
        self.sock = socket.create_connection((address, int(port)))
        self.sock.setblocking(False)

    def _wait(self, write):
        select.select([] if write else [self.sock], [self.sock] if write else [], [])

    def send(self, offset, count):
        """Plain bytes."""
        data = os.pread(self.fd, int(count), int(offset))
        while data:
            try:
                data = data[self.sock.send(data):]
            except BlockingIOError:
                self._wait(True)

    def file(self, offset, count):
        """A part of the file."""
        at, end = int(offset), int(offset) + int(count)
        while at < end:
            try:
                at += sendfile(self.sock.fileno(), self.fd, at, end - at)
            except BlockingIOError:
                self._wait(True)

    def recv(self, count):
        """Bytes of the client."""
        digest, left = hashlib.sha256(), int(count)
        while left:
            try:
                piece = self.sock.recv(min(left, 65536))
            except BlockingIOError:
                self._wait(False)
                continue
            if not piece:
                break
            digest.update(piece)
            left -= len(piece)
        return {"bytes": int(count) - left, "sha256": digest.hexdigest()}

    def shut(self):
        """No more bytes to the client."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        """The connection's end."""
        self.sock.close()


obey(Server())
