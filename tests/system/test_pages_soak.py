# SPDX-License-Identifier: GPL-2.0-or-later
"""Files go out of memory and come back while programs use them and hylicsd dies: no byte is wrong.

The share's content is more than the VM's memory, so that the kernel swaps, too. Programs are churn,
which reads, writes, maps, cuts, removes and replaces files, and a server whose connections are
away: its clients know every byte. HYLICS_PAGES_SOAK=N: so many page-outs, and as many bring-backs.
"""

import contextlib
import itertools
import os
import random
import shutil
import signal
import threading
import time

import pytest
from moving import children, is_stopped, wait_for
from soaking import CHURN, SEED, Churn, Pager, assert_whole, check, oom_kills, tell, weights_of
from test_hylicsd_kills import NAME, PORT, Hosted, is_whole, never_wrong, pid_of
from test_hylicsd_tiers import start, swap_place

from hylab import wall
from hylab.hylicsd import Hylicsd
from hylab.net import Net

COUNT = int(os.environ.get("HYLICS_PAGES_SOAK", "480"))
DEATHS = 12 if COUNT < 10000 else 36      # and looks at every byte, while that goes on
SHARE, MEMORY = "160M", "24M"     # and HY_VM_OVERHEAD; less, and kernels end processes
BODY = 4 << 20
HANDS, LARGE = 2, 2
CUT_WITHIN_S = 0.05
ASKS = ("--connections", "4", "--requests", "4", "--head", "0-1K", "--bytes", "192K-2M", "--offset",
        "0-2M", "--think", "50ms", "--stuck-after", "60s")


class Sends:
    """Clients that ask for a file of the share, one after another, until the block's end."""

    def __init__(self, offload, file, copy, asks=ASKS):
        self._offload, self._copy, self._asks = offload, copy, asks
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.requests = 0
        self._bad = []
        offload.serve(PORT, file, "hylics", "--nonblock")

    def __enter__(self):
        self._thread.start()
        return self

    def _run(self):
        while not self._end.is_set() and not self._bad:
            try:
                verdict = self._offload.ask(PORT, self._copy, *self._asks)
                never_wrong(verdict)
                self.requests += verdict["requests_done"]
            except Exception as error:      # pylint: disable=broad-except
                self._bad.append(error)

    def look(self):
        """None was wrong so far."""
        assert not self._bad, self._bad

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()


class Soak:
    """Everything that is at work on one share, and who kills what."""

    hands, large = HANDS, LARGE

    def __init__(self, host, swap_file, offload, churn, sends, seed=SEED):
        self.host, self.swap_file, self.offload = host, swap_file, offload
        self.churn, self.sends = churn, sends
        self.pager = Pager(host, NAME, weights_of(self.hands, self.large, {"body": 4}), seed)
        self.moments = random.Random(seed)
        self.deaths = {"job": 0, "hylicsd": 0, "worker": 0}
        self.before = host.limits()

    def look(self):
        """What must hold at any time."""
        self.churn.look()
        self.sends.look()
        assert self.host.limits() == self.before

    def start(self, **env):
        """The next hylicsd, and the VM as before."""
        self.pager.api.close()
        start(self.host, self.swap_file, env=env)
        is_whole(self.host)

    def kill_hylicsd(self, to):
        """At a random moment of a request."""
        def cut():
            time.sleep(self.moments.uniform(0, CUT_WITHIN_S))
            self.host.kill()
        self.pager.do_cut(to, self.pager.choose(), cut)
        self.deaths["hylicsd"] += 1
        self.start()

    def kill_worker(self):
        """While it sends."""
        pid = wait_for(lambda: pid_of(self.host, "worker"), "a worker")
        os.kill(pid, signal.SIGKILL)
        self.deaths["worker"] += 1
        wait_for(lambda: pid_of(self.host, "worker") not in (0, pid), "another worker")

    def kill_job(self, to, step):
        """At a named step; hylicsd says that it was."""
        self.host.end(signal.SIGUSR1)
        self.start(HYLICS_FAULT=f"vm.pages:kill:{step}")
        status, said = self.pager.api.ask(NAME, to, self.pager.choose())
        assert status == 500 and "killed by signal 9" in said["error"]["message"], said
        assert self.host.limits() == self.before, "a dead job has left the limit too low"
        self.deaths["job"] += 1
        self.host.end(signal.SIGUSR1)
        self.start()

    def kill_hylicsd_at(self, to, step):
        """While its job stands at a named step."""
        self.host.end(signal.SIGUSR1)
        self.start(HYLICS_FAULT=f"vm.pages:stop:{step}")

        def cut():
            wait_for(lambda: any(map(is_stopped, children(self.host.process.pid))),
                     "the job comes to its step")
            self.host.kill()
        self.pager.do_cut(to, self.pager.choose(), cut)
        self.deaths["hylicsd"] += 1
        self.start()


    def die(self, number):
        """One death of each kind in turn, and whether all is well."""
        kinds = (
            lambda: self.kill_job("out", 1), lambda: self.kill_hylicsd("out"), self.kill_worker,
            lambda: self.kill_job("out", 9), lambda: self.kill_hylicsd_at("out", 17),
            lambda: self.kill_hylicsd("in"), self.kill_worker, lambda: self.kill_job("out", 17),
            lambda: self.kill_hylicsd_at("in", 5), lambda: self.kill_job("in", 16),
            lambda: self.kill_hylicsd_at("out", 2), lambda: self.kill_hylicsd("out"))
        kinds[number % len(kinds)]()
        self.look()

    def counts(self):
        """All that was counted."""
        offload = self.offload.counts()
        return {**self.pager.counts, "oom_kills": oom_kills(self.host), "killed": self.deaths,
                "requests": self.sends.requests, "moved": offload["moved"],
                "bytes_file": offload["bytes_file"]}


