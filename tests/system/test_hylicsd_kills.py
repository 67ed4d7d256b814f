# SPDX-License-Identifier: GPL-2.0-or-later
"""Worker, keeper and virtiofsd of hylicsd's killed at each of its steps; connections meanwhile.

hylicsd is stopped at a step, the other is killed, hylicsd goes on. Its own deaths are in
test_hylicsd.py, the deaths of worker and agent at steps of a move in test_move_faults.py.
HYLICS_REPEATS=N makes each case so often.
"""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess

import pytest
from moving import REPEATS, children, is_stopped, wait_for
from test_hylicsd import ADDING, PIECES, REMOVING
from test_move_faults import PORT, asking, never_wrong

from hylab import BUILD, wall
from hylab.hylicsd import SOON_S, Hylicsd, running
from hylab.net import Net
from hylab.offload import Offload
from hylab.port import Port

NAME = "web1"
WHO = ("worker", "keeper", "virtiofsd")


@pytest.fixture(name="host")
def _host():
    with running() as host:
        yield host


def is_taken(path):
    """Whether somebody has accepted a connection at a socket: then it has a number of its own."""
    rows = [line.split() for line in pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]]
    return any(row[-1] == str(path) and row[5] == "03" and row[6] != "0" for row in rows)


@pytest.fixture(name="guest")
def _guest(host):
    """Connects as a VM would, when called; its virtiofsd runs until the end."""
    with contextlib.ExitStack() as stack:
        def connect():
            if not host.vm(NAME)["guest"]:
                stack.close()
                guest = stack.enter_context(socket.socket(socket.AF_UNIX))
                path = host.run / "vm" / NAME / "virtiofs.sock"
                guest.connect(str(path))
                wait_for(lambda: host.vm(NAME)["guest"], "virtiofsd runs")
                wait_for(lambda: is_taken(path), "it has taken its guest")
        yield connect


def pid_of(host, who):
    """Of one of the VM's processes; 0 while there is none."""
    if who == "virtiofsd":
        return host.owner(NAME, who)
    keeper = host.keeper(NAME)
    if who == "keeper":
        return keeper
    return next(iter(children(keeper)), 0)


def is_whole(host):
    """As an operator wants to see it."""
    host.wait_for_state(NAME, "ready")
    assert len(host.mounts()) == 1
    wait_for(lambda: {pid_of(host, "keeper"), pid_of(host, "worker")} <= set(host.processes()),
             "keeper and worker")


@contextlib.contextmanager
def stopped(host, step, count, *words):
    """A command under way, hylicsd stopped at its step; what it answers once it goes on."""
    host.end(signal.SIGUSR1)
    host.start(env={"HYLICS_FAULT": f"{step}:stop:{count}"})
    if any(host.vms.iterdir()):
        host.wait_for_state(NAME, "ready")
    asking_it = subprocess.Popen([BUILD / "hylics", *words, f"--run-dir={host.run}"],
                                 stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        wait_for(lambda: is_stopped(host.process.pid), "it comes to its step")
        yield
    finally:
        host.process.send_signal(signal.SIGCONT)
        said = asking_it.communicate(timeout=SOON_S)[1]
    assert asking_it.returncode == 0, said


@pytest.mark.parametrize("who", ["worker", "keeper"])
def test_killed_while_it_is_added(host, who):
    """Before the record is written: earlier there is nobody to kill."""
    for _ in range(REPEATS):
        with stopped(host, "vm.record", 1, "vm", "add", NAME, "--share=16M"):
            pid = wait_for(lambda: pid_of(host, who), who)
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: pid_of(host, who) not in (0, pid), f"another {who}")
        is_whole(host)
        host.ask("vm", "remove", NAME)
        assert host.nothing_left()


def kill_it(host, guest, who):
    """One death, and what follows."""
    pid = pid_of(host, who)
    os.kill(pid, signal.SIGKILL)
    if who == "virtiofsd":
        wait_for(lambda: not host.vm(NAME)["guest"], "it is told")
        guest()
    wait_for(lambda: pid_of(host, who) not in (0, pid), f"another {who}")
    is_whole(host)


