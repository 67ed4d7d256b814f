# SPDX-License-Identifier: GPL-2.0-or-later
"""The preload under programs that nobody changed: bytes, moves, and what it costs not to move.

Costs are counted for so many requests and for twice as many, plain and preloaded: the difference of
the differences has nothing of the start in it.
"""

import contextlib
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from hylab import BUILD, wall
from hylab.channel import program
from hylab.net import Net
from hylab.offload import Offload
from hylab.servers import KINDS, Site

PORT = 8080
SIZES = {"large": 3 << 20, "threshold": 128 << 10, "below": (128 << 10) - 1, "small": 5000}
MOVED = {"large", "threshold"}
SHORT_BYTES = 60000
REQUESTS = 200
INSTRUCTIONS_MAX = 200  # of read, fstat, two setsockopt, writev and sendfile
THREADS = [[], ["thread"]]  # with a second one each read and sendfile counts itself
PATIENCE_S = 120
PRELOAD = BUILD / "preload/libhylics-preload.so"
SERVER = pathlib.Path(__file__).with_name("preload_server.py")

# Server and client of short files in one process of one thread, so that every run is the same.
ASKS = r"""
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char buf[1 << 20];

static void *rest(void *arg)
{
	pause();
	return arg;
}

static int answer(int client, int server, const char *path)
{
	struct iovec head = { .iov_base = "head", .iov_len = 4 };
	int on = 1, off = 0, file;
	struct stat st;
	off_t at = 0;

	struct iovec line = { .iov_base = "GET", .iov_len = 3 };
	struct mmsghdr get = { .msg_hdr = { .msg_iov = &line, .msg_iovlen = 1 } };

	struct iovec all = { .iov_base = buf };
	struct mmsghdr got = { .msg_hdr = { .msg_iov = &all, .msg_iovlen = 1 } };

	/* the client by calls that are nobody's but the kernel's: its part is not the server's */
	if (sendmmsg(client, &get, 1, 0) != 1 || read(server, buf, 3) != 3)
		return 1;
	file = open(path, O_RDONLY);
	fstat(file, &st);
	setsockopt(server, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
	writev(server, &head, 1);
	if (sendfile(server, file, &at, st.st_size) != st.st_size)
		return 1;
	setsockopt(server, IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
	close(file);
	all.iov_len = st.st_size + 4;
	return recvmmsg(client, &got, 1, MSG_WAITALL, NULL) != 1 || got.msg_len != all.iov_len;
}

/* A long call, which is not moved either, as this is no TCP: but now the agent is known. */
static void join(const char *path)
{
	int pair[2], file = open(path, O_RDONLY);
	off_t at = 0;

	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
	sendfile(pair[0], file, &at, sizeof(buf));
	close(file);
	close(pair[0]);
	close(pair[1]);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0), client, server, rc = 0;
	pthread_t thread;

	bind(listener, (struct sockaddr *)&at, len);
	listen(listener, 1);
	getsockname(listener, (struct sockaddr *)&at, &len);
	client = socket(AF_INET, SOCK_STREAM, 0);
	connect(client, (struct sockaddr *)&at, len);
	server = accept(listener, NULL, NULL);
	if (argc > 4)
		pthread_create(&thread, NULL, rest, NULL);
	join(argv[3]);
	for (int i = atoi(argv[2]); i > 0; i--)
		rc |= answer(client, server, argv[1]);
	return rc;
}
"""

pytestmark = pytest.mark.skipif(b"__asan_init" in PRELOAD.read_bytes(), reason="sanitized")


