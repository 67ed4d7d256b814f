# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules as the operator sees them: what `hylics vm show` and the API tell of a VM's."""

import contextlib
import os
import signal
import socket
import time

import pytest
from hylab.hylicsd import Hylicsd
from modules import programs_of
from moving import wait_for
from test_drain import NAME, Operated
from test_modules import ask
from wiring import socket_in

from hylab import wall
from hylab.net import Net

BIG = 20 << 20
# takes memory, and hardly any time, when it is told to
SERVER = """import mmap, os, socket
POPULATE = 0x8000
listener = socket.create_server(("0.0.0.0", int(os.environ["HYLICS_PORT"])))
while True:
    client = listener.accept()[0]
    while client.recv(1):
        with open("/share/big", "rb") as file:
            held = mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED | POPULATE, mmap.PROT_READ)
"""
FAILS = "print('no such\\033[2J luck'); raise SystemExit(3)"


class Modules(Operated):
    """One VM of hylicsd's, whose modules are programs of a test."""

    def describe(self, name, program, ports):
        """Write the operator's file."""
        path = self.host.modules / f"{name}.py"
        path.write_text(program)
        path.chmod(0o644)
        (self.host.modules / f"{name}.conf").write_text(
            f"[module]\ncommand = /usr/bin/python3 -I {path}\nports = {ports}\nfile = {path}\n")

    def allow(self, *names):
        """The record's modules are these."""
        self.host.ask("vm", "set", NAME, *([f"module={name}" for name in names] or ["module="]))

    def states(self):
        """{name: how it is} of what the API tells."""
        return {state["name"]: state for state in self.host.vm(NAME)["module_states"] or ()}

    def until(self, name, state, holds=lambda _: True):
        """Wait until that is told of a module; what is told."""
        def told():
            now = self.states().get(name, {})
            return now if now.get("state") == state and holds(now) else None
        return wait_for(told, f"{name} is {state}")

    def start(self, name, *words):
        """From the guest, which may hear of a new list a moment later; nobody waits for its end."""
        wait_for(lambda: name in ask(self, "list", check=False).stdout, f"no {name}")
        ask(self, "start", name, "--no-wait", *words)

    def shown(self):
        """What people see."""
        return self.host.ask("vm", "show", NAME).stdout


@pytest.fixture(name="vm")
def _vm():
    wall.require()
    with Net.bridge_uplink(spaces=1) as net, contextlib.ExitStack() as stack:
        host = Hylicsd(node=net.host)
        host.start()
        stack.callback(host.close)
        for path in (host.top, host.modules):
            path.chmod(0o755)
        vm = stack.enter_context(Modules(net, host))
        vm.describe("files", SERVER, "80 8000-8999")
        yield vm


def test_one_that_runs_is_told_with_what_it_takes(vm):
    before_ms = time.time() * 1000
    assert vm.states() == {} and "module" not in vm.shown()
    vm.allow("files")
    assert "module     files: not wanted\n" in vm.shown()
    vm.start("files", "--port", "8080")
    state = vm.until("files", "running")
    assert (state["port"], state["starts"], state["connections"]) == (8080, 1, 0)
    assert before_ms - 1 <= state["changed_ms"] <= time.time() * 1000 + 1
    assert "why" not in state and "retry_ms" not in state
    assert "module     files: running at port 8080, since 2" in vm.shown()
    assert "1 starts, 0 connections, " in vm.shown()
    (vm.share / "big").write_bytes(bytes(BIG))
    with socket_in(vm.net.client, socket.AF_INET, socket.SOCK_STREAM) as client:
        client.connect((vm.guest.v4, 8080))
        before = vm.until("files", "running", lambda now: now["connections"] == 1)["memory"]
        client.send(b"x")
        # the kernel counts in hundreds of pages
        vm.until("files", "running", lambda now: now["memory"] > before + BIG // 2)
        assert "1 starts, 1 connections, " in vm.shown()
    uid = vm.host.vm(NAME)["uid"]
    os.kill(max(programs_of(uid)), signal.SIGKILL)
    state = vm.until("files", "running", lambda now: now["starts"] == 2)
    assert state["why"] == "killed by signal 9" and "killed by signal 9\n" in vm.shown()
    ask(vm, "stop", "files")
    assert wait_for(lambda: vm.states() == {}, "it is not wanted any more")
    assert "module     files: not wanted\n" in vm.shown()


def test_one_that_fails_waits_and_its_words_are_harmless(vm):
    vm.describe("bad", FAILS, "81")
    vm.allow("files", "bad")
    vm.start("bad")
    state = vm.until("bad", "failing", lambda now: now["starts"] >= 4)
    assert state["retry_ms"] > state["changed_ms"] and state["port"] == 81
    assert state["why"] == "ended with exit code 3: no such?[2J luck"
    text = vm.shown()
    assert "\033" not in text and "no such?[2J luck" in text
    wait_for(lambda: "module     bad: failing at port 81, waits " in vm.shown(), "its pause")


def test_one_that_may_not_be_is_refused_with_the_reason(vm):
    vm.describe("other", SERVER, "82")
    vm.allow("files", "other")
    vm.start("other")
    vm.until("other", "running")
    vm.start("files")
    vm.until("files", "running")
    ask(vm, "stop", "files")
    vm.describe("files", SERVER, "81")      # the guest has heard of port 80
    ask(vm, "start", "files", "--no-wait")
    state = vm.until("files", "refused")
    assert state["port"] == 80 and "not among those" in state["why"]
    assert (state["starts"], state["cpu_us"]) == (0, 0)     # this time
    vm.allow("files")
    state = vm.until("other", "refused")
    assert state["port"] == 82 and "may not use it" in state["why"] and state["starts"] == 0
    assert "module     other: refused at port 82\n" in vm.shown()
    assert vm.host.vm(NAME)["modules"] == ["files"]


def test_nobody_tells_of_a_keeper_that_is_gone(vm):
    """Its file is there still, and what it says holds no more."""
    vm.allow("files")
    vm.start("files")
    vm.until("files", "running")
    worker = next(pid for pid, name in vm.host.programs().items() if name == "hylics-worker")
    os.kill(worker, signal.SIGSTOP)     # the next keeper waits for its end
    os.kill(vm.host.keeper(NAME), signal.SIGKILL)
    wait_for(lambda: vm.host.vm(NAME)["state"] == "degraded", "the keeper is gone")
    assert '"running"' in (vm.share.parent / "modules.json").read_text()
    assert vm.host.vm(NAME)["module_states"] is None
    assert "module     files\n" in vm.shown()
    os.kill(worker, signal.SIGCONT)
    vm.until("files", "running", lambda now: now["starts"] == 1)    # the guest has said it again
