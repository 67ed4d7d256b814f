# SPDX-License-Identifier: GPL-2.0-or-later
"""The byte-checking client, server and watch: right bytes pass, and nothing wrong passes."""

import contextlib
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

import hylab
import pytest
from wiring import PATIENCE_S, Wire, socket_in

from hylab import net as lab_net

PROGRAM = pathlib.Path(os.environ.get("HYLICS_BUILD", hylab.BUILD)) / "hylics-talk"
PORT = 8080
FILE_BYTES = 3_000_001
KINDS = {"blocking": (), "epoll": ("--nonblock", "--threads", "2")}
WRONGS = ("bytes_wrong", "bytes_extra", "uploads_wrong", "resets", "early_fins", "stuck",
          "connect_failures", "other_errors")
MIXED = ("--head", "0-5K", "--offset", "0-1M", "--bytes", "0-1M", "--tail", "0-5K",
         "--upload", "0-100K", "--slice", "0-300K")


class Started:
    """A verb that says it is ready, and tells what it counted when it is ended."""

    def __init__(self, node, *words):
        self.process = node.popen([PROGRAM, *words], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.said = self.process.stdout.readline().split()
        if self.said[:1] != ["ready"]:
            raise AssertionError(f"not ready: {self.process.communicate()[1]}")

    def end(self):
        """The counts."""
        self.process.send_signal(signal.SIGTERM)
        return self.result()

    def result(self):
        """The counts of one that ends by itself."""
        out, err = self.process.communicate(timeout=PATIENCE_S)
        assert (self.process.returncode, err) == (0, "")
        return json.loads(out)


class Place:
    """Client and host, and the same file for both."""

    def __init__(self, net, path):
        self.net, self.path = net, path

    def server(self, *options, listen=None):
        """A running server at the host."""
        return Started(self.net.host, "server", "--listen", listen or f"{self.net.host.v4}:{PORT}",
                       "--file", self.path, *options)

    def client(self, *options, connect=None, path=None, stuck="20s"):
        """(exit code, report) of a client that ran to its end."""
        done = self.net.client.run(
            [PROGRAM, "client", "--connect", connect or f"{self.net.host.v4}:{PORT}",
             "--file", path or self.path, "--stuck-after", stuck, *options],
            timeout_s=PATIENCE_S, check=False)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def watch(self, *options):
        """A running watch at the client's interface."""
        return Started(self.net.client, "watch", "--interface", "client0", "--port", PORT,
                       *options)

    @contextlib.contextmanager
    def bad_wire(self, directory, *options):
        """The gap of the net bridged by a wire that is as bad as the options say."""
        with Wire(self.net.wire, directory, *options) as wire:
            yield wire


@pytest.fixture(name="path", scope="module")
def _path(tmp_path_factory):
    path = tmp_path_factory.mktemp("talk") / "file"
    path.write_bytes(random.Random(11).randbytes(FILE_BYTES))
    return path


@pytest.fixture(name="place")
def _place(wall, path):
    assert wall
    with lab_net.Net.routed_tap() as net:
        yield Place(net, path)


@pytest.fixture(name="gap")
def _gap(wall, path):
    assert wall
    with lab_net.Net.routed_tap(wire=True) as net:
        yield Place(net, path)


def all_right(report):
    """Whether a report tells of nothing wrong."""
    return report["good"] and not any(report[name] for name in WRONGS) and \
        report["requests_done"] + report["aborted"] == report["requests_wanted"]


def only(report, name):
    """The count of one kind of wrong; there must be no other."""
    assert not report["good"]
    assert {other: report[other] for other in WRONGS if other != name and report[other]} == {}
    return report[name]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("when", ("before", "during"))
def test_right_bytes_pass(place, kind, when):
    server = place.server(*KINDS[kind])
    watch = place.watch()
    code, report = place.client("-c", 10, "-n", 8, "--upload-when", when, *MIXED)
    seen, told = watch.end(), server.end()
    assert code == 0 and all_right(report), report
    assert report["requests_done"] == 80 and report["connections"] == 10
    assert report["first_byte"]["seen"] == report["response"]["seen"] == 80
    assert told["requests"] == 80 and told["bytes_sent"] == report["bytes"]
    assert told["upload_bytes"] == report["upload_bytes"] > 0
    assert told["offset_wrong"] == told["upload_bytes_wrong"] == told["bad_requests"] == 0
    assert seen["complete"]
    assert (seen["in"]["syn"], seen["out"]["syn"]) == (10, 10)
    assert (seen["in"]["fin"], seen["out"]["fin"]) == (10, 10)
    assert (seen["in"]["rst"], seen["out"]["rst"]) == (0, 0)
    # what is seen again is no new byte
    assert seen["in"]["payload_bytes"] >= report["bytes"]
    if not seen["in"]["retransmitted"]:
        assert seen["in"]["payload_bytes"] == report["bytes"]
        assert seen["in"]["segments"] >= report["bytes"] // 1448


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", (
    ("--half-close", "--upload", "50K"), ("--close-after", "--cork"),
    ("--nodelay", "--think", "5ms"),
    ("--bytes", "0"), ("--stall", "50ms"), ("--read-rate", "20M", "--rcvbuf", "20000")), ids=str)