class Place:
    """A guest with files of all sizes."""

    def __init__(self, stack):
        self.net = stack.enter_context(Net.bridge_uplink(spaces=1))
        self.offload = stack.enter_context(Offload(self.net, self.net.guests[0]))
        self.site = Site(self.offload)
        for name, size in SIZES.items():
            self.site.file(name, size)
        self.site.file("short", SHORT_BYTES)
        self.short, self.large = self.site.root / "short", self.site.root / "large"
        self.asks = self._build()

    def _build(self):
        source = self.offload.directory / "asks.c"
        source.write_text(ASKS, encoding="ascii")
        subprocess.run(["cc", "-O1", "-pthread", "-o", source.with_suffix(""), source], check=True,
                       timeout=PATIENCE_S)
        return source.with_suffix("")

    def get(self, port, names, *options):
        """Files over one connection by curl; whether all are right."""
        out = self.offload.directory / "got"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        argv = ["curl", "--silent", "--show-error", "--fail", *options]
        for i, name in enumerate(names):
            argv += [f"http://{self.offload.where(port)}/{name}", "--output", out / str(i)]
        self.net.client.run(argv, timeout_s=PATIENCE_S)
        return all((out / str(i)).read_bytes() == (self.site.root / name).read_bytes()
                   for i, name in enumerate(names))

    def moved(self):
        """Connections so far."""
        return self.offload.settled()["moved"]

    def in_guest(self, *command, preload=True, **environment):
        """Run a program there."""
        environment |= self.offload.environment
        if preload:
            environment["LD_PRELOAD"] = str(PRELOAD)
        return self.offload.guest.node.run(
            ["env", *(f"{key}={value}" for key, value in environment.items()), *command],
            timeout_s=PATIENCE_S)


@pytest.fixture(name="place", scope="module")
def _place():
    wall.require()
    with contextlib.ExitStack() as stack:
        yield Place(stack)


@contextlib.contextmanager
def python_server(place, port):
    """The server that nobody changed."""
    argv = ["env", *(f"{k}={v}" for k, v in place.offload.environment.items()),
            program("hylics-guest"), "run", "--", sys.executable, str(SERVER),
            str(place.site.root), str(port)]
    with subprocess.Popen([*place.offload.guest.node.prefix(), *argv], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        try:
            assert server.stdout.readline() == "ready\n", server.stderr.read()
            yield server
        finally:
            server.kill()


def check_downloads(place, port):
    """Bytes of all sizes, and which connections were moved: one that sends a long file, once."""
    before = place.moved()
    for name in set(SIZES) - MOVED:
        assert place.get(port, [name])
    assert place.moved() == before
    for name in MOVED:
        assert place.get(port, [name])
    assert place.get(port, ["small", "large", "below", "large", "small", "threshold"])
    assert place.moved() == before + len(MOVED) + 1


def test_a_python_program(place):
    with python_server(place, PORT):
        check_downloads(place, PORT)


def test_lighttpd(place):
    if KINDS["lighttpd"].missing():
        pytest.skip(KINDS["lighttpd"].missing())
    server = place.site.start("lighttpd", PORT + 1, "hylics")
    check_downloads(place, PORT + 1)
    server.process.kill()


def system_calls(place, requests, *options, preload=True):
    """{name: how often} of a program that answers so many requests."""
    out = place.offload.directory / "calls"
    place.in_guest("strace", "-c", "-o", out, "-E", f"LD_PRELOAD={PRELOAD if preload else ''}",
                   place.asks, place.short, requests, place.large, *options, preload=False)
    rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", out.read_text(),
                      re.MULTILINE)
    return {name: int(count) for count, name in rows if name != "total"}


@pytest.mark.parametrize("options", THREADS)
def test_a_request_below_the_threshold_costs_no_system_call(place, options):
    if not shutil.which("strace"):
        pytest.skip("no strace")
    per_request = {}
    for preload in (False, True):
        once = system_calls(place, REQUESTS, *options, preload=preload)
        twice = system_calls(place, 2 * REQUESTS, *options, preload=preload)
        assert twice["sendfile"] - once["sendfile"] == REQUESTS
        per_request[preload] = {name: count - once.get(name, 0) for name, count in twice.items()
                                if count != once.get(name, 0)}
    assert per_request[True] == per_request[False]


def instructions(place, requests, *options, preload=True):
    """Of a program that answers so many requests."""
    out = place.offload.directory / "instructions"
    place.in_guest("valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}",
                   place.asks, place.short, requests, place.large, *options, preload=preload)
    return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)[1])


@pytest.mark.parametrize("options", THREADS)
def test_a_request_below_the_threshold_costs_few_instructions(place, options):
    if not shutil.which("valgrind"):
        pytest.skip("no valgrind")
    cost = {preload: instructions(place, 2 * REQUESTS, *options, preload=preload) -
            instructions(place, REQUESTS, *options, preload=preload)
            for preload in (False, True)}
    more = (cost[True] - cost[False]) / REQUESTS
    print(f"# {more:.1f} instructions more for each request")
    assert 0 < more <= INSTRUCTIONS_MAX, cost
