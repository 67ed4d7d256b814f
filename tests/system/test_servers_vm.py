# SPDX-License-Identifier: GPL-2.0-or-later
"""Web servers that nobody changed, in a real VM under `hylics-guest run` and plain. One boot.

The host sends their files; clients and access logs see no difference.

HYLICS_REQUESTS=1000: so many requests of each kind, of a server of each kind, files up to 1 GB.
HYLICS_FIGURES=1: counts on standard error.
"""

import functools
import hashlib
import random
import subprocess

import pytest
from asking import (EMPTY, HUGE, KB, LONG, MB, REQUESTS, SIZES, Served, Tally, asking, conditional,
                    each_alone, is_nearly_all_by_host, mixed, one_by_one, pipelined, ranged, show,
                    some_range, volumes)
from test_servers import ask_with_wrk, logged, moving

from hylab import wall
from hylab.fetch import Ask, together
from hylab.offload_vm import Machine, OffloadVm
from hylab.servers import MODES

CONNECTIONS = 4
# One process, processes, a process for each connection, a thread for each connection.
SERVERS = ("lighttpd", "nginx", "prefork", "worker") if LONG else ("lighttpd",)
COUNT = REQUESTS if LONG else 40
FEW = REQUESTS if LONG else 12
FILES = {**SIZES, **HUGE} if LONG else {"1k": KB, "16k": 16 * KB, "100k": 100000,
                                        "threshold": 128 * KB, "300k": 300 * KB, "1m1": MB + 1,
                                        "4m": 4 * MB}
USUAL = {name: size for name, size in FILES.items() if size <= 32 * MB}
SHORT = {name: size for name, size in FILES.items() if size < 6 * MB}
SHARE_BYTES = 3 << 30 if LONG else 1 << 30
IN_ONE_WRITE = 20
WRK_FILES = ("1k", "100k", "300k", "1m1")
WITHIN_S = 3000 if LONG else 300


class Place(Served):
    """The guest and its site, for all tests of the file."""

    def __init__(self, machine, offload):
        super().__init__(offload)
        self.machine = machine
        for name, size in {**FILES, **EMPTY}.items():
            self.site.file(name, size)


@pytest.fixture(name="place", scope="module")
def _place():
    wall.require()
    with Machine(share_bytes=SHARE_BYTES) as machine, OffloadVm(machine) as offload:
        yield Place(machine, offload)


# --- what is asked ------------------------------------------------------------------------------