def test_ways_of_a_client(place, kind, options):
    server = place.server(*KINDS[kind])
    code, report = place.client("-c", 3, "-n", 3, *options)
    told = server.end()
    assert code == 0 and all_right(report), report
    assert report["requests_done"] == told["requests"] == 9
    own = "--half-close" in options or "--close-after" in options
    assert report["connections"] == (9 if own else 3)


@pytest.mark.parametrize("kind", KINDS)
def test_slow_reader_blocks_the_server(place, kind):
    server = place.server(*KINDS[kind])
    watch = place.watch()
    code, report = place.client("--stall", "300ms", "--rcvbuf", "20000", "--head", "12M",
                                "--bytes", "1M")
    seen, told = watch.end(), server.end()
    assert code == 0 and all_right(report), report
    assert seen["out"]["zero_windows"] > 0
    assert (told["would_block"] > 0) == (kind == "epoll")


@pytest.mark.parametrize("kind", KINDS)
def test_aborts_are_resets_at_the_server(place, kind):
    server = place.server(*KINDS[kind])
    watch = place.watch()
    code, report = place.client("-c", 4, "-n", 2, "--abort-at", "1M", "--rcvbuf", "20000")
    seen, told = watch.end(), server.end()
    assert code == 0 and all_right(report), report
    assert report["aborted"] == 8 and report["bytes"] == 8 << 20
    assert seen["out"]["rst"] >= 8 and seen["out"]["fin"] == 0
    assert told["requests"] == 8


def test_a_server_tells_when_calls_began(place):
    server = place.server("--calls", 5)
    before = time.monotonic_ns()
    code, report = place.client("-c", 1, "-n", 8, "--head", 100, "--bytes", "1M")
    assert code == 0 and all_right(report), report
    calls = server.end()["calls_ns"]
    assert len(calls) == 5 and calls == sorted(calls)
    assert before < calls[0] and calls[-1] < time.monotonic_ns()


def test_ipv6(place):
    server = place.server(listen=f"[{place.net.host.v6}]:{PORT}")
    watch = place.watch()
    code, report = place.client(*MIXED, "-n", 5, connect=f"[{place.net.host.v6}]:{PORT}")
    assert code == 0 and all_right(report), report
    assert watch.end()["in"]["syn"] == 1
    server.end()


