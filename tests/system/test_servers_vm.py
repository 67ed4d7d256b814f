# SPDX-License-Identifier: GPL-2.0-or-later
"""lighttpd in a real VM under `hylics-guest run`: its files are sent by the host. One boot.

HYLICS_REQUESTS=1000: so many requests.
"""

import functools

import pytest
from asking import (KB, LEAST_SHARE, LONG, MB, REQUESTS, Tally, asking, conditional, each_alone,
                    mixed, one_by_one, pipelined, ranged)

from hylab import wall
from hylab.fetch import Ask, together
from hylab.offload_vm import Machine, OffloadVm
from hylab.servers import KINDS, MODES, Site

PORT = 8080
CONNECTIONS = 4
SIZES = {"1k": KB, "16k": 16 * KB, "100k": 100000, "threshold": 128 * KB, "300k": 300 * KB,
         "1m1": MB + 1, "4m": 4 * MB}
COUNT = REQUESTS if LONG else 40


@pytest.fixture(name="machine", scope="module")
def _machine():
    wall.require()
    if KINDS["lighttpd"].missing():
        pytest.skip(KINDS["lighttpd"].missing())
    with Machine() as machine:
        yield machine


def every_kind():
    """A request of each kind, of a file that is moved."""
    name, size = "1m1", SIZES["1m1"]
    return [Ask(name), Ask(name, "HEAD"), ranged(name, (size // 3, None)), ranged(name, (None, 7)),
            ranged(name, (0, 300 * KB), (500 * KB, 900 * KB)), ranged(name, (size, None)),
            Ask("there-is-none"), Ask("1k")]


def ask_all(offload, server, site):
    """Requests of every kind, then mixed ones on connections that stay."""
    tallies = [Tally() for _ in range(CONNECTIONS + 1)]
    first = tallies[CONNECTIONS]

    def run(seed):
        with asking(offload, server, site) as one:
            one_by_one(one, tallies[seed], mixed(COUNT // CONNECTIONS, seed, SIZES))
    with asking(offload, server, site) as one:
        one_by_one(one, first, every_kind())
        pipelined(one, first, mixed(8, 8, SIZES))
        tag = first.answers[0].headers
    each_alone(offload, server, site, first, conditional("1m1", tag["etag"], tag["last-modified"]))
    before = offload.settled()
    with offload.watch(port=server.port) as seen:
        together([functools.partial(run, seed) for seed in range(CONNECTIONS)], 900)
    sent = offload.settled()["bytes_file"] - before["bytes_file"]
    told = [tally.told() for tally in tallies]
    return {"told": told, "log": sorted(server.wait_log(sum(map(len, told)))),
            "rst": [seen[way]["rst"] for way in ("in", "out")], "by_host": sent,
            "large": sum(tally.large_bytes for tally in tallies[:-1]),
            "small": sum(tally.small_bytes for tally in tallies[:-1])}


def test_answers_and_log_are_as_plain_and_the_host_sends(machine):
    with OffloadVm(machine) as offload:
        site = Site(offload)
        for name, size in SIZES.items():
            site.file(name, size)
        found = {}
        for port, mode in enumerate(MODES, PORT):
            server = site.start("lighttpd", port, mode)
            found[mode] = ask_all(offload, server, site)
            assert server.stop() == 0
    plain, ours = (found[mode] for mode in MODES)
    for what in ("told", "log", "rst"):
        assert plain[what] == ours[what], what
    assert plain["rst"] == [0, 0]
    assert plain["by_host"] == 0
    assert ours["by_host"] - ours["small"] >= LEAST_SHARE * ours["large"]