@contextlib.contextmanager
def soaking(place):
    """A share that is at work; all is looked at once more at the end."""
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(Net.bridge_uplink(spaces=1))
        file = stack.enter_context(swap_place())
        host = Hylicsd(node=net.host)
        stack.callback(host.close)
        start(host, file)
        offload = stack.enter_context(Hosted(net, host, "--share", SHARE, "--memory", MEMORY))
        body, ledger = offload.file("body", BODY), place / "ledger"
        shutil.copy(body, place / "body")
        churn = stack.enter_context(Churn(host.words_inside(
            NAME, "nice", CHURN, "work", offload.share, ledger, SEED, HANDS, LARGE)))
        sends = stack.enter_context(Sends(offload, body, place / "body"))
        yield (soak := Soak(host, file, offload, churn, sends))
        said = churn.end()
        sends.look()
        assert_whole(*check(offload.share, ledger))
        tell("soak", **soak.counts(), churn=said)


def soak_through(soak, count, deaths):
    """So many out and back, with so many deaths; that it was not for show."""
    number = itertools.count()

    def now_and_then():
        soak.die(next(number))
        tell("so far", **soak.counts())
    soak.pager.run(count, now_and_then, count // deaths)
    counts = soak.counts()
    assert all(counts["killed"].values()), counts
    # the kernel has its own mind about what goes
    assert counts["fewer"] > counts["out"] // 10 and counts["more"] > counts["back"] // 10, counts
    assert counts["requests"] and counts["moved"] and counts["bytes_file"], counts


def test_nothing_is_harmed(tmp_path):
    """What was written is read, whatever is in memory and whoever dies."""
    wall.require()
    with soaking(tmp_path) as soak:
        soak_through(soak, COUNT, DEATHS)


@pytest.mark.parametrize("harm, wrong, errors", [
    (lambda file: None, 0, 0),
    (lambda file: file.write_bytes(file.read_bytes()[:-1] + b"?"), 1, 0),
    (lambda file: os.truncate(file, 1 << 20), 1, 0),
    (lambda file: os.truncate(file, (8 << 20) + 1), 1, 0),
    (os.unlink, 0, 1)], ids=["none", "byte", "shorter", "longer", "gone"])
def test_churn_sees_what_is_wrong(tmp_path, harm, wrong, errors):
    share, ledger = tmp_path / "share", tmp_path / "ledger"
    share.mkdir()
    with Churn([CHURN, "work", share, ledger, SEED, 1, 1]) as churn:
        assert churn.look()["looks"] == 1
        churn.end()
    harm(share / "0-8M-0")
    said, _ = check(share, ledger)
    assert (said["wrong"], said["errors"]) == (wrong, errors)
