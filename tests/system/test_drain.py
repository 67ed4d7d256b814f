# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections brought home and kept there by the operator's word, through hylicsd, whoever dies.

The guest is a namespace, its channel a port without a VM; all else is what an operator has.
"""

import contextlib
import json
import os
import pathlib
import signal
import time

import pytest
from hylab.hylicsd import Hylicsd
from moving import children, wait_for

from hylab import wall
from hylab.channel import UP
from hylab.net import Net
from hylab.offload import Offload
from hylab.port import Port

NAME, PORT, CONNECTIONS = "web1", 8080, 8
SLOW = ("--connections", str(CONNECTIONS), "--requests", "2", "--bytes", "8M", "--read-rate", "4M")


class Operated(Offload):
    """Offload whose host's side is hylicsd's."""

    def __init__(self, net, host):
        super().__init__(net, net.guests[0])
        self.host = host
        self.vm = host.json("vm", "add", NAME, "--share", "64M", f"--tap={self.nic}")

    def _make_share(self):
        self._make_directory()
        (self.directory / "guest").mkdir()
        self.share = pathlib.Path(self.vm["share"])
        self.port = self._closing.enter_context(Port(self.directory, self.vm["channel"]))

    def start_keeper(self):
        """It runs already."""

    @property
    def guest_address(self):
        return self.port.guest

    def counts(self, name=None):
        return super().counts(name or self.share.parent / "worker.json")

    def processes(self):
        """Keeper and worker, as far as they are there."""
        keeper = self.host.keeper(NAME)
        return [keeper, *children(keeper)]

    def why(self, reason):
        """How often nothing was moved for that."""
        return self.host.json("why", NAME).get(reason, {}).get("refused", 0)


@pytest.fixture(name="offload")
def _offload():
    wall.require()
    with Net.bridge_uplink(spaces=1) as net, contextlib.ExitStack() as stack:
        host = Hylicsd(node=net.host)
        host.start()
        stack.callback(host.close)
        with Operated(net, host) as offload:
            offload.body = offload.file("body", 8 << 20)
            offload.serve(PORT, offload.body, "hylics", "--nonblock")
            yield offload


def good(verdict):
    """Whether the client found nothing wrong; the verdict is shown if not."""
    assert verdict["good"], {k: v for k, v in verdict.items() if v and not isinstance(v, dict)}


@contextlib.contextmanager
def away(offload):
    """Answers under way from the host, which have to be whole at the end."""
    before = offload.counts()["moved"]
    with offload.asking(PORT, offload.body, *SLOW) as client:
        offload.wait_counts(lambda counts: counts["moved"] == before + CONNECTIONS)
        yield
        good(client.verdict())


def stays(offload, reason):
    """A new connection is served in the guest, and counted so."""
    before = offload.why(reason)

    def is_counted():
        good(offload.ask(PORT, offload.body, "--bytes", "1M"))
        return offload.why(reason) > before

    wait_for(is_counted, f"one that is refused: {reason}")
    # not before: a worker that died has left its counts, and the next one begins anew
    moved = offload.counts()["moved"]
    good(offload.ask(PORT, offload.body, "--bytes", "1M"))
    assert offload.counts()["moved"] == moved


def moves(offload):
    """A new connection is moved; a program that was refused asks again after a while."""
    before = offload.counts()["moved"]

    def is_moved():
        good(offload.ask(PORT, offload.body, "--bytes", "1M"))
        return offload.counts()["moved"] > before

    wait_for(is_moved, "a connection that is moved")


@pytest.mark.parametrize("words, reason", [(("drain", NAME), "draining"),
                                           (("offload", NAME, "off"), "off-by-operator")])
def test_all_come_home_and_none_moves(offload, words, reason):
    processes = offload.processes()
    with offload.watch() as seen, away(offload):
        vm = offload.host.json("vm", *words)
        assert vm["away"] == 0 and offload.counts()["live"] == 0
        assert vm["draining"] == (reason == "draining") != (not vm["offload"])
    assert seen["complete"] and not any(way["rst"] for way in seen.values()
                                        if isinstance(way, dict))
    assert offload.counts()["homed"] == CONNECTIONS
    stays(offload, reason)
    assert offload.processes() == processes
    assert reason.split("-", 1)[0] in offload.host.ask("vm", "show", NAME).stdout
    assert "stay in the guest" in offload.host.ask("why", NAME).stdout
    vm = offload.host.json("vm", "offload", NAME, "on")
    assert vm["offload"] and not vm["draining"]
    moves(offload)
    assert offload.processes() == processes


@pytest.mark.parametrize("words, reason", [(("drain", NAME), "draining"),
                                           (("offload", NAME, "off"), "off-by-operator")])
def test_whoever_dies_it_holds(offload, words, reason):
    with away(offload):
        offload.host.ask("vm", *words)
        for who in ("hylicsd", "worker", "keeper"):
            keeper, worker = offload.processes()
            if who == "hylicsd":
                offload.host.kill()
                offload.host.start()
            else:
                os.kill(worker if who == "worker" else keeper, signal.SIGKILL)
                wait_for(lambda old=worker: offload.processes()[1:] not in ([], [old]),
                         f"another {who}")
            offload.host.wait_for_state(NAME, "ready")
            wait_for(lambda: offload.host.vm(NAME).get("away") == 0, f"told again: {who}")
            wait_for(lambda: offload.status()["channel"] == "up", "a session")
            stays(offload, reason)
    offload.host.ask("vm", "offload", NAME, "on")
    moves(offload)


def test_what_cannot_come_home_is_told_in_time(offload):
    """A guest that sleeps; it comes home when the guest is awake again."""
    _, agent = offload.pids("agent")
    with away(offload):
        os.kill(agent, signal.SIGSTOP)
        begun = time.monotonic()
        done = offload.host.ask("vm", "drain", NAME, "--timeout", "300ms", "--json", check=False)
        assert time.monotonic() - begun >= 0.3
        assert done.returncode == 1, done
        error = json.loads(done.stdout)["error"]
        assert error["code"] == "timeout" and f" {CONNECTIONS} connections" in error["message"]
        vm = offload.host.json("vm", "drain", NAME, "--timeout", "0s")
        assert vm["draining"] and vm.get("away", CONNECTIONS) == CONNECTIONS
        os.kill(agent, signal.SIGCONT)
        assert offload.host.json("vm", "drain", NAME)["away"] == 0


def test_a_sleeping_worker_is_not_taken_for_home(offload):
    _, worker = offload.processes()
    os.kill(worker, signal.SIGSTOP)
    done = offload.host.ask("vm", "drain", NAME, "--timeout", "200ms", check=False)
    assert done.returncode == 1 and "does not say" in done.stderr, done
    os.kill(worker, signal.SIGCONT)
    assert offload.host.json("vm", "drain", NAME)["away"] == 0


def test_a_degraded_vm_is_drained_too(offload):
    host = offload.host
    with away(offload):
        assert host.ask("vm", "set", NAME, "size=1M", check=False).returncode == 1
        assert host.vm(NAME)["state"] == "degraded"
        assert host.json("vm", "drain", NAME)["away"] == 0
    stays(offload, "draining")
    done = host.ask("vm", "offload", NAME, "off", check=False)
    assert done.returncode == 1 and "not in force" in done.stderr, done
    stays(offload, "off-by-operator")


def test_wrong_use(offload):
    host = offload.host
    for words, code in ((("drain",), 2), (("drain", "nobody"), 3), (("drain", "../x"), 2),
                        (("drain", NAME, "--timeout=soon"), 2),
                        (("offload", "nobody", "off"), 3)):
        assert host.ask("vm", *words, check=False).returncode == code, words
    host.kill()
    assert host.ask("vm", "drain", NAME, check=False).returncode == 4
    host.start()
