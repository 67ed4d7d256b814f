# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of modules work with: a keeper whose worker is the test, and what it says of them."""

import select
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hylab.channel import program
from hylab.offload import guest_mac
from hylab.wait import PATIENCE_S, wait_for

WANTED, MODULE = 34, 35         # proto/msg.h
LIVES = ("stopped", "starting", "running", "failing", "stopping")
STATE = struct.Struct("<QBBBHIQIQQB")
NONE = struct.Struct("<QBB")
UID = 4242
WORKER = Path(__file__).with_name("module_worker.py")


@dataclass
class State:
    """What a guest is told of a module."""

    list: int
    name: str
    life: str
    port: int
    starts: int
    connections: int
    cpu_us: int
    memory: int
    ports: list
    why: str


def _text(payload, at):
    length = struct.unpack_from("<H", payload, at)[0]
    return payload[at + 2:at + 2 + length].decode("ascii"), at + 2 + length


def decode(payload):
    """(number, how many there are, State or None) of a message."""
    if len(payload) == NONE.size:
        assert NONE.unpack(payload)[1:] == (0, 0)
        return 0, 0, None
    by, number, of, life, port, starts, _, connections, cpu_us, memory, n = STATE.unpack_from(
        payload)
    ports = [struct.unpack_from("<HH", payload, STATE.size + 4 * i) for i in range(n)]
    name, at = _text(payload, STATE.size + 4 * n)
    why, at = _text(payload, at)
    assert at == len(payload)
    return number, of, State(by, name, LIVES[life], port, starts, connections, cpu_us, memory,
                             ports, why)


def wanted(modules, number=1):
    """A list of what is wanted, as bytes."""
    return struct.pack("<QB", number, len(modules)) + b"".join(
        struct.pack("<HH", port, len(name)) + name.encode() for name, port in modules.items())


class Keeper:
    """A running hylics-keeper with one NIC, whose worker hands on what is said here."""

    def __init__(self, net, folder, share):
        self.folder, self.list = folder / "modules.d", folder / "modules"
        self.folder.mkdir()
        self.states, self.of = {}, None
        self.number = 0             # of the list that was said last
        path = folder / "test.sock"
        guest = net.guests[0]
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(str(path))
            listener.listen(1)
            listener.settimeout(PATIENCE_S)
            path.chmod(0o666)
            self.process = net.host.popen(
                [program("hylics-keeper"), "--vm", "web1", "--uid", str(UID),
                 "--nic", f"{guest.interface},{guest_mac(guest)},{guest.v4},{guest.v6}",
                 "--share", str(share), "--modules", str(self.list),
                 "--modules-dir", str(self.folder), "--", sys.executable, "-B", str(WORKER),
                 str(path)], stderr=subprocess.PIPE, text=True)
            self._worker = listener.accept()[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        self._worker.close()

    def describe(self, name, **keys):
        """Write the operator's file, and allow the module."""
        lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
        (self.folder / f"{name}.conf").write_text(f"[module]\n{lines}")
        self.allow(*self.allowed(), name)

    def allowed(self):
        """Names in the list."""
        return self.list.read_text().split() if self.list.exists() else []

    def allow(self, *names):
        """Write the list."""
        self.list.write_text("".join(f"{name}\n" for name in dict.fromkeys(names)))

    def say(self, payload, what=WANTED):
        """What the worker would hand on."""
        self._worker.send(bytes([what]) + payload)

    def want(self, **modules):
        """That, and nothing else."""
        self.number += 1
        self.say(wanted(modules, self.number))

    def hear(self):
        """Take one message of the keeper's."""
        assert select.select([self._worker], [], [], PATIENCE_S)[0], "the keeper says nothing"
        packet = self._worker.recv(4096)
        assert packet and packet[0] == MODULE, packet
        number, self.of, state = decode(packet[1:])
        if state:
            self.states[number] = state
        self.states = {n: s for n, s in self.states.items() if n < self.of}

    def state(self, name):
        """Of a module, as it was told last; None: it was not."""
        return next((s for s in self.states.values() if s.name == name), None)

    def until(self, name, holds):
        """Hear until it holds of a module; its state."""
        while not (self.state(name) and holds(self.state(name))):
            self.hear()
        return self.state(name)

    def until_life(self, name, life):
        """Hear until a module is in that state."""
        return self.until(name, lambda s: s.life == life)

    def run(self, name, port):
        """Have one run, and nothing else; its state."""
        self.want(**{name: port})
        return self.until(name, lambda s: s.life == "running" and s.port == port)

    def stop(self):
        """As hylicsd stops it; its exit code and last words."""
        self.process.terminate()
        errors = self.process.communicate(timeout=PATIENCE_S)[1]
        return self.process.returncode, errors


def programs_of(uid=UID):
    """Process ids of a user."""
    found = []
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in path.read_text().splitlines())
        except (FileNotFoundError, ProcessLookupError):
            continue
        if lines["Uid"].split()[0] == str(uid) and not lines["State"].strip().startswith("Z"):
            found.append(int(path.parent.name))
    return found


def wait_until_none_is_left():
    """No process of the VM's user."""
    wait_for(lambda: not programs_of(), "a program is left")
