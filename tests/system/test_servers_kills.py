# SPDX-License-Identifier: GPL-2.0-or-later
"""Downloads of curl from servers under `hylics-guest run`, while programs of Hylics are killed.

Each download ends with the right bytes, or with an error that curl tells; a short body never looks
complete; and whoever asks after the kill is served at once. HYLICS_LONG=1: a hundred downloads of
each server, else twenty. HYLICS_REPEATS=N makes each case so often. HYLICS_FIGURES=1: how long
those wait who ask then, and how many downloads ended early.
"""

import collections
import contextlib
import functools
import os
import random
import select
import signal
import subprocess
import threading
import time

import pytest
from asking import KB, MB, SIZES, Tally, asking, one_by_one, show
from moving import LONG, REPEATS, Ends
from test_hylicsd_kills import NAME, Hosted
from test_hylicsd_kills import pid_of as pid_on_host
from test_move_faults import has_session, pid_of

from hylab import wall
from hylab.fetch import Ask, Cut, together
from hylab.hylicsd import Hylicsd
from hylab.net import Net
from hylab.offload import Offload
from hylab.servers import KINDS, MODES, Site
from hylab.wait import PATIENCE_S, wait_for

PORT = 8080
SERVERS = ("lighttpd", "nginx", "worker")
DOWNLOADS = 100 if LONG else 20
FILE_BYTES = 6 * MB
RUNNING = "2M"      # a second: what each of one half of them takes
KILLS, COMING = (20, 16) if LONG else (3, 8)
MOVES_BETWEEN = 6
CROWD_S = 3600
# What curl says of a transfer that did not end as it should: a short body, a reset.
PARTIAL, RECV_ERROR = 18, 56
# Longer than a worker without an agent keeps a connection.
ENDS_WITHIN_S = 4 * PATIENCE_S
# Without its holder nobody resumes: the worker waits for a minute before it resets.
KILLED = ("worker", "agent", "keeper") + (("holder",) if LONG else ())
# Beside hylicsd, at the same moment.
BESIDE = (None,) + (("worker", "agent", "keeper") if LONG else ())


