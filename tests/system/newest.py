# SPDX-License-Identifier: GPL-2.0-or-later
"""A server whose file changes between answers, and its client.

newest.py server FILE CHANGE...	in the guest; prints its port, then serves one connection
newest.py client ADDRESS PORT	prints for each answer what the server read and what came

The server changes the file, reads it with read(2), says what it read and sends it with
hylics_sendfile(). It changes nothing before the client has all of that.
"""

import hashlib
import json
import mmap
import os
import socket
import sys

SIZE = 400_000
HEAD = 128      # bytes of a head, padded


class File:
    """The changes, in their order; each leaves more than a threshold's worth."""

    def __init__(self, path):
        self.path = path
        self._mapping = None
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.write(self.fd, b"0" * SIZE)

    def as_it_was(self):
        """Nothing."""

    def written(self):
        """In its middle."""
        os.pwrite(self.fd, b"1" * 100_000, 12_345)

    def written_elsewhere(self):
        """By another descriptor."""
        fd = os.open(self.path, os.O_WRONLY)
        os.pwrite(fd, b"2" * 100_000, 33_333)
        os.close(fd)

    def appended(self):
        """At its end."""
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        os.write(fd, b"3" * 50_000)
        os.close(fd)

    def cut(self):
        """And longer again, with a hole."""
        os.ftruncate(self.fd, 200_000)
        os.ftruncate(self.fd, SIZE)

    def mapped(self):
        """And synchronized."""
        with mmap.mmap(self.fd, SIZE) as mapping:
            mapping[150_000:300_000] = b"4" * 150_000
            mapping.flush()

    def stored(self):
        """Through a mapping that nobody synchronizes."""
        self._mapping = mmap.mmap(self.fd, SIZE)
        self._mapping[100_000:200_000] = b"5" * 100_000

    def stored_unknown(self):
        """Likewise, in a file that the agent has never seen."""
        os.rename(self.path, self.path + ".old")
        self.replaced()
        self.stored()

    def renamed(self):
        """While it is open, and written."""
        os.rename(self.path, self.path + ".old")
        os.pwrite(self.fd, b"5" * 1000, 250_000)

    def replaced(self):
        """Another file has its name, and is sent."""
        new = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        os.write(new, b"6" * SIZE)
        os.close(self.fd)
        self.fd = new

    def replaced_by_rename(self):
        """Likewise, as editors do it."""
        os.close(self.fd)
        self.fd = os.open(self.path + ".tmp", os.O_RDWR | os.O_CREAT | os.O_EXCL)
        os.write(self.fd, b"7" * (SIZE + 1))
        os.rename(self.path + ".tmp", self.path)

    def unlinked(self):
        """While it is open, and written."""
        os.unlink(self.path)
        os.pwrite(self.fd, b"8" * 1000, 250_000)


CHANGES = [name for name in vars(File) if not name.startswith("_")]


def serve(path, *changes):
    """One connection."""
    # only the guest has the library
    from guest_library import sendfile  # pylint: disable=import-outside-toplevel
    listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    print(f"port {listener.getsockname()[1]}", flush=True)
    sock, _ = listener.accept()
    file = File(path)
    for name in changes:
        getattr(file, name)()
        seen = os.pread(file.fd, 2 * SIZE, 0)
        head = json.dumps([name, len(seen), hashlib.md5(seen).hexdigest()])
        sock.sendall(head.encode().ljust(HEAD))
        at = 0
        while at < len(seen):
            at += sendfile(sock.fileno(), file.fd, at, len(seen) - at)
        assert sock.recv(1)
    sock.close()


def ask(address, port):
    """All answers."""
    with socket.create_connection((address, int(port)), 60) as sock:
        stream = sock.makefile("rb")
        while head := stream.read(HEAD):
            name, count, wanted = json.loads(head)
            got = hashlib.md5(stream.read(count)).hexdigest()
            print(json.dumps([name, count, got == wanted]), flush=True)
            sock.sendall(b"+")


if __name__ == "__main__":
    {"server": serve, "client": ask}[sys.argv[1]](*sys.argv[2:])
