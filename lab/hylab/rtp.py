# SPDX-License-Identifier: GPL-2.0-or-later
"""A stream of datagrams, as RTP has it: 1,316 bytes of a file again and again at a fixed rate.

    with Listener(net.client, 5004) as listener, stream(offload, file, listener, "hylics"):
        ...
        heard = listener.end()

The sender is a program of the guest, linked with libhylics; plain, it does not find an agent and
sends itself. What came and when is the kernel's word at the client (SO_TIMESTAMPNS): how late the
listener reads it does not matter.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time

from hylab import LabError
from hylab.audience import STEP_S, Heard
from hylab.offload import LIBRARY

DATAGRAM_BYTES = 1316       # seven cells of MPEG-TS, as RTP streams have
ROOM = 64 << 20
MORE_BYTES = 4 << 20        # which a listener tells of
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35
START_WITHIN_S, END_WITHIN_S = 120, 60
TIME = struct.Struct("qq")
NS_PER_S = 10**9
MODES = ("plain", "hylics")


class HeardDatagrams(Heard):
    """What a listener got."""

    def __init__(self, said):
        super().__init__({**said, "answers": 0, "checked": 0, "troubles": []})
        self._gaps_ms = said["gaps_ms"]

    @property
    def total(self):
        """Bytes."""
        return sum(self._bytes)

    def gaps_ms(self, began, ended, every_s):
        """The longest silence in each stretch of every_s."""
        gaps, width = self._between(self._gaps_ms, began, ended), round(every_s / STEP_S)
        return [round(max(gaps[at:at + width]), 3)
                for at in range(0, len(gaps) - width + 1, width)]


class Listener:
    """A process of the client that takes datagrams; from entering on."""

    def __init__(self, node, port):
        self.address, self.port = node.v4, port
        self._argv = [*node.prefix(), sys.executable, "-B", "-m", "hylab.rtp", "listen",
                      self.address, str(port)]
        self._process = None

    def __enter__(self):
        self._process = subprocess.Popen(self._argv, stdout=subprocess.PIPE, text=True)
        self._expect("ready")
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def wait_first(self):
        """Until a datagram has come."""
        self._expect("first")

    def wait_more(self):
        """Until MORE_BYTES have come."""
        self._expect("more")

    def _expect(self, word):
        if not select.select([self._process.stdout], [], [], START_WITHIN_S)[0] \
                or self._process.stdout.readline() != f"{word}\n":
            raise LabError(f"the listener is not {word}")

    def end(self):
        """What it has heard."""
        self._process.send_signal(signal.SIGTERM)
        said = self._process.communicate(timeout=END_WITHIN_S)[0]
        return HeardDatagrams(json.loads(said.splitlines()[-1]))


@contextlib.contextmanager
def stream(offload, file, listener, mode, mbps):
    """The guest's program; the listener has heard of it when this begins."""
    environment = {**offload.environment, "LD_LIBRARY_PATH": LIBRARY}
    if mode == "plain":
        environment["HYLICS_RUN_DIR"] = "/nowhere"
    lab = next(path for path in sys.path if path.endswith("/lab"))
    argv = ["env", *(f"{name}={value}" for name, value in environment.items()),
            f"PYTHONPATH={lab}", sys.executable, "-B", "-m", "hylab.rtp", "send",
            str(LIBRARY / "libhylics.so"), listener.address, str(listener.port),
            str(offload.in_guest(file)), str(round(mbps * 1e6 / 8))]
    process = offload.start_program(argv)
    listener.wait_first()
    try:
        yield process
    finally:
        process.kill(signal.SIGTERM)
        process.wait_end(END_WITHIN_S)


# --- the processes -------------------------------------------------------------------------------

def listen(address, port):
    """Count what comes, until SIGTERM; as JSON."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.bind((address, int(port)))
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    offset_s = time.time() - time.monotonic()
    began, sums, gaps, last, before = time.monotonic(), [], [], 0, 0
    print("ready", flush=True)
    while not ended:
        if not select.select([sock], [], [], 0.2)[0]:
            continue
        piece, extra, _, _ = sock.recvmsg(1 << 16, 128)
        seconds, ns = TIME.unpack(extra[0][2][:TIME.size])
        now = seconds * NS_PER_S + ns
        step = max(0, int((now / NS_PER_S - offset_s - began) / STEP_S))
        for kept in (sums, gaps):
            kept.extend([0] * (step + 1 - len(kept)))
        sums[step] += len(piece)
        if before < MORE_BYTES <= before + len(piece):
            print("more", flush=True)
        before += len(piece)
        if last:
            gaps[step] = max(gaps[step], (now - last) / 1e6)
        else:
            print("first", flush=True)
        last = now
    print(json.dumps({"began": began, "bytes": sums, "gaps_ms": gaps}))


def send(library, address, port, path, bytes_per_s):
    """Until it is killed."""
    calls = ctypes.CDLL(library, use_errno=True)
    calls.hylics_datagrams.argtypes = ctypes.c_int, ctypes.c_uint32, ctypes.c_uint64
    calls.hylics_sendfile.argtypes = (ctypes.c_int, ctypes.c_int,
                                      ctypes.POINTER(ctypes.c_int64), ctypes.c_size_t)
    calls.hylics_sendfile.restype = ctypes.c_ssize_t
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((address, int(port)))
    if calls.hylics_datagrams(sock.fileno(), DATAGRAM_BYTES, int(bytes_per_s)):
        raise OSError(ctypes.get_errno(), "hylics_datagrams")
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        while True:
            offset = ctypes.c_int64(0)
            while offset.value < size:
                if calls.hylics_sendfile(sock.fileno(), file.fileno(), ctypes.byref(offset),
                                         size - offset.value) < 0:
                    raise OSError(ctypes.get_errno(), "hylics_sendfile")


if __name__ == "__main__":
    sys.exit({"listen": listen, "send": send}[sys.argv[1]](*sys.argv[2:]))
