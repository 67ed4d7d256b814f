# SPDX-License-Identifier: GPL-2.0-or-later
"""What one side of a share does with its files: imported on the host, run in the guest.

As a program it takes the path of a port, reads a line of JSON, [method, argument, ...], and answers
with a line: {"value": ...} or {"errno": N}. So the same test can let either side be the writer.
"""

import ctypes
import hashlib
import json
import mmap
import os
import shutil
import stat
import sys

PATTERN_BYTES = 1 << 16
PUNCH_HOLE = 0x02 | 0x01    # and keep the size
_libc = ctypes.CDLL(None, use_errno=True)


def pattern(seed, offset, count):
    """Bytes that tell their place and who wrote them."""
    block = hashlib.shake_128(str(seed).encode()).digest(PATTERN_BYTES - 1)
    start = offset % len(block)
    return (block * ((start + count) // len(block) + 1))[start:start + count]


class Side:
    """Files by number, mappings by their file's; nothing else is remembered between calls."""

    def __init__(self):
        self._maps = {}

    def open(self, path, flags=os.O_RDWR):
        """A file's number."""
        return os.open(path, flags | os.O_CLOEXEC, 0o644)

    def make(self, path):
        """A new empty file's number."""
        return self.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)

    def close(self, *fds):
        """Of these files."""
        for fd in fds:
            os.close(fd)

    def write(self, fd, seed, offset, count):
        """The seed's bytes of that place."""
        assert os.pwrite(fd, pattern(seed, offset, count), offset) == count

    def append(self, fd, seed, offset, count):
        """Likewise with write(), wherever the kernel puts them."""
        assert os.write(fd, pattern(seed, offset, count)) == count

    def right(self, fd, seed, offset, count):
        """How many bytes from there on are the seed's."""
        got, wanted = os.pread(fd, count, offset), pattern(seed, offset, count)
        if got == wanted[:len(got)]:
            return len(got)
        return next(i for i, (a, b) in enumerate(zip(got, wanted)) if a != b)

    def zeros(self, fd, offset, count):
        """Whether there are so many zero bytes."""
        return os.pread(fd, count, offset) == bytes(count)

    def truncate(self, fd, size):
        """Of an open file."""
        os.ftruncate(fd, size)

    def mode(self, fd, mode):
        """Set it, of an open file."""
        os.fchmod(fd, mode)

    def size(self, fd):
        """As fstat() says."""
        return os.fstat(fd).st_size

    def blocks(self, fd):
        """Bytes it takes, as fstat() says."""
        return os.fstat(fd).st_blocks * 512

    def data(self, fd):
        """[[start, end], ...] of what SEEK_DATA and SEEK_HOLE call data."""
        found, end, size = [], 0, os.fstat(fd).st_size
        while end < size and len(found) < 100:
            try:
                start = os.lseek(fd, end, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(fd, start, os.SEEK_HOLE)
            found.append([start, end])
        return found

    def punch(self, fd, offset, count):
        """A hole where there was data."""
        if _libc.fallocate(fd, PUNCH_HOLE, ctypes.c_int64(offset), ctypes.c_int64(count)) < 0:
            raise OSError(ctypes.get_errno(), "fallocate")

    def map(self, fd, size):
        """A shared writable mapping; its number."""
        self._maps[fd] = mmap.mmap(fd, size, mmap.MAP_SHARED)
        return fd

    def poke(self, mapping, seed, offset, count):
        """The seed's bytes, through the mapping."""
        self._maps[mapping][offset:offset + count] = pattern(seed, offset, count)

    def peek(self, mapping, seed, offset, count):
        """Whether the mapping shows the seed's bytes."""
        return self._maps[mapping][offset:offset + count] == pattern(seed, offset, count)

    def msync(self, mapping):
        """Of the whole mapping."""
        self._maps[mapping].flush()

    def unmap(self, mapping):
        """And forget it."""
        self._maps.pop(mapping).close()

    def rename(self, old, new):
        """Also over another."""
        os.rename(old, new)

    def unlink(self, path):
        """A name."""
        os.unlink(path)

    def directory(self, path):
        """A new one."""
        os.mkdir(path)

    def remove(self, path):
        """A directory and what is in it."""
        shutil.rmtree(path)

    def names(self, path):
        """Of a directory."""
        return sorted(os.listdir(path))

    def exists(self, path):
        """Whether there is something of that name."""
        return os.path.lexists(path)

    def special(self, path, kind, number=0):
        """A FIFO, a socket or a device."""
        os.mknod(path, kind | 0o666, number)

    def symlink(self, target, path):
        """That says target."""
        os.symlink(target, path)

    def own(self, path, uid, gid, mode):
        """Give it to somebody, with a mode."""
        os.chown(path, uid, gid, follow_symlinks=False)
        os.chmod(path, mode)

    def look(self, path):
        """[kind, mode, uid, gid, device] of a name."""
        st = os.lstat(path)
        return [stat.S_IFMT(st.st_mode), stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid,
                st.st_rdev]

    def as_user(self, uid, path):
        """Whether a user can read a file; OSError as they get it."""
        os.seteuid(uid)
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        finally:
            os.seteuid(0)

    def fill(self, path, chunk, most):
        """Write until it is refused; bytes written, errno."""
        done, fd = 0, self.make(path)
        try:
            while done < most:
                done += os.write(fd, bytes(chunk))
        except OSError as error:
            return [done, error.errno]
        finally:
            os.close(fd)
        return [done, 0]

    def crowd(self, path, most):
        """Make files until it is refused; how many, errno."""
        for number in range(most):
            try:
                os.close(self.make(f"{path}/{number}"))
            except OSError as error:
                return [number, error.errno]
        return [most, 0]


class Remote:
    """The Side at the other end of a stream: the same methods."""

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, method):
        def call(*arguments):
            self._stream.write(json.dumps([method, *arguments]).encode() + b"\n")
            answer = json.loads(self._stream.readline())
            if "errno" in answer:
                raise OSError(answer["errno"], f"{method}{arguments} in the guest: "
                              f"{os.strerror(answer['errno'])}")
            return answer["value"]
        return call


def main(path):
    """Until the port's other end goes."""
    side = Side()
    with open(path, "r+b", buffering=0) as port:
        for line in iter(port.readline, b""):
            method, *arguments = json.loads(line)
            try:
                answer = {"value": getattr(side, method)(*arguments)}
            except OSError as error:
                answer = {"errno": error.errno}
            port.write(json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1])
