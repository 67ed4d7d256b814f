# SPDX-License-Identifier: GPL-2.0-or-later
"""A small QMP client: one command at a time on QEMU's unix socket."""

import json
import socket
import time

from hylab import LabError

RETRY_S = 0.02


class Qmp:
    """A connection to QEMU's monitor."""

    def __init__(self, path, timeout_s=30):
        self._socket = _connect(str(path), timeout_s)
        self._file = self._socket.makefile("rwb", buffering=0)
        self._read()  # greeting
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        """Run one command; its return value."""
        request = {"execute": command}
        if arguments:
            request["arguments"] = arguments
        self._file.write(json.dumps(request).encode() + b"\n")
        while True:
            reply = self._read()
            if "error" in reply:
                raise LabError(f"QEMU refused '{command}': {reply['error'].get('desc')}")
            if "return" in reply:
                return reply["return"]

    def close(self):
        """Close the connection; QEMU goes on."""
        self._file.close()
        self._socket.close()

    def _read(self):
        try:
            line = self._file.readline()
        except OSError as error:
            raise LabError(f"QEMU's monitor does not answer: {error}") from error
        if not line:
            raise LabError("QEMU closed its monitor")
        return json.loads(line)


def _connect(path, timeout_s):
    """Connect once QEMU listens; it makes the socket a moment after its start."""
    deadline = time.monotonic() + timeout_s
    while True:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout_s)
        try:
            sock.connect(path)
            return sock
        except OSError as error:
            sock.close()
            if time.monotonic() > deadline:
                raise LabError(f"QEMU's monitor {path}: {error}") from error
            time.sleep(RETRY_S)
