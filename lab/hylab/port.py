# SPDX-License-Identifier: GPL-2.0-or-later
"""A serial port without a VM: two sockets and the bytes between them, which outlive either end.

Like QEMU's chardev and the guest's port: when one end dies, the other is not told, and what the
dead one wrote is still delivered, also half a frame.
"""

import pathlib
import selectors
import socket
import threading


class Port:
    """Listens at `host` for a worker and at `guest` for an agent, and carries bytes both ways."""

    def __init__(self, directory, host=None):
        self.directory = directory
        paths = {"host": host or f"{directory}/host.sock", "guest": f"{directory}/guest.sock"}
        self.host = f"serial:{paths['host']}"
        self.guest = f"unix:{directory}/guest.sock"
        self._listeners = {side: self._listen(path) for side, path in paths.items()}
        self._ends = {"host": None, "guest": None}
        self._waiting = {"host": b"", "guest": b""}     # bytes for that side
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @staticmethod
    def _listen(path):
        listener = socket.socket(socket.AF_UNIX)
        pathlib.Path(path).unlink(missing_ok=True)
        listener.bind(path)
        listener.listen(1)
        return listener

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop.close()
        self._thread.join()
        for sock in (*self._listeners.values(), *self._ends.values(), self._stopped):
            if sock:
                sock.close()

    def _run(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self._stopped, selectors.EVENT_READ, None)
            for side, listener in self._listeners.items():
                selector.register(listener, selectors.EVENT_READ, (side, "accept"))
            while True:
                for key, _ in selector.select():
                    if key.data is None:
                        return
                    side, what = key.data
                    if what == "accept":
                        self._accept(selector, side)
                    else:
                        self._read(selector, side)

    def _accept(self, selector, side):
        end, _ = self._listeners[side].accept()
        if self._ends[side]:
            selector.unregister(self._ends[side])
            self._ends[side].close()
        self._ends[side] = end
        selector.register(end, selectors.EVENT_READ, (side, "read"))
        self._deliver(side)

    def _read(self, selector, side):
        end = self._ends[side]
        try:
            data = end.recv(65536)
        except OSError:
            data = b""
        if not data:
            selector.unregister(end)
            end.close()
            self._ends[side] = None
            return
        other = "guest" if side == "host" else "host"
        self._waiting[other] += data
        self._deliver(other)

    def _deliver(self, side):
        if self._ends[side] and self._waiting[side]:
            try:
                self._ends[side].sendall(self._waiting[side])
                self._waiting[side] = b""
            except OSError:
                pass    # it died; its successor gets the bytes