@pytest.mark.parametrize("who", WHO)
def test_killed_while_it_runs(host, guest, who):
    """A few times one after another: of many a keeper's next start comes later and later."""
    for _ in range(REPEATS):
        host.ask("vm", "add", NAME, "--share=16M")
        is_whole(host)
        guest()
        before = host.fds()
        for _ in range(3):
            kill_it(host, guest, who)
        wait_for(lambda before=before: host.fds() <= before, "no more descriptors than before")
        host.ask("vm", "remove", NAME, "--force")
        assert host.nothing_left()


@pytest.mark.parametrize("step, count", ADDING)
@pytest.mark.parametrize("who", WHO)
def test_killed_while_it_is_set(host, guest, who, step, count):
    share = pathlib.Path(host.json("vm", "add", NAME, "--share", "16M")["share"])
    for turn in range(REPEATS):
        is_whole(host)
        guest()
        size = 32 + turn % 2 * 32
        # the first round of pieces is the start's own
        with stopped(host, step, count + PIECES if step == "vm.make" else count,
                     "vm", "set", NAME, f"size={size}M"):
            pid = pid_of(host, who)
            os.kill(pid, signal.SIGKILL)
        if who == "virtiofsd":
            wait_for(lambda: not host.vm(NAME)["guest"], "it is told")
        else:
            wait_for(lambda pid=pid: pid_of(host, who) not in (0, pid), f"another {who}")
        is_whole(host)
        at = os.statvfs(share)
        assert at.f_blocks * at.f_frsize == size << 20
    host.ask("vm", "remove", NAME, "--force")
    assert host.nothing_left()


@pytest.mark.parametrize("step, count", REMOVING)
@pytest.mark.parametrize("who", WHO)
def test_killed_while_it_is_removed(host, guest, who, step, count):
    for _ in range(REPEATS):
        host.ask("vm", "add", NAME, "--share", "16M")
        is_whole(host)
        guest()
        pid = pid_of(host, who)
        with stopped(host, step, count, "vm", "remove", NAME, "--force"):
            with contextlib.suppress(ProcessLookupError):     # its piece may be gone
                os.kill(pid, signal.SIGKILL)
        assert host.nothing_left() and not any(host.vms.iterdir())


def test_the_next_keeper_waits_for_the_last_ones_worker(host):
    """It is bringing connections home; a second keeper would take the splice from it."""
    host.ask("vm", "add", NAME, "--share=16M")
    is_whole(host)
    host.wait_for_worker()      # before that it is a copy of its keeper
    keeper, worker = pid_of(host, "keeper"), pid_of(host, "worker")
    os.kill(worker, signal.SIGSTOP)
    os.kill(keeper, signal.SIGKILL)
    wait_for(lambda: host.vm(NAME).get("piece") == "keeper", "it waits")
    assert host.keeper(NAME) == keeper
    os.kill(worker, signal.SIGCONT)
    wait_for(lambda: host.keeper(NAME) != keeper, "another keeper")
    is_whole(host)
    assert worker not in host.processes()


def test_told_to_end_while_a_vm_is_being_made(host):
    """It takes that one away too, when it is made."""
    host.ask("vm", "add", NAME, "--share=16M")
    is_whole(host)
    host.wait_for_worker()
    worker = pid_of(host, "worker")
    os.kill(worker, signal.SIGSTOP)
    os.kill(pid_of(host, "keeper"), signal.SIGKILL)
    wait_for(lambda: host.vm(NAME).get("piece") == "keeper", "it waits for the worker")
    host.process.send_signal(signal.SIGTERM)
    wait_for(lambda: host.ask("vm", "add", "web2", "--share=16M", check=False).returncode == 5,
             "it is stopping")
    os.kill(worker, signal.SIGCONT)
    assert host.process.wait(SOON_S) == 0
    assert host.nothing_left()