def every_kind():
    """A request of each kind, of a file that is moved."""
    name, size = "1m1", FILES["1m1"]
    return [Ask(name), Ask(name, "HEAD"), ranged(name, (size // 3, None)), ranged(name, (None, 7)),
            ranged(name, (0, 300 * KB), (500 * KB, 900 * KB)), ranged(name, (size, None)),
            Ask("there-is-none"), Ask("1k"), Ask("empty")]


def several(count, chance):
    """Requests for three ranges each, which do not touch."""
    for _ in range(count):
        name = chance.choice(list(SHORT))
        at = sorted(chance.sample(range(SHORT[name]), 6))
        yield ranged(name, *zip(at[::2], at[1::2]))


def kinds_of_requests(count, seed):
    """{kind: so many requests}, of which each connection has its own; the largest files once."""
    chance = random.Random(seed)
    names = chance.choices(list(USUAL), k=count)
    return {"mixed": mixed(count, seed, USUAL if seed else FILES),
            "ranges": [some_range(chance, name, USUAL[name]) for name in names],
            "several ranges": several(count, chance),
            "HEAD": [Ask(name, "HEAD") for name in names]}


def in_writes(one, tally, asks):
    """Some requests in each write, then their answers."""
    asks = list(asks)
    for at in range(0, len(asks), IN_ONE_WRITE):
        pipelined(one, tally, asks[at:at + IN_ONE_WRITE])


def ask_all(place, server):
    """Requests of every kind, then many of each on connections that stay."""
    offload, site = place.offload, place.site
    first = Tally()
    tallies = [Tally() for _ in range(CONNECTIONS)]

    def run(seed):
        count, tally = COUNT // CONNECTIONS, tallies[seed]
        with asking(offload, server, site) as one:
            for asks in kinds_of_requests(count, seed).values():
                one_by_one(one, tally, asks)
            in_writes(one, tally, mixed(count, seed + CONNECTIONS, SHORT))
            assert one.quiet()
    before = place.counts()
    with offload.watch(port=server.port) as seen:
        with asking(offload, server, site) as one:
            one_by_one(one, first, every_kind())
            tag = first.answers[0].headers
        each_alone(offload, server, site, first,
                   conditional("1m1", tag["etag"], tag["last-modified"]))
        together([functools.partial(run, seed) for seed in range(CONNECTIONS)], WITHIN_S)
    assert seen["complete"]
    after = place.counts()
    tallies.append(first)
    return {"told": [tally.told() for tally in tallies],
            "log": logged(server, [answer for tally in tallies for answer in tally.answers]),
            "rst": [seen[way]["rst"] for way in ("in", "out")]}, volumes(tallies, before, after)


@pytest.mark.parametrize("kind", SERVERS)
def test_answers_and_log_are_as_plain_and_the_host_sends(place, kind):
    found = place.both(kind, functools.partial(ask_all, place))
    (plain, plainly), (ours, sent) = (found[mode] for mode in MODES)
    show(f"{kind}, {COUNT} of each", **sent)
    for what, value in plain.items():
        assert value == ours[what], what
    assert plain["rst"] == [0, 0]
    assert plainly["by_host"] == 0
    assert is_nearly_all_by_host(sent), sent


# --- clients that leave ---------------------------------------------------------------------------

def ask_and_leave(place, server):
    """Downloads that end in the middle, in both ways, beside some that do not."""
    offload, site, stays = place.offload, place.site, FEW // 12
    name = max(SHORT, key=SHORT.get)
    size = SHORT[name]

    def leave(seed):
        chance = random.Random(seed)
        for number in range(FEW // CONNECTIONS):
            with asking(offload, server, site) as one:
                one.send(Ask(name))
                one.go_on(one.begin(Ask(name)), chance.randrange(1, size // 2))
                if number % 2:
                    one.reset()

    def stay():
        with asking(offload, server, site) as one:
            one_by_one(one, Tally(), [Ask(name)] * stays)
    before = place.counts()
    with offload.watch(port=server.port) as seen:
        together([*(functools.partial(leave, seed) for seed in range(CONNECTIONS)), stay],
                 WITHIN_S)
        lines = sorted(server.wait_log(FEW + stays, WITHIN_S))
    # the last of those whose clients have left may still be ending
    moved = offload.wait_counts(lambda counts: counts["live"] == 0)["moved"] - before["moved"]
    whole = [line for line in lines if int(line[2]) == size]
    assert len(whole) >= stays
    return [line[:2] for line in lines], seen["in"]["rst"], moved


@pytest.mark.parametrize("kind", SERVERS)
def test_downloads_that_are_left(place, kind):
    found = place.both(kind, functools.partial(ask_and_leave, place))
    (plain, plain_resets, _), (ours, resets, moved) = (found[mode] for mode in MODES)
    show(f"{kind}, {FEW} left", plain_resets=plain_resets, resets=resets, moved=moved)
    assert plain == ours
    assert moved > 1        # than the one that stays: some that left
    # a frame of a client that has gone may be answered by one, of whichever kernel
    assert resets <= plain_resets + max(2, FEW // 20)


# --- clients of others ----------------------------------------------------------------------------

def ask_with_curl(place, server, names):
    """Many files on each connection; what all of them wrote is compared."""
    want = hashlib.sha256()
    for name in names:
        want.update((place.site.root / name).read_bytes())
    urls = " ".join(server.url(name) for name in names)
    curls = [place.offload.net.client.popen(
        ["sh", "-c", f"curl --silent --show-error --fail {urls} | sha256sum"],
        stdout=subprocess.PIPE, text=True) for _ in range(CONNECTIONS)]
    for curl in curls:
        assert curl.communicate(timeout=WITHIN_S)[0].split()[0] == want.hexdigest()


@pytest.mark.parametrize("kind", SERVERS)
def test_wrk_and_curl(place, kind):
    with place.server(kind, MODES[1]) as server:
        with moving(place):
            ask_with_wrk(place, server, WRK_FILES, COUNT)
        names = random.Random(kind).choices(list(SHORT), k=FEW // CONNECTIONS)
        with moving(place):
            ask_with_curl(place, server, [max(SHORT, key=SHORT.get), *names])
