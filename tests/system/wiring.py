# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of the wire work with: the running program, sockets on both sides, its records."""

import contextlib
import ctypes
import hashlib
import json
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import threading
import time

import hylab

PATIENCE_S = 60
PROGRAM = pathlib.Path(os.environ.get("HYLICS_BUILD", hylab.BUILD)) / "hylics-wire"
MACS = {"client0": "02:99:00:00:00:02", "up0": "02:99:00:00:00:01"}
CLONE_NEWNET = 0x40000000
SO_RCVBUFFORCE = 33


class Wire:
    """A running hylics-wire and a connection to its control socket."""

    def __init__(self, node, directory, *options, ends=("--a", "w0", "--b", "w1")):
        self.path = str(directory / "wire.sock")
        self.process = node.popen([PROGRAM, "--control", self.path, *ends, *options],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise AssertionError(f"not ready: {self.process.communicate()[1]}")
        self.control = self.connect()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.control.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def connect(self):
        """Another control connection, as a file of lines."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE_S)
            sock.connect(self.path)
            return sock.makefile("rw", buffering=1)

    def ask(self, line):
        """Carry out a command and return its answer."""
        self.control.write(line + "\n")
        answer = self.control.readline()
        assert answer.endswith("\n"), "the wire is gone"
        return answer[:-1]

    def do(self, line):
        """Carry out a command that must succeed."""
        assert self.ask(line) == "ok"

    def stats(self):
        """The statistics once nothing is on its way."""
        self.do("wait empty")
        return json.loads(self.ask("stats"))

    def end(self, number=signal.SIGTERM):
        """End it by a signal; (exit code, the statistics it left, standard error)."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, json.loads(out) if out else None, err


def enter(path):
    """Move the calling thread into a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(path, "rb") as there:
        if libc.setns(there.fileno(), CLONE_NEWNET) < 0:
            raise OSError(ctypes.get_errno(), f"setns {path}")


def socket_in(node, *arguments):
    """A socket that lives in a node's namespace, usable from here."""
    return socket_at(f"/run/netns/{node.namespace}", *arguments)


def socket_at(path, *arguments):
    """The same for a namespace that is a file."""
    with open("/proc/thread-self/ns/net", "rb") as home:
        enter(path)
        try:
            sock = socket.socket(*arguments)
        finally:
            enter(f"/proc/self/fd/{home.fileno()}")
    sock.settimeout(PATIENCE_S)
    return sock


class Place:
    """Client and host with a gap between them, and sockets on both sides."""

    def __init__(self, net, directory):
        self.net, self.directory = net, directory
        self.client, self.host = net.client, net.host
        self._closing = contextlib.ExitStack()

    def wire(self, *options, **named):
        """The wire in the gap; direction a goes from the client to the host."""
        return Wire(self.net.wire, self.directory, *options, **named)

    def close(self):
        """Close every socket made here."""
        self._closing.close()

    def quiet(self):
        """Nothing but what a test sends: no IPv6, no ARP.

        The wire switches IPv6 off on its own ends, for which the kernel says goodbye to groups on
        them; that frame, which no wire has carried, must not fall into a test's counts.
        """
        self.net.wire.sysctl({"net/ipv6/conf/all/disable_ipv6": 1})
        for node, interface, other, mac in ((self.client, "client0", self.host.v4, MACS["up0"]),
                                            (self.host, "up0", self.client.v4, MACS["client0"])):
            node.sysctl({"net/ipv6/conf/all/disable_ipv6": 1})
            node.ip(f"neigh replace {other} lladdr {mac} dev {interface} nud permanent")

    def udp(self, address=None):
        """Connected sockets: (client's, host's)."""
        family = socket.AF_INET6 if address and ":" in address else socket.AF_INET
        host = self._closing.enter_context(socket_in(self.host, family, socket.SOCK_DGRAM))
        host.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        host.bind((address or self.host.v4, 0))
        client = self._closing.enter_context(socket_in(self.client, family, socket.SOCK_DGRAM))
        client.connect(host.getsockname()[:2])
        return client, host

    def tcp(self, address=None):
        """An established connection: (client's end, host's end)."""
        family = socket.AF_INET6 if address and ":" in address else socket.AF_INET
        with socket_in(self.host, family, socket.SOCK_STREAM) as listener:
            listener.bind((address or self.host.v4, 0))
            listener.listen(1)
            client = self._closing.enter_context(socket_in(self.client, family,
                                                           socket.SOCK_STREAM))
            client.connect(listener.getsockname()[:2])
            host = self._closing.enter_context(listener.accept()[0])
        host.settimeout(PATIENCE_S)
        return client, host


def send_hashed(sock, size, seed):
    """Send random bytes in pieces of random sizes; their SHA-256."""
    dice, digest = random.Random(seed), hashlib.sha256()
    while size:
        piece = dice.randbytes(min(size, dice.randint(1, 100000)))
        sock.sendall(piece)
        digest.update(piece)
        size -= len(piece)
    return digest.hexdigest()


def receive_hashed(sock, size):
    """Receive exactly so many bytes; their SHA-256."""
    digest = hashlib.sha256()
    while size:
        piece = sock.recv(min(size, 1 << 16))
        assert piece, f"the stream ended {size} bytes early"
        digest.update(piece)
        size -= len(piece)
    return digest.hexdigest()


def exchange(client, host, size):
    """Both ends send at once, and both must receive what was sent."""
    sums = {}

    def run(name, work, *arguments):
        sums[name] = work(*arguments)

    jobs = [("client sent", send_hashed, client, size, 1), ("host got", receive_hashed, host, size),
            ("host sent", send_hashed, host, size, 2), ("client got", receive_hashed, client, size)]
    threads = [threading.Thread(target=run, args=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PATIENCE_S
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
        assert not thread.is_alive(), "the exchange does not end"
    assert sums["client sent"] == sums["host got"]
    assert sums["host sent"] == sums["client got"]


def close_in_order(first, second):
    """The first ends the connection, the second follows; both learn of the end."""
    first.shutdown(socket.SHUT_WR)
    assert second.recv(1) == b""
    second.close()
    assert first.recv(1) == b""
    first.close()


def received_packets(node, interface):
    """How many frames the kernel says came in."""
    done = node.run(["ip", "-s", "-j", "link", "show", "dev", interface])
    return json.loads(done.stdout)[0]["stats64"]["rx"]["packets"]


def balanced(side):
    """Whether every frame of a direction is accounted for."""
    return (side["frames_in"] + side["duplicated"] + side["injected"]
            == side["frames_out"] + side["lost"] + side["scripted"] + side["queue_full"]
            + side["pool_full"] + side["unsent"] + side["waiting"])


def blocks(path):
    """(type, body) of each block of a pcapng file in this machine's byte order."""
    data, at = pathlib.Path(path).read_bytes(), 0
    while at < len(data):
        kind, length = struct.unpack_from("II", data, at)
        assert length % 4 == 0 and data[at + length - 4:at + length] == data[at + 4:at + 8]
        yield kind, data[at + 8:at + length - 4]
        at += length


def packets(path):
    """(side, frame, comment) of each packet of a record."""
    for kind, body in blocks(path):
        if kind != 6:
            continue
        side, _, _, captured, length = struct.unpack_from("IIIII", body)
        assert captured == length
        options, comment = body[20 + (length + 3) // 4 * 4:], None
        if options:
            size = struct.unpack_from("H", options, 2)[0]
            comment = options[4:4 + size].decode()
        yield side, body[20:20 + length], comment