class Download(threading.Thread):
    """A curl with a connection of its own, and who takes what it writes."""

    def __init__(self, place, server, *options):
        super().__init__(daemon=True)
        self._curl = place.offload.net.client.popen(
            ["curl", "--silent", "--fail", "--no-buffer", *options, server.url("body")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0)
        self._got = b""

    def wait_begun(self):
        """It has its first bytes and not all."""
        assert select.select([self._curl.stdout], [], [], PATIENCE_S)[0], "no byte of a download"
        assert self._curl.poll() is None, "a download is over too soon"

    def run(self):
        """Take all of it."""
        self._got = self._curl.stdout.read()

    def verdict(self, want):
        """How it ended; what it has is the file's beginning, all of it if curl says so."""
        self.join(ENDS_WITHIN_S)
        assert not self.is_alive(), "a download does not end"
        code = self._curl.wait(timeout=PATIENCE_S)
        assert want.startswith(self._got), f"a wrong byte before {len(self._got)}"
        assert code or len(self._got) == len(want), f"{len(self._got)} bytes look complete"
        assert code in (0, PARTIAL, RECV_ERROR), code
        return code

    def close(self):
        """Whatever has become of it."""
        self._curl.kill()
        self._curl.wait()
        if self.ident:
            self.join()
        self._curl.stdout.close()


class Downloads:
    """So many of the same file, all of them moved.

    One half runs on while programs are killed. What the others write nobody takes as long, so they
    are under way for certain, and in nobody's hands: all has come to rest before the rest begins.
    """

    def __init__(self, stack, place, server):
        self._want = (place.site.root / "body").read_bytes()
        self._standing = self._many(stack, place, server)
        place.offload.settled()
        self._running = self._many(stack, place, server, "--limit-rate", RUNNING)
        for one in self._running:
            one.start()

    @staticmethod
    def _many(stack, place, server, *options):
        before = place.offload.counts()["moved"]
        found = [Download(place, server, *options) for _ in range(DOWNLOADS // 2)]
        for one in found:
            stack.callback(one.close)
        place.offload.wait_counts(lambda counts: counts["moved"] >= before + DOWNLOADS // 2)
        for one in found:
            one.wait_begun()
        return found

    def verdicts(self):
        """How each ended: those that ran on, those that stood still."""
        for one in self._standing:
            one.start()
        running, standing = ([one.verdict(self._want) for one in some]
                             for some in (self._running, self._standing))
        whole = running.count(0) + standing.count(0)
        show("downloads", whole=whole, cut=DOWNLOADS - whole)
        return running, standing


class Place:
    """A guest, its site, and programs to be killed."""

    def __init__(self, offload):
        self.offload = offload
        self.site = Site(self.offload)
        self.site.file("body", FILE_BYTES)
        self.site.file("small", 3 * KB)

    def kill(self, who):
        """kill -9; whoever is to come back by itself has done so when this returns."""
        pids = self.offload.pids("agent" if who in ("agent", "holder") else "keeper")
        # an agent goes with its holder, a worker brings connections home when its keeper has gone
        with Ends({"holder": pids, "keeper": pids[:1]}.get(who, pids[1:2])):
            if who in ("holder", "keeper"):
                getattr(self.offload, "agent" if who == "holder" else who).kill()
            else:
                self.offload.kill_child(who)


@pytest.fixture(name="stack")
def _stack():
    wall.require()
    with contextlib.ExitStack() as stack:
        yield stack


def is_served(place, server):
    """Whoever asks now is answered: one that comes anew, small files and large ones."""
    tally, took = Tally(), []
    for names in (["small"], ["body", "small", "body"]):
        began = time.monotonic()
        with asking(place.offload, server, place.site) as one:
            one_by_one(one, tally, map(Ask, names))
        took.append(round(time.monotonic() - began, 3))
    show(f"{server.kind}, served in", seconds=took)


def are_whole(ended, killed):
    """As far as they have to be when one of these was killed.

    An agent that dies while it has a connection in its hands ends that one, for all to see.
    """
    running, standing = ended
    assert killed & {"keeper", "holder"} or not any(standing), ended
    assert killed & {"agent", "keeper", "holder"} or not any(running), ended


def net_for(stack, kind):
    """A network for a guest with such a server."""
    if KINDS[kind].missing():
        pytest.skip(KINDS[kind].missing())
    return stack.enter_context(Net.bridge_uplink(spaces=1))


def under_way(stack, place, kind):
    """A server and its downloads, all of them moved."""
    server = place.site.start(kind, PORT, MODES[1])
    stack.callback(server.stop)     # killed, apache would leave its children
    return server, Downloads(stack, place, server)


@pytest.mark.parametrize("_again", range(REPEATS))
@pytest.mark.parametrize("who", KILLED)
@pytest.mark.parametrize("kind", SERVERS)
def test_killed_under_downloads(stack, kind, who, _again):
    """Worker and agent come back and go on; without keeper or holder what was moved may end."""
    net = net_for(stack, kind)
    place = Place(stack.enter_context(Offload(net, net.guests[0])))
    server, downloads = under_way(stack, place, kind)
    place.kill(who)
    is_served(place, server)
    are_whole(downloads.verdicts(), {who})
    is_served(place, server)
    assert server.process.alive(), server.errors()


def lead_to(path, top):
    """Servers that are not root reach what is at a path below top."""
    for one in (path, *path.parents):
        if not one.is_relative_to(top):
            return
        one.chmod(one.stat().st_mode | 0o111)


@pytest.mark.parametrize("_again", range(REPEATS))
@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("kind", SERVERS)
def test_hylicsd_killed_under_downloads(stack, kind, beside, _again):
    """Nobody notices: not who is under way, nor who comes before it is back, nor who comes then."""
    net = net_for(stack, kind)
    host = Hylicsd(node=net.host)
    stack.callback(host.close)
    host.start()
    place = Place(stack.enter_context(Hosted(net, host)))
    lead_to(place.offload.share, host.top)
    server, downloads = under_way(stack, place, kind)
    before = {who: pid_on_host(host, who) for who in ("keeper", "worker")}
    host.kill()
    if beside == "agent":
        place.kill(beside)
    elif beside:
        os.kill(before[beside], signal.SIGKILL)
    is_served(place, server)
    host.start()
    host.wait_for_state(NAME, "ready")
    is_served(place, server)
    are_whole(downloads.verdicts(), {beside})
    if beside in (None, "agent"):
        assert before == {who: pid_on_host(host, who) for who in before}
    is_served(place, server)
    assert server.process.alive(), server.errors()


# --- while they come and go ----------------------------------------------------------------------

class Crowd:
    """Clients that come, ask for files of all sizes, and leave, until they are told to stop."""

    def __init__(self, place, server):
        self._place, self._server = place, server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._error = None
        self.whole, self.cut = 0, collections.Counter()

    def __enter__(self):
        self._thread.start()
        return self

    def _run(self):
        jobs = [functools.partial(self._come_and_go, seed) for seed in range(COMING)]
        try:
            together(jobs, CROWD_S)
        except BaseException as error:      # raised where the crowd is told to stop
            self._error = error

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        if self._error:
            raise self._error

    def _come_and_go(self, seed):
        chance = random.Random(seed)
        sizes = self._place.site.sizes
        while not self._stop.is_set():
            names = chance.choices(list(sizes), k=chance.randrange(1, 5))
            try:
                with asking(self._place.offload, self._server, self._place.site) as one:
                    for name in names:
                        one.fetch(Ask(name))
                        self.whole += 1
            except Cut as error:
                self.cut[error.how] += 1
            except (ConnectionResetError, BrokenPipeError):     # between two answers
                self.cut["reset"] += 1


@pytest.mark.parametrize("_again", range(REPEATS))
@pytest.mark.parametrize("who", ["worker", "agent"])
@pytest.mark.parametrize("kind", SERVERS if LONG else SERVERS[:1])
def test_killed_while_clients_come_and_go(stack, kind, who, _again):
    """At any step of many moves at once, again and again: whole answers, or resets."""
    net = net_for(stack, kind)
    place = Place(stack.enter_context(Offload(net, net.guests[0])))
    for name, size in SIZES.items():
        place.site.file(name, size)
    server = place.site.start(kind, PORT, MODES[1])
    stack.callback(server.stop)
    chance = random.Random(who)
    with Crowd(place, server) as crowd:
        for _ in range(KILLS):
            wait_for(lambda: pid_of(place.offload, who), who)
            has_session(place.offload)
            # at any step of any of them
            for _ in range(chance.randrange(1, MOVES_BETWEEN)):
                before = place.offload.counts()["moved"]
                place.offload.wait_counts(lambda counts, before=before: counts["moved"] != before)
            place.kill(who)
            is_served(place, server)
    show(f"{kind}, {who}", whole=crowd.whole, **crowd.cut)
    is_served(place, server)
    assert server.process.alive(), server.errors()
    assert set(crowd.cut) <= {"reset"}, crowd.cut
