# SPDX-License-Identifier: GPL-2.0-or-later
"""As test_pages_soak.py, in a real VM: programs and server are a guest's, over virtiofs. One boot.

HYLICS_PAGES_SOAK_VM=N: so many page-outs, and as many bring-backs; from 1000 on ten boots more, for
ten deaths of virtiofsd.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import time
import types

from moving import wait_for
from soaking import CHURN, SEED, assert_whole, check, tell
from test_hylicsd_kills import NAME, pid_of
from test_hylicsd_tiers import start, swap_place
from test_pages_soak import BODY, CUT_WITHIN_S, Sends, Soak, soak_through

from hylab import wall
from hylab.hylicsd import Hylicsd
from hylab.net import Net
from hylab.offload import guest_mac
from hylab.offload_vm import PATIENCE_S, Job, OffloadVm
from hylab.vm import Share, Spec, Vm

COUNT = int(os.environ.get("HYLICS_PAGES_SOAK_VM", "96"))
DEATHS, BOOTS = (4, 0) if COUNT < 1000 else (20, 10)
SHARE, MEMORY = "96M", "8M"
HANDS, LARGE = 2, 1
FOLDER = "/hylics"      # in the guest
LEDGER = "ledger"
ASKS = ("--connections", "2", "--requests", "2", "--head", "0-1K", "--bytes", "192K-1M", "--offset",
        "0-2M", "--stuck-after", "110s")


class HostedVm(OffloadVm):
    """Keeper, worker and share are hylicsd's. What runs in the guest ends with it: when its share
    is lost, nothing there would end when it is asked to.
    """

    def start_keeper(self):
        """hylicsd has."""

    def close(self):
        self.agent = None
        super().close()

    def _start(self, node, argv, fault=None):
        return Job(self.machine.vm, argv, fault)

    def _make_share(self):
        super()._make_share()
        (self.directory / "stats").symlink_to(self.machine.stats)


class GuestChurn:
    """churn in the guest, as soaking.Churn is on the host."""

    def __init__(self, vm, seed):
        self._said = 0
        self._vm = vm
        self._job = Job(vm, [CHURN, "work", FOLDER, f"/run/hylab/{LEDGER}", seed, HANDS, LARGE])
        self._job.wait_output("ready\n")

    @property
    def ledger(self):
        """Where the host has what it leaves."""
        return self._vm.exchange_directory / LEDGER

    def _lines(self):
        return [line for line in self._job.output.split("\n")[:-1] if line.startswith("{")]

    def _say(self, signo):
        self._job.kill(signo)
        self._said += 1
        wait_for(lambda: len(self._lines()) >= self._said or not self._job.alive(), "an answer",
                 10 * PATIENCE_S)
        lines = self._lines()
        assert len(lines) >= self._said, self._job.log
        return json.loads(lines[-1])

    def look(self):
        """Every byte of all files; what was counted so far."""
        said = self._say(signal.SIGUSR1)
        assert_whole(said, self._job.log)
        return said

    def leave(self):
        """The share is gone: what was in it, and what was found before."""
        said = self._say(signal.SIGUSR2)
        assert said["wrong"] == said["enospc"] == 0, (said, self._job.log)
        return said


class VmSoak(Soak):
    """Fewer deaths; a guest has the share mounted meanwhile."""

    hands, large = HANDS, LARGE

    def die(self, number):
        """One death of each kind in turn, and whether all is well."""
        kinds = (lambda: self.kill_job("out", 17), lambda: self.kill_hylicsd("out"),
                 self.kill_worker, lambda: self.kill_hylicsd_at("out", 9))
        kinds[number % len(kinds)]()
        self.look()


    def kill_virtiofsd(self):
        """At a random moment of a request."""
        def cut():
            time.sleep(self.moments.uniform(0, CUT_WITHIN_S))
            os.kill(pid_of(self.host, "virtiofsd"), signal.SIGKILL)
        self.pager.do_cut("out", self.pager.choose(), cut)


@contextlib.contextmanager
def soaking(place, seed=SEED):
    """A share that a guest is at work on."""
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(Net.bridge_uplink(vms=1))
        file = stack.enter_context(swap_place())
        host = Hylicsd(node=net.host)
        stack.callback(host.close)
        start(host, file)
        guest = net.guests[0]
        shown = host.json("vm", "add", NAME, "--share", SHARE, "--memory", MEMORY,
                          f"--tap={guest.interface},{guest_mac(guest)},{guest.v4},{guest.v6}")
        share = Share("hylics", "", FOLDER, type="virtiofs", socket=shown["virtiofs"])
        vm = stack.enter_context(Vm(Spec(
            name="soaker", memory="512M", taps=(guest.tap,), node=net.host, shares=(share,),
            channel=f"serial:{shown['channel']}", time_limit_s=7200)))
        machine = types.SimpleNamespace(
            net=net, vm=vm, share=pathlib.Path(shown["share"]),
            address=f"serial:{shown['channel']}", stats=host.run / "vm" / NAME / "worker.json")
        offload = stack.enter_context(HostedVm(machine))
        body = offload.file("body", BODY)
        shutil.copy(body, place / "body")
        churn = GuestChurn(vm, seed)
        with Sends(offload, body, place / "body", ASKS) as sends:
            soak = VmSoak(host, file, offload, churn, sends, seed)
            yield soak
            sends.look()
        soak.kill_virtiofsd()
        host.wait_for_state(NAME, "degraded")
        said = churn.leave()
        found = check(machine.share, churn.ledger)
        tell("soak in a VM", **soak.counts(), churn=said, check=found[0])
        assert_whole(*found)
        assert (machine.share / "body").read_bytes() == (place / "body").read_bytes()


def test_nothing_is_harmed_in_a_vm(tmp_path):
    """Also when virtiofsd dies in the end: the guest has lost its share, the host has it whole."""
    wall.require()
    with soaking(tmp_path) as soak:
        soak_through(soak, COUNT, DEATHS)
    for seed in range(SEED + 1, SEED + 1 + BOOTS):
        with soaking(tmp_path, seed) as soak:
            soak.pager.run(soak.moments.randint(1, 64))
