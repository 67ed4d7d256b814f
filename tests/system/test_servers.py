# SPDX-License-Identifier: GPL-2.0-or-later
"""Web servers that nobody changed, under `hylics-guest run` and plain: clients see the same.

Each server is asked the same twice, and every byte is compared with the files. The guest is a
namespace.

HYLICS_REQUESTS=10000: so many requests of 1 KB to 1 GB for each server.
HYLICS_FIGURES=1: counts on standard error.
"""

import collections
import contextlib
import functools
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest
from asking import (KB, LONG, MB, REQUESTS, SIZES, Served, Tally, asking, conditional, each_alone,
                    every_kind, files, is_nearly_all_by_host, mixed, one_by_one, pipelined, show,
                    volumes)

from hylab import wall
from hylab.fetch import Ask, Cut, together
from hylab.net import Net
from hylab.offload import Offload
from hylab.servers import KINDS, MODES
from hylab.wait import PATIENCE_S, wait_for

CONNECTIONS = 4
ANEW = 100
SHARE_BYTES = 3 << 30 if LONG else 1 << 30
LIMIT_S = 2             # the shortest that all servers can be told
CLOCK_S = 0.5           # how far a server's own clock may lag behind
TICKS = 3               # of lighttpd, which looks around once a second
# A client that stops here has taken less than a server may have in its socket.
STOP_AT = 300 * KB
SMALL_WINDOW = 64 * KB
WITHIN_S = 3000 if LONG else 120
WRK_ANSWERS = REQUESTS if LONG else 300
WRK_FILES = ("3000", "100k", "300k", "1m1")


class Place(Served):
    """The guest and its site, for all tests of the file."""

    def __init__(self, stack):
        net = stack.enter_context(Net.bridge_uplink(spaces=1))
        super().__init__(stack.enter_context(Offload(net, net.guests[0],
                                                     share_bytes=SHARE_BYTES)))
        files(self.site)


@pytest.fixture(name="place", scope="module")
def _place():
    wall.require()
    with contextlib.ExitStack() as stack:
        yield Place(stack)


def there(kinds=KINDS):
    """The servers that can be started here."""
    found = [kind for kind in kinds if not KINDS[kind].missing()]
    if not found:
        pytest.skip("; ".join(filter(None, (KINDS[kind].missing() for kind in kinds))))
    return found


def logged(server, answers):
    """Its access log, sorted; complete, and its bytes are those that came."""
    found = server.wait_log(len(answers))
    assert len(found) == len(answers), found[-3:]
    came = sorted((f"GET /{answer.ask.name} HTTP/1.1", str(answer.status), str(answer.body_bytes))
                  for answer in answers if answer.ask.method == "GET" and answer.status < 300)
    wanted = set(came)
    assert sorted(line for line in found if line in wanted) == came
    # several ranges: apache's boundaries are not always of the same length
    return sorted(line if line[1] != "206" else line[:2] for line in found)


# --- bytes, heads, logs -------------------------------------------------------------------------

def ask_every_kind(place, server):
    """Requests of every kind, one after the other, each alone, and in one write."""
    tally, offload, site = Tally(), place.offload, place.site
    with offload.watch(port=server.port) as seen:
        with asking(offload, server, site) as one:
            one_by_one(one, tally, every_kind(site))
            head = tally.took(one.fetch(Ask("1m", "HEAD"))).headers
            assert one.quiet()
        each_alone(offload, server, site, tally,
                   conditional("1m", head["etag"], head["last-modified"]))
        for seed in range(3):
            with asking(offload, server, site) as one:
                pipelined(one, tally, mixed(20, seed, {name: size for name, size in SIZES.items()
                                                       if size < 6 * MB}))
                assert one.quiet()
        each_alone(offload, server, site, tally,
                   [Ask(name, headers=(("Connection", "close"),)) for name in ("1k", "5m", "32m")])
    assert seen["complete"]
    return tally.told(), logged(server, tally.answers), {
        way: seen[way]["rst"] for way in ("in", "out")}


@pytest.mark.parametrize("kind", KINDS)
def test_answers_of_every_kind(place, kind):
    found = place.both(kind, functools.partial(ask_every_kind, place))
    for plain, ours in zip(*(found[mode] for mode in MODES)):
        assert plain == ours


