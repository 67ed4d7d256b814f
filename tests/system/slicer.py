# SPDX-License-Identifier: GPL-2.0-or-later
"""A server for one connection: it sends a file in short slices, non-blocking, under epoll.

slicer.py FILE SLICE EVERY LINE		between two times EVERY slices it writes LINE, each time by
					another kind of call; EVERY 0: never
It prints its port, and when the pair is full for the first time how many bytes it has said.
"""

import ctypes
import os
import select
import socket
import sys
import threading

from guest_library import sendfile

LINE = sys.argv[4].encode()
SYS_WRITE = {"x86_64": 1, "aarch64": 64}[os.uname().machine]
LIBC = ctypes.CDLL(None, use_errno=True)


def by_write(sock):
    """The plain way."""
    return os.write(sock, LINE)


def by_system_call(sock):
    """Past every library."""
    return LIBC.syscall(SYS_WRITE, sock, LINE, len(LINE))


def by_thread(sock):
    """Somebody else in the same process."""
    done = []
    thread = threading.Thread(target=lambda: done.append(os.write(sock, LINE)))
    thread.start()
    thread.join()
    return done[0]


def by_child(sock):
    """Somebody who has inherited the socket."""
    pid = os.fork()
    if pid == 0:
        os._exit(os.write(sock, LINE) != len(LINE))
    return len(LINE) if os.waitpid(pid, 0)[1] == 0 else -1


def by_number(sock):
    """The socket under another number."""
    other = os.dup(sock)
    done = os.write(other, LINE)
    os.close(other)
    return done


def by_splice(sock):
    """Pages instead of bytes."""
    out, into = os.pipe()
    os.write(into, LINE)
    done = os.splice(out, sock, len(LINE))
    os.close(out)
    os.close(into)
    return done


WRITERS = (by_write, by_system_call, by_thread, by_child, by_number, by_splice)


class Slicer:
    """A connection and how far it is."""

    def __init__(self, path, size, every):
        self.file = os.open(path, os.O_RDONLY)
        self.end = os.fstat(self.file).st_size
        self.size, self.every = size, every
        self.at = self.said = self.slices = self.lines = 0
        self.full = False
        listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        print("port", listener.getsockname()[1], flush=True)
        self.sock, _ = listener.accept()
        self.sock.setblocking(False)
        self.epoll = select.epoll()
        self.epoll.register(self.sock, select.EPOLLOUT)

    def wait(self):
        """Until the pair has room."""
        if not self.full:
            print("full", self.said, flush=True)
        self.full = True
        self.epoll.poll()

    def write(self):
        """A line by the next kind of call."""
        writer = WRITERS[self.lines % len(WRITERS)]
        while True:
            self.epoll.poll()       # so much room that none of them can fail for want of it
            done = writer(self.sock.fileno())
            if done == len(LINE):
                break
            assert done < 0, (writer, done)
            self.wait()
        self.lines += 1
        self.said += done

    def slice(self):
        """The next one."""
        try:
            done = sendfile(self.sock.fileno(), self.file, self.at, min(self.size,
                                                                        self.end - self.at))
        except BlockingIOError:
            self.wait()
            return
        self.at += done
        self.said += done
        self.slices += 1
        if self.every and self.slices % self.every == 0:
            self.write()

    def run(self):
        """All of it."""
        while self.at < self.end:
            self.slice()
        self.sock.close()


Slicer(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])).run()