def test_restart_before_virtiofsd_has_taken_its_guest(host):
    """It has the socket still, and nobody else can listen there meanwhile."""
    slow = host.top / "slow-virtiofsd"
    slow.write_text("#!/bin/sh\nexec sleep 1000\n")
    slow.chmod(0o755)
    host.end()
    host.start(f"--virtiofsd={slow}")
    vm = host.json("vm", "add", NAME, "--share=16M")
    with socket.socket(socket.AF_UNIX) as guest:
        guest.connect(vm["virtiofs"])
        wait_for(lambda: host.vm(NAME)["guest"], "it runs")
        pid = pid_of(host, "virtiofsd")
        host.kill()
        # a second round of pieces would come to this
        host.start(f"--virtiofsd={slow}", env={"HYLICS_FAULT": f"vm.make:fail:{PIECES + 1}"})
        host.wait_for_state(NAME, "ready")
        assert host.vm(NAME)["guest"] and pid_of(host, "virtiofsd") == pid
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not host.vm(NAME)["guest"], "it is told")
        with socket.socket(socket.AF_UNIX) as second:
            second.connect(vm["virtiofs"])
            wait_for(lambda: host.vm(NAME)["guest"], "the next one runs")
    host.ask("vm", "remove", NAME, "--force")
    assert host.nothing_left()


# -- with connections that are away ---------------------------------------------------------------

class Hosted(Offload):
    """Keeper and worker are hylicsd's; the channel is a port as QEMU makes it."""

    def __init__(self, net, host, *words):
        """words: of "vm add", beside those it needs."""
        super().__init__(net, net.guests[0])
        self.host = host
        self._words = words or ("--share", "64M")
        self._port = None

    @property
    def guest_address(self):
        return self._port.guest

    def _make_share(self):
        self._make_directory()
        (self.directory / "guest").mkdir()
        self._port = self._closing.enter_context(Port(self.directory))
        self.share = pathlib.Path(self.host.json("vm", "add", NAME, *self._words,
                                                 f"--tap={self.nic}")["share"])
        place = self.host.run / "vm" / NAME
        (place / "channel.sock").symlink_to(self.directory / "host.sock")
        (self.directory / "stats").symlink_to(place / "worker.json")

    def start_keeper(self):
        """hylicsd has."""


@pytest.fixture(name="net", scope="module")
def _net():
    wall.require()
    with Net.bridge_uplink(spaces=1) as net:
        yield net


@contextlib.contextmanager
def away(net, load):
    """(host, offload, client) with four connections that are away."""
    host = Hylicsd(node=net.host)
    host.start()
    try:
        with Hosted(net, host) as offload:
            file = offload.file("body", 4 << 20)
            offload.serve(PORT, file, "hylics", "--nonblock")
            with asking(offload, file, load) as client:
                offload.wait_counts(lambda counts: counts["moved"] == 4)
                yield host, offload, client
            verdict = offload.ask(PORT, file, "--bytes", "1M", "--stuck-after", "20s")
            assert verdict["good"], verdict
    finally:
        host.close()


# More than one answer's worth is still to come, at a pace that gives time for what happens.
LOAD = ("--requests", "1", "--bytes", "4M", "--read-rate", "512K", "--tail", "100")


@pytest.mark.parametrize("how", ["killed", "upgraded"])
def test_connections_survive_a_restart_of_hylicsd(net, how):
    for _ in range(REPEATS):
        with away(net, LOAD) as (host, offload, client):
            before = pid_of(host, "keeper"), pid_of(host, "worker")
            if how == "killed":
                host.kill()
            else:
                host.end(signal.SIGUSR1)
            host.start()
            host.wait_for_state(NAME, "ready")
            assert (pid_of(host, "keeper"), pid_of(host, "worker")) == before
            counts = offload.counts()
            assert counts["live"] == 4 and not counts["homed"], counts
            never_wrong(client.verdict())
            assert not offload.counts()["homed"]


@pytest.mark.parametrize("who", ["worker", "keeper"])
def test_connections_survive_a_death_beside_hylicsds(net, who):
    """Both at once: what the next hylicsd finds is not what the last one left."""
    for _ in range(REPEATS):
        with away(net, LOAD) as (host, _offload, client):
            pid = pid_of(host, who)
            host.kill()
            os.kill(pid, signal.SIGKILL)
            host.start()
            never_wrong(client.verdict())
            wait_for(lambda pid=pid: pid_of(host, who) not in (0, pid), f"another {who}")
            is_whole(host)


def test_connections_come_home_when_hylicsd_ends(net):
    """Its guest is a namespace and has the share open here, so that stays; the keeper goes."""
    for _ in range(REPEATS):
        with away(net, LOAD) as (host, _offload, client):
            keeper = pid_of(host, "keeper")
            assert host.end() == 0
            assert keeper not in host.processes()
            never_wrong(client.verdict())
            host.start()
            host.wait_for_state(NAME, "ready")