def resets_of(node):
    """Connections that were reset there, and resets that left it; the kernel misses none."""
    rows = [line.split() for line in node.run(["cat", "/proc/net/snmp"]).stdout.splitlines()
            if line.startswith("Tcp:")]
    counts = dict(zip(*rows))
    return collections.Counter({name: int(counts[name]) for name in ("EstabResets", "OutRsts")})


def ask_mixed(place, server):
    """Mixed sizes on connections that stay; what came and went out."""
    tallies = [Tally() for _ in range(CONNECTIONS)]

    def run(seed):
        asks = list(mixed(REQUESTS // CONNECTIONS, seed))
        # two clients stay to the end; the others come anew now and then
        each = ANEW if seed % 2 else len(asks)
        for begin in range(0, len(asks), each):
            with asking(place.offload, server, place.site) as one:
                one_by_one(one, tallies[seed], asks[begin:begin + each])
                assert one.quiet()
    client = place.offload.net.client
    before, resets = place.counts(), resets_of(client)
    with place.offload.watch(port=server.port) as seen:
        together([functools.partial(run, seed) for seed in range(CONNECTIONS)], WITHIN_S)
    after, resets = place.counts(), resets_of(client) - resets
    told = [tally.told() for tally in tallies]
    lines = logged(server, [answer for tally in tallies for answer in tally.answers])
    # of gigabytes the watch may miss some: the client's kernel counts as well
    return told, lines, [seen[way]["rst"] for way in ("in", "out")] + list(resets.values()), {
        "watched": seen["complete"], **volumes(tallies, before, after)}


@pytest.mark.parametrize("kind", KINDS)
def test_mixed_sizes_on_connections_that_stay(place, kind):
    """As plain, and nearly all bytes of large files are sent by the host."""
    found = place.both(kind, functools.partial(ask_mixed, place))
    plain, ours = (found[mode] for mode in MODES)
    assert plain[:3] == ours[:3]
    assert not any(plain[2])
    assert plain[3]["by_host"] == 0
    sent = ours[3]
    show(f"{kind}, mixed", **sent)
    assert is_nearly_all_by_host(sent), sent


@pytest.mark.parametrize("kind", ["worker", "event"])
def test_threads_that_may_not_be_looked_at(place, kind):
    """As installed: what is refused for them is tried again, and moved in the end."""
    with place.server(kind, MODES[1], looked_at=False) as server:
        before = place.counts()["moved"]
        tally = Tally()

        def moved():
            with asking(place.offload, server, place.site) as one:
                one_by_one(one, tally, [Ask("5m")] * 4)
            return place.counts()["moved"] != before
        wait_for(moved, f"a connection of {kind} is moved")
        assert len(logged(server, tally.answers)) == len(tally.answers)


# --- clients that do not behave -------------------------------------------------------------------

def ask_and_leave(place, server):
    """Downloads that end in the middle, in both ways, beside one that does not."""
    offload, site, got = place.offload, place.site, []

    def leave(at, reset):
        with asking(offload, server, site) as one:
            ask = Ask("32m")
            one.send(ask)
            answer = one.begin(ask)
            one.go_on(answer, at)
            got.append(answer.body_bytes)
            if reset:
                one.reset()

    def stay():
        tally = Tally()
        with asking(offload, server, site) as one:
            one_by_one(one, tally, [Ask("32m")] * 3)
    jobs = [functools.partial(leave, at, reset) for reset in (False, True)
            for at in (1, 100 * KB, 700 * KB, 3 * MB, 20 * MB)]
    with offload.watch(port=server.port) as seen:
        together([*jobs, stay])
        lines = sorted(server.wait_log(len(jobs) + 3))
        assert len(lines) == len(jobs) + 3
        if server.mode != "plain":
            offload.wait_counts(lambda counts: counts["live"] == 0)
    assert seen["complete"]
    sizes = sorted(int(size) for _, _, size in lines)
    # of who left a server counts what the client has taken, and what was under way
    assert sizes[-3:] == [SIZES["32m"]] * 3
    return [(line, status) for line, status, _ in lines], seen["in"]["rst"]


@pytest.mark.parametrize("kind", KINDS)
def test_downloads_that_are_left(place, kind):
    found = place.both(kind, functools.partial(ask_and_leave, place))
    plain, ours = (found[mode] for mode in MODES)
    assert plain == ours


def sockets_of(server):
    """The sockets of a server's processes."""
    found = set()
    for pid in server.pids():
        for path in pathlib.Path(f"/proc/{pid}/fd").glob("*"):
            with contextlib.suppress(OSError):      # a process or number that is no more
                found.add(os.readlink(path))
    return {name for name in found if name.startswith("socket:")} - to_agents(server)


def to_agents(server):
    """Sockets between the guest's programs and its agent."""
    text = pathlib.Path(f"/proc/{server.process.pid}/net/unix").read_text(encoding="utf-8")
    rows = [line.split() for line in text.splitlines()[1:]]
    return {f"socket:[{row[6]}]" for row in rows if int(row[4], 16) == socket.SOCK_SEQPACKET}


def stop_reading(stack, place, server, name="32m"):
    """A client that takes the beginning of a large file and then nothing; (client, answer)."""
    one = stack.enter_context(asking(place.offload, server, place.site, rcvbuf=SMALL_WINDOW))
    ask = Ask(name)
    one.send(ask)
    answer = one.begin(ask)
    one.go_on(answer, STOP_AT)
    return one, answer


def left_after(place, server):
    """How long a server keeps a client that takes nothing; the client sees that it was left.

    From the request, which is before the server's last byte, and from when the client took nothing.
    """
    with contextlib.ExitStack() as stack:
        before = sockets_of(server)
        asked = time.monotonic()
        one, answer = stop_reading(stack, place, server)
        stopped = time.monotonic()
        wait_for(lambda: sockets_of(server) <= before, f"{server.kind} leaves a client")
        left = time.monotonic()
        with contextlib.suppress(Cut):
            one.go_on(answer)
        assert STOP_AT <= answer.body_bytes < SIZES["32m"], (
            server.kind, server.mode, left - asked, server.log(), server.errors())
        return left - asked, left - stopped


def test_a_client_that_takes_nothing_is_left_at_the_same_time(place):
    """Every server, plain and under Hylics, all at once."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(place.server(kind, mode, limit_s=LIMIT_S))
                   for kind in there() for mode in MODES]
        took = together([functools.partial(left_after, place, server) for server in servers])
    for server, (at_most, at_least) in zip(servers, took):
        show(f"{server.kind} {server.mode}, left", seconds=round(at_least, 2))
        assert at_most >= LIMIT_S - CLOCK_S, (server.kind, server.mode)
        assert at_least < LIMIT_S + PATIENCE_S / 2, (server.kind, server.mode)


def served_slowly(place, server):
    """A client that never stops for long is served to the end."""
    with asking(place.offload, server, place.site, rcvbuf=SMALL_WINDOW) as one:
        ask = Ask("5m")
        one.send(ask)
        answer = one.begin(ask)
        one.take_slowly(answer, MB)
        assert answer.file_bytes == SIZES["5m"]


def test_a_slow_client_is_served(place):
    """It takes longer than the time limit, and never stops for as long as that."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(place.server(kind, mode, limit_s=LIMIT_S))
                   for kind in there() for mode in MODES]
        together([functools.partial(served_slowly, place, server) for server in servers])


# --- doing nothing ------------------------------------------------------------------------------

class Calls:
    """System calls of a server's processes."""

    def __init__(self, stack, server, path):
        self._path = path
        pids = [word for pid in server.pids() for word in ("-p", str(pid))]
        self._strace = subprocess.Popen(["strace", "-f", "-o", str(path), *pids],
                                        stderr=subprocess.PIPE, text=True)
        stack.callback(self._strace.stderr.close)
        stack.callback(self.stop)
        for _ in server.pids():
            said = self._strace.stderr.readline()
            assert "attached" in said, said

    def stop(self):
        """Leave the server as it was."""
        self._strace.send_signal(signal.SIGINT)
        self._strace.wait()

    def count(self):
        """Begun and not interrupted by the attaching itself."""
        return len(self._path.read_text(encoding="utf-8", errors="replace").splitlines())


@pytest.mark.skipif(not os.access("/usr/bin/strace", os.X_OK), reason="strace is not installed")
def test_waiting_for_clients_takes_no_system_calls(place, tmp_path):
    """A client that takes nothing, and one that asks nothing after an answer."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(place.server(kind, mode))
                   for kind in there() for mode in MODES]
        for server in servers:
            idle = stack.enter_context(asking(place.offload, server, place.site))
            idle.fetch(Ask("5m"))
            stop_reading(stack, place, server)
        place.counts()      # at rest
        calls = [Calls(stack, server, tmp_path / str(server.port)) for server in servers]
        time.sleep(TICKS)
        for count in calls:
            count.stop()
    found = collections.defaultdict(dict)
    for server, count in zip(servers, calls):
        found[server.kind][server.mode] = count.count()
    show("system calls while waiting", **found)
    for kind, counts in found.items():
        plain, ours = (counts[mode] for mode in MODES)
        assert ours <= 2 * plain + 20, (kind, counts)


# --- clients of others ----------------------------------------------------------------------------

def ask_with_wrk(place, server, names=WRK_FILES, least=WRK_ANSWERS):
    """wrk, which compares every byte, until it has had so many answers."""
    paths = [place.site.root / name for name in names]
    wrk = place.offload.net.client.popen(
        ["wrk", "--threads", 2, "--connections", 10, "--duration", "10m", "--timeout", "10m",
         "--script", pathlib.Path(__file__).with_name("wrk.lua"), server.url(), "--", *paths],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    server.wait_log(least, WITHIN_S)
    wrk.send_signal(signal.SIGINT)      # it says what it has seen, and leaves in the middle
    said = wrk.communicate(timeout=PATIENCE_S)[0]
    assert "errors" not in said and "Non-2xx" not in said, said
    answers, *bad = map(int, re.search(r"^result (.*)$", said, re.MULTILINE)[1].split())
    assert answers >= least and not any(bad), said


@contextlib.contextmanager
def moving(place):
    """What is done meanwhile moves a connection."""
    before = place.counts()["moved"]
    yield
    place.offload.wait_counts(lambda counts: counts["moved"] > before)


@pytest.mark.parametrize("kind", KINDS)
def test_wrk(place, kind):
    with place.server(kind, MODES[1]) as server, moving(place):
        ask_with_wrk(place, server)


def ask_with_curl(place, server, directory):
    """curl, several files at once; each is compared."""
    names = ["3000", "300k", "1m1", "5m", "32m"]
    for name in names:
        (directory / name).unlink(missing_ok=True)
    config = "".join(f'url = "{server.url(name)}"\noutput = "{directory / name}"\n'
                     for name in names)
    place.offload.net.client.run(["curl", "--silent", "--show-error", "--fail", "--parallel",
                                  "--config", "-"], stdin=config)
    for name in names:
        assert (directory / name).read_bytes() == (place.site.root / name).read_bytes(), name
    # the second half again, behind the first
    half = directory / "half"
    half.write_bytes((directory / "32m").read_bytes()[:16 * MB])
    place.offload.net.client.run(["curl", "--silent", "--show-error", "--fail", "--continue-at",
                                  "-", "--output", half, server.url("32m")])
    assert half.read_bytes() == (directory / "32m").read_bytes()
    old = place.offload.net.client.run(["curl", "--silent", "--http1.0", "--output",
                                        directory / "old", "--write-out", "%{http_code}",
                                        server.url("5m")]).stdout
    assert old == "200"
    assert (directory / "old").read_bytes() == (directory / "5m").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_curl(place, kind, tmp_path):
    with place.server(kind, MODES[1]) as server, moving(place):
        ask_with_curl(place, server, tmp_path)


FFMPEG = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin"]


def make_film(directory):
    """A few seconds of a picture that moves, in segments that are large enough to be moved."""
    if not os.access("/usr/bin/ffmpeg", os.X_OK):
        pytest.skip("ffmpeg is not installed")
    subprocess.run([*FFMPEG, "-f", "lavfi", "-i", "testsrc2=size=960x540:rate=25", "-t", "2",
                    "-codec:v", "mpeg2video", "-qscale:v", "2", "-f", "hls", "-hls_time", "1",
                    "-hls_list_size", "0", directory / "film.m3u8"], check=True)
    sizes = [path.stat().st_size for path in directory.glob("film*.ts")]
    assert len(sizes) > 1 and min(sizes) > 256 * KB, sizes


def played(node, where):
    """The checksum of each picture as ffmpeg shows it."""
    done = node.run([*FFMPEG, "-i", where, "-f", "framemd5", "-"])
    assert not done.stderr, done.stderr
    return done.stdout


def test_ffmpeg_plays_a_playlist(place):
    make_film(place.site.root)
    node = place.offload.net.client
    want = played(node, place.site.root / "film.m3u8")
    assert len(want.splitlines()) > 40
    for kind in there(KINDS if LONG else ("lighttpd", "nginx", "event")):
        with place.server(kind, MODES[1]) as server, moving(place):
            assert played(node, server.url("film.m3u8")) == want, kind
