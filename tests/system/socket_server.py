# SPDX-License-Identifier: GPL-2.0-or-later
"""A server whose sockets are asked everything: each line says what, and is answered with JSON.

It is started with the preload, and uses nothing of Hylics itself. It accepts two connections: what
the first is asked once it has been moved, the second (never moved) is asked too.

open PATH			the file to send from
accept NAME			take the next connection
file NAME OFFSET N		os.sendfile() until N bytes are accepted
pieces NAME N SIZE		likewise from 0, so many at a time, waiting where it would block
get NAME LEVEL OPTION SIZE	getsockopt(): hexadecimal
set NAME LEVEL OPTION HEX	setsockopt()
names NAME			addresses, inode and device, domain, protocol
ioctl NAME REQUEST		of an int
recv NAME N FLAGS		the bytes, hexadecimal, or errno
forked NAME, executed NAME, passed NAME		names, in another process that has the descriptor
child_sets NAME LEVEL OPTION HEX	setsockopt() in a forked process
close NAME			it
"""

import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import sys

from orders import obey

PIECE = 1 << 20
RECEIVE = """
import json, os, socket, sys
link = socket.socket(fileno=int(sys.argv[1]))
_, fds, _, _ = socket.recv_fds(link, 1, 1)
os.execv(sys.executable, [sys.executable, "-B", sys.argv[2], "names", str(fds[0])])
"""


def names(sock):
    """What tells who a socket is."""
    st = os.fstat(sock.fileno())
    return {"peer": sock.getpeername(), "own": sock.getsockname(), "ino": st.st_ino,
            "dev": st.st_dev, "mode": st.st_mode,
            "domain": sock.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN),
            "protocol": sock.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL),
            "type": sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE),
            "error": sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)}


class Server:
    """The sockets by name."""

    def __init__(self):
        self.listener = socket.create_server(("0.0.0.0", 0), backlog=64)
        self.socks = {}
        self.file_fd = None

    def open(self, path):
        """The file."""
        self.file_fd = os.open(path, os.O_RDONLY)

    def accept(self, name):
        """Blocking, as it comes."""
        self.socks[name], _ = self.listener.accept()
        self.socks[name].setblocking(False)
        return {"fd": self.socks[name].fileno()}

    def file(self, name, offset, count):
        """A part of the file."""
        at, end = int(offset), int(offset) + int(count)
        while at < end:
            at += os.sendfile(self.socks[name].fileno(), self.file_fd, at, min(end - at, PIECE))

    def pieces(self, name, count, size):
        """All of it, as an event loop does."""
        at, end = 0, int(count)
        room = select.poll()
        room.register(self.socks[name], select.POLLOUT)
        while at < end:
            try:
                at += os.sendfile(self.socks[name].fileno(), self.file_fd, at,
                                  min(end - at, int(size)))
            except BlockingIOError:
                room.poll()

    def get(self, name, level, option, size):
        """An option."""
        return {"value": self.socks[name].getsockopt(int(level), int(option), int(size)).hex()}

    def set(self, name, level, option, value):
        """Likewise."""
        self.socks[name].setsockopt(int(level), int(option), bytes.fromhex(value))

    def names(self, name):
        """In this process."""
        return names(self.socks[name])

    def ioctl(self, name, request):
        """Of an int."""
        answer = fcntl.ioctl(self.socks[name].fileno(), int(request), struct.pack("i", -1))
        return {"value": struct.unpack("i", answer)[0]}

    def recv(self, name, count, flags):
        """Bytes of the client."""
        return {"bytes": self.socks[name].recv(int(count), int(flags)).hex()}

    def forked(self, name):
        """Names, in a child."""
        return self._in_child(lambda: names(self.socks[name]))

    def child_sets(self, name, level, option, value):
        """An option, in a child."""
        return self._in_child(lambda: self.set(name, level, option, value))

    @staticmethod
    def _in_child(does):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(writer, json.dumps(does() or {}).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as answer:
            said = json.loads(answer.read())
        os.waitpid(pid, 0)
        return said

    def executed(self, name):
        """Names, in a program of its own."""
        fd = self.socks[name].fileno()
        done = subprocess.run([sys.executable, "-B", __file__, "names", str(fd)], pass_fds=[fd],
                              stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)

    def passed(self, name):
        """Names, in a program that gets it as a message."""
        ours, theirs = socket.socketpair()
        with subprocess.Popen([sys.executable, "-B", "-c", RECEIVE, str(theirs.fileno()),
                               __file__], pass_fds=[theirs.fileno()],
                              stdout=subprocess.PIPE) as receiver:
            socket.send_fds(ours, [b"x"], [self.socks[name].fileno()])
            return json.loads(receiver.stdout.read())

    def close(self, name):
        """The connection's end."""
        self.socks.pop(name).close()


def main():
    """Until standard input ends."""
    if sys.argv[1:2] == ["names"]:
        print(json.dumps(names(socket.socket(fileno=int(sys.argv[2])))))
        return
    obey(Server())


main()
