# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests ask of web servers that nobody changed: files, requests, and what is counted of it."""

import contextlib
import json
import os
import random
import signal
import sys
import time

import pytest

from hylab.fetch import Ask, Fetcher
from hylab.servers import KINDS, MODES, Site

FIRST_PORT = 8080
KB, MB = 1 << 10, 1 << 20
# Of long form: 10,000 requests of up to 1 GB for each server.
REQUESTS = int(os.environ.get("HYLICS_REQUESTS", "80"))
LONG = REQUESTS >= 1000
LARGE = MB          # from here on the host has to send nearly all
LEAST_SHARE = 0.95
SIZES = {"1k": KB, "3000": 3000, "16k": 16 * KB, "64k": 64 * KB + 1, "100k": 100000,
         "under": 128 * KB - 1, "threshold": 128 * KB, "300k": 300 * KB, "1m": MB, "1m1": MB + 1,
         "5m": 5 * MB + 17, "32m": 32 * MB}
HUGE = {"100m": 100 * MB, "1g": 1 << 30}
EMPTY = {"empty": 0}


class Served:
    """A guest with a site, whose servers have a port of their own each."""

    def __init__(self, offload):
        self.offload = offload
        self.site = Site(offload)
        self._port = FIRST_PORT

    @contextlib.contextmanager
    def server(self, kind, mode, **options):
        """One of the servers, on the next port."""
        if KINDS[kind].missing():
            pytest.skip(KINDS[kind].missing())
        self._port += 1
        server = self.site.start(kind, self._port, mode, **options)
        try:
            yield server
            assert server.process.alive(), server.errors()
        finally:
            server.process.kill(signal.SIGTERM)
            server.process.wait_end()

    def both(self, kind, ask, **options):
        """ask(server), plain and under Hylics: {mode: what it returned}."""
        found = {}
        for mode in MODES:
            with self.server(kind, mode, **options) as server:
                began = time.monotonic()
                found[mode] = ask(server)
                show(f"{kind} {mode}", seconds=round(time.monotonic() - began, 1))
        return found

    def counts(self):
        """The worker's, at rest."""
        return self.offload.settled()


def show(name, **figures):
    """Figures for who asks for them."""
    if "HYLICS_FIGURES" in os.environ:
        print(f"# {name}: {json.dumps(figures)}", file=sys.stderr)


def files(site, sizes=None):
    """Make them all."""
    for name, size in {**SIZES, **EMPTY, **(HUGE if LONG else {}), **(sizes or {})}.items():
        site.file(name, size)


def ranged(name, *pairs, method="GET", more=()):
    """A request for ranges; None is what is left out."""
    text = ",".join(f"{'' if first is None else first}-{'' if last is None else last}"
                    for first, last in pairs)
    return Ask(name, method, (("Range", f"bytes={text}"), *more))


def every_kind(site):
    """Requests of every kind that servers answer from files."""
    for name, size in {**SIZES, **EMPTY}.items():
        yield Ask(name)
        yield Ask(name, "HEAD")
        if not size:
            continue
        yield ranged(name, (0, 99))
        yield ranged(name, (size // 3, size // 2))
        yield ranged(name, (None, size // 4))
        yield ranged(name, (size // 2, None))
        yield ranged(name, (size, size + 5))
        yield ranged(name, (0, size // 8), (size // 2, size // 2 + size // 4), (size - 7, None))
        yield ranged(name, (0, size // 4), method="HEAD")
    yield ranged("5m", *((at * 400 * KB, at * 400 * KB + 300 * KB) for at in range(9)))
    yield Ask("there-is-none")
    yield Ask("1m", "DELETE")


def conditional(name, tag, date):
    """Requests that depend on what the client has, with the tag and the date of the file."""
    old = "Sat, 01 Jan 2000 00:00:00 GMT"
    for header, value in (("If-None-Match", tag), ("If-None-Match", '"none"'),
                          ("If-Modified-Since", date), ("If-Modified-Since", old),
                          ("If-Match", tag), ("If-Match", '"none"'), ("If-Unmodified-Since", old)):
        yield Ask(name, headers=((header, value),))
    for value in (tag, '"none"', date):
        yield ranged(name, (MB // 2, None), more=(("If-Range", value),))


def mixed(count, seed, sizes=None):
    """Files of all sizes by chance, the larger the more seldom; every size at least once."""
    chance = random.Random(seed)
    sizes = sizes or {**SIZES, **(HUGE if LONG else {})}
    weights = [1 / max(size, 64 * KB) for size in sizes.values()]
    names = list(sizes)
    for name in names + chance.choices(names, weights, k=max(0, count - len(names))):
        yield Ask(name) if chance.random() < 0.8 else some_range(chance, name, sizes[name])


def some_range(chance, name, size):
    """One range of a file, anywhere."""
    first = chance.randrange(size)
    return ranged(name, (first, chance.choice((None, chance.randrange(first, size)))))


class Tally:
    """What was asked and came, over many connections."""

    def __init__(self):
        self.answers = []

    def took(self, answer):
        """An answer is whole."""
        self.answers.append(answer)
        return answer

    @property
    def large_bytes(self):
        """Bytes of bodies of large files that came in pieces large enough to be moved."""
        return sum(answer.file_bytes for answer in self.answers if answer.file_bytes >= LARGE)

    @property
    def small_bytes(self):
        """Other bytes of files."""
        return sum(answer.file_bytes for answer in self.answers if answer.file_bytes < LARGE)

    def told(self):
        """All answers without what is another each time."""
        return [answer.told() for answer in self.answers]

    def log(self):
        """What an access log has to say of it, but for the order."""
        return sorted((answer.ask.method, answer.ask.name, str(answer.status))
                      for answer in self.answers)


def volumes(tallies, before, after):
    """Bytes of files that came, and how many the host sent by its counts before and after."""
    return {"answers": sum(len(tally.answers) for tally in tallies),
            "large_bytes": sum(tally.large_bytes for tally in tallies),
            "small_bytes": sum(tally.small_bytes for tally in tallies),
            "by_host": after["bytes_file"] - before["bytes_file"],
            "moved": after["moved"] - before["moved"]}


def is_nearly_all_by_host(sent):
    """Of large files, even if the host had sent all of the small ones."""
    return sent["by_host"] - sent["small_bytes"] >= LEAST_SHARE * sent["large_bytes"]


@contextlib.contextmanager
def asking(offload, server, site, **options):
    """A connection of the client."""
    with Fetcher(offload.net.client, server, site.root, **options) as one:
        yield one


def one_by_one(one, tally, asks):
    """Each request when the answer before it has come."""
    for ask in asks:
        tally.took(one.fetch(ask))


def pipelined(one, tally, asks):
    """All requests in one write, then all answers."""
    asks = list(asks)
    one.send(*asks)
    for ask in asks:
        tally.took(one.take(ask))


def each_alone(offload, server, site, tally, asks):
    """A connection for each request: nginx closes, unannounced, behind some of its answers."""
    for ask in asks:
        with asking(offload, server, site) as one:
            tally.took(one.fetch(ask))
