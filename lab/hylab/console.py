# SPDX-License-Identifier: GPL-2.0-or-later
"""A VM's serial console: always drained, searched for the times the guest's init reports.

It wakes those who wait. Whether something has happened is read from the exchange directory: a line
here may be cut in two by one of the kernel.
"""

import os
import re
import threading
import time

KEPT_BYTES = 1 << 20
READ_BYTES = 1 << 16
_MARK = re.compile(r"^hylab: mark (\S+) (\d+\.\d+)$")
_FAILED = re.compile(r"^hylab: failed (.+)$")


class Console:
    """Reads QEMU's standard output in a thread of its own until QEMU is gone."""

    def __init__(self, file, keep_path=None):
        self._file = file
        self._keep = open(keep_path, "wb", buffering=0) if keep_path else None
        self._changed = threading.Condition()
        self._text = ""
        self._line = ""
        self._closed = False
        self.marks = {}     # what -> (host's monotonic time, guest's seconds since kernel start)
        self.failures = []  # what the guest's init could not do
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self):
        """The last megabyte of what was printed."""
        with self._changed:
            return self._text

    def wait(self, happened, deadline, look_every_s):
        """Wait until happened(), the console is closed or the deadline passes; happened()'s value.

        happened() is called after each piece of output, and at least as often as said, for what
        does not show on the console.
        """
        with self._changed:
            while True:
                found = happened()
                left = deadline - time.monotonic()
                if found or self._closed or left <= 0:
                    return found
                self._changed.wait(min(left, look_every_s))

    def close(self):
        """Wait for the reader; QEMU must have ended."""
        self._reader.join()
        self._file.close()
        if self._keep:
            self._keep.close()

    def _read(self):
        while data := self._next():
            if self._keep:
                self._keep.write(data)
            with self._changed:
                self._take(data.decode(errors="replace").replace("\r", ""))
                self._changed.notify_all()
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _next(self):
        try:
            return os.read(self._file.fileno(), READ_BYTES)
        except OSError:
            return b""

    def _take(self, text):
        self._text = (self._text + text)[-KEPT_BYTES:]
        *lines, rest = (self._line + text).split("\n")
        self._line = rest[-READ_BYTES:]
        for line in lines:
            if mark := _MARK.match(line):
                self.marks.setdefault(mark[1], (time.monotonic(), float(mark[2])))
            elif failed := _FAILED.match(line):
                self.failures.append(failed[1])