FAULTS = {"wrong": "bytes_wrong", "short": "early_fins", "reset": "resets", "stuck": "stuck"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_a_server_are_seen(place, kind, fault):
    server = place.server("--fault", fault, *KINDS[kind])
    watch = place.watch()
    code, report = place.client("-c", 3, "-n", 2, "--head", "1000", "--tail", "1000",
                                stuck="2s" if fault == "stuck" else "20s")
    seen = watch.end()
    server.end()
    assert code == 1
    assert only(report, FAULTS[fault]) == 6, report
    middle = (FILE_BYTES + 2000) // 2
    if fault == "wrong":
        assert report["requests_done"] == 6
        assert report["first_wrong"]["position"] == middle
    elif fault == "reset":          # which overtakes what was sent before it
        assert report["requests_done"] == 0 and report["first_cut"]["position"] <= middle
        assert seen["in"]["rst"] >= 6
    else:
        assert report["requests_done"] == 0 and report["first_cut"]["position"] == middle
        assert seen["in"]["rst"] == 0
        assert (seen["in"]["fin"] >= 6) == (fault == "short")


@pytest.mark.parametrize("more", (("-n", 1), ("-n", 1, "--half-close"), ("-n", 2)), ids=str)
def test_one_byte_too_many_is_seen(place, more):
    server = place.server("--fault", "extra")
    code, report = place.client(*more)
    server.end()
    assert code == 1 and not report["good"]
    assert report["bytes_extra"] >= 5 and report["requests_done"] == more[1]


def test_wrong_upload_is_seen(place):
    server = place.server()
    code, report = place.client("-n", 3, "--bytes", "10K", "--upload", "300K", "--wrong-upload")
    assert (code, only(report, "uploads_wrong")) == (1, 3)
    assert report["first_upload_wrong"] == {"connection": 0, "request": 0, "position": 150 << 10}
    assert server.end()["upload_bytes_wrong"] == 3


def test_another_file_is_seen(place, tmp_path):
    data = bytearray(place.path.read_bytes())
    data[FILE_BYTES - 1] ^= 1
    other = tmp_path / "other"
    other.write_bytes(data)
    server = place.server()
    code, report = place.client("--head", "7", path=other)
    server.end()
    assert (code, only(report, "bytes_wrong")) == (1, 1)
    assert report["first_wrong"]["position"] == FILE_BYTES + 6


def test_nobody_listens(place):
    code, report = place.client("-c", 2, "-n", 2)
    assert (code, only(report, "connect_failures")) == (1, 4)


def begun_client(place, *options):
    """A client whose connection is established."""
    client = place.net.client.popen([PROGRAM, "client", "--connect",
                                     f"{place.net.host.v4}:{PORT}", "--file", place.path,
                                     "--rcvbuf", "20000", "--head", "12M", *options],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    place.net.client.run("until ss -Htn state established | grep -q .; do :; done")
    return client


def test_a_killed_server(place):
    """What its kernel still sends ends early, whichever way."""
    server = place.server()
    client = begun_client(place, "--read-rate", "8M")
    server.process.kill()
    out, _ = client.communicate(timeout=PATIENCE_S)
    report = json.loads(out)
    assert client.returncode == 1 and report["requests_done"] == 0
    assert report["early_fins"] + report["resets"] == 1 and report["bytes_wrong"] == 0


def test_a_client_that_is_ended_did_not_do_all(place):
    server = place.server()
    client = begun_client(place, "--stall", "1h")
    client.send_signal(signal.SIGTERM)
    out, _ = client.communicate(timeout=PATIENCE_S)
    report = json.loads(out)
    assert client.returncode == 1 and not report["good"] and report["requests_done"] == 0
    server.end()


@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_reordering_change_no_byte(gap, tmp_path, kind):
    with gap.bad_wire(tmp_path, "--loss", "0.5%", "--reorder", "1%", "--duplicate", "0.5%",
                      "--seed", "5"):
        server = gap.server(*KINDS[kind])
        watch = gap.watch()
        code, report = gap.client("-c", 8, "-n", 4, "--upload-when", "during", *MIXED)
        seen, told = watch.end(), server.end()
    assert code == 0 and all_right(report), report
    assert told["offset_wrong"] == 0 and seen["complete"]
    assert seen["out"]["dup_acks"] > 0 and seen["in"]["retransmitted"] > 0
    assert seen["in"]["payload_bytes"] > report["bytes"]


def test_corruption_is_dropped_by_checksums(gap, tmp_path):
    with gap.bad_wire(tmp_path, "--corrupt", "b:1%", "--seed", "5"):
        server = gap.server()
        code, report = gap.client("-n", 4)
        server.end()
    assert code == 0 and all_right(report), report


def test_a_reset_on_the_wire_is_no_early_end(gap, tmp_path):
    with gap.bad_wire(tmp_path, "-e", "reset dir=b tcp=data nth=100"):
        server = gap.server()
        code, report = gap.client("-n", 2)
        server.end()
    assert (code, only(report, "resets")) == (1, 1)
    assert report["requests_done"] == 1 and report["connections"] == 2


def test_watch_ends_with_its_input(place):
    watch = place.watch("--until-eof")
    watch.process.stdin.write("not the end\n")
    watch.process.stdin.flush()
    assert watch.result()["in"]["frames"] == 0


def test_watch_counts_what_the_kernel_counts(place):
    """Every frame that passes is counted: on the whole interface, TCP or not."""
    watch = Started(place.net.client, "watch", "-i", "client0")
    before = statistics(place)
    with socket_in(place.net.client, socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(3):
            sock.sendto(b"datagram", (place.net.host.v4, PORT))
    server = place.server()
    place.client("-c", 4, "-n", 4)
    server.end()
    after, seen = statistics(place), watch.end()
    assert seen["complete"]
    for side, kernel in (("in", "rx"), ("out", "tx")):
        assert seen[side]["frames"] >= after[kernel]["packets"] - before[kernel]["packets"]
        assert seen[side]["frame_bytes"] >= after[kernel]["bytes"] - before[kernel]["bytes"]
    assert seen["out"]["other"] >= 3      # the datagrams
    assert seen["in"]["other"] >= 1       # that nobody wanted them


def statistics(place):
    """Counts of the client's interface."""
    done = place.net.client.run(["ip", "-s", "-j", "link", "show", "dev", "client0"])
    return json.loads(done.stdout)[0]["stats64"]


@pytest.mark.parametrize("words, code, said", (
    (("server", "--listen", "nowhere", "--file", "/dev/null"), 1, "not a regular file"),
    (("server", "--listen", "nowhere", "--file", PROGRAM), 2, "--listen"),
    (("server", "--listen", "127.0.0.1:0", "--file", "/nonexistent"), 3, "/nonexistent"),
    (("client", "--connect", "1.2.3.4", "--file", PROGRAM), 2, "--connect"),
    (("client", "--connect", "1.2.3.4:5", "--file", PROGRAM, "--head", "9-1"), 2, "--head"),
    (("watch", "--interface", "nowhere0"), 3, "nowhere0")), ids=str)
def test_wrong_use(wall, words, code, said):
    assert wall
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False,
                          timeout=PATIENCE_S)
    assert done.returncode == code and said in done.stderr, done


def test_mode_hylics_without_the_library(wall):
    """Said at the start, not at the first connection; where it is installed this proves nothing."""
    assert wall
    done = subprocess.run([PROGRAM, "server", "--listen", "127.0.0.1:0", "--file", PROGRAM,
                           "--mode", "hylics"], capture_output=True, text=True, check=False,
                          timeout=PATIENCE_S, stdin=subprocess.DEVNULL,
                          env={**os.environ, "LD_LIBRARY_PATH": "/nonexistent"})
    assert done.returncode and "libhylics" in done.stderr
