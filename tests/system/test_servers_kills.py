# SPDX-License-Identifier: GPL-2.0-or-later
"""Downloads of curl from servers under `hylics-guest run`, while programs of Hylics are killed.

Each download ends with the right bytes, or with an error that curl tells; a short body never looks
complete; and whoever asks after the kill is served at once. HYLICS_LONG=1: a hundred downloads of
each server, else twenty.
"""

import contextlib
import functools
import select
import subprocess

import pytest
from asking import KB, MB, Tally, asking, one_by_one
from moving import LONG, Ends

from hylab import wall
from hylab.fetch import Ask, together
from hylab.net import Net
from hylab.offload import Offload
from hylab.servers import KINDS, MODES, Site
from hylab.wait import PATIENCE_S

PORT = 8080
SERVERS = ("lighttpd", "nginx", "worker")
DOWNLOADS = 100 if LONG else 20
FILE_BYTES = 6 * MB
# What curl says of a transfer that did not end as it should: a short body, a reset.
PARTIAL, RECV_ERROR = 18, 56
# Without its holder nobody resumes: the worker waits for a minute before it resets.
KILLED = ("worker", "agent", "keeper") + (("holder",) if LONG else ())


class Downloads:
    """So many curls that take the same file, each with a connection of its own.

    What they write nobody takes as long as programs are killed: so all of them are under way.
    """

    def __init__(self, stack, place, server):
        self._want = (place.site.root / "body").read_bytes()
        self._all = [place.offload.net.client.popen(
            ["curl", "--silent", "--fail", "--no-buffer", server.url("body")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0)
            for _ in range(DOWNLOADS)]
        for curl in self._all:
            stack.callback(curl.kill)

    def wait_begun(self):
        """Each has its first bytes, none has all."""
        for curl in self._all:
            assert select.select([curl.stdout], [], [], PATIENCE_S)[0], "no byte of a download"
        assert all(curl.poll() is None for curl in self._all), "a download is over too soon"

    def verdicts(self):
        """How each ended; what it has is the file's beginning, all of it if curl says so."""
        return together([functools.partial(self._verdict, curl) for curl in self._all])

    def _verdict(self, curl):
        got = curl.stdout.read()
        code = curl.wait(timeout=PATIENCE_S)
        assert self._want.startswith(got), f"a wrong byte before {len(got)}"
        assert code or len(got) == len(self._want), f"{len(got)} bytes look complete"
        assert code in (0, PARTIAL, RECV_ERROR), code
        return code


class Place:
    """A guest, its site, and programs to be killed."""

    def __init__(self, stack):
        net = stack.enter_context(Net.bridge_uplink(spaces=1))
        self.offload = stack.enter_context(Offload(net, net.guests[0]))
        self.site = Site(self.offload)
        self.site.file("body", FILE_BYTES)
        self.site.file("small", 3 * KB)

    def kill(self, who):
        """kill -9; whoever is to come back by itself has done so when this returns."""
        pids = self.offload.pids("agent" if who in ("agent", "holder") else "keeper")
        with Ends([pids[0] if who in ("holder", "keeper") else pids[1]]):
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
    tally = Tally()
    for names in (["small"], ["body", "small", "body"]):
        with asking(place.offload, server, place.site) as one:
            one_by_one(one, tally, map(Ask, names))


@pytest.mark.parametrize("who", KILLED)
@pytest.mark.parametrize("kind", SERVERS)
def test_killed_under_downloads(stack, kind, who):
    """Worker and agent come back and go on; without keeper or holder what was moved may end."""
    if KINDS[kind].missing():
        pytest.skip(KINDS[kind].missing())
    place = Place(stack)
    server = place.site.start(kind, PORT, MODES[1])
    downloads = Downloads(stack, place, server)
    downloads.wait_begun()
    place.offload.wait_counts(lambda counts: counts["moved"] == DOWNLOADS)
    place.kill(who)
    is_served(place, server)
    ended = downloads.verdicts()
    if who in ("worker", "agent"):
        assert not any(ended), ended
    is_served(place, server)
    assert server.process.alive(), server.errors()
