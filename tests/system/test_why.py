# SPDX-License-Identifier: GPL-2.0-or-later
"""Why connections were not moved: what the guest tells, to whom, and what reaches the host.

Servers do what they are told (puppet.py), so that each reason comes when it is wanted; joiner.py is
a program that has joined and writes what it likes into its tally.
"""

import contextlib
import json
import os
import pathlib
import select
import socket
import subprocess
import sys
import time

import pytest
from moving import PATIENCE_S, Puppet, wait_for
from test_drain import Operated
from wiring import socket_in

from hylab import BUILD, wall
from hylab.hylicsd import Hylicsd
from hylab.net import Net
from hylab.offload import Offload

GUEST = BUILD / "hylics-guest" / "hylics-guest"
BODY = 4 << 20
UPLOAD = 256 << 10      # more than a connection may take along
NOBODY, DAEMON = 65534, 1
HUGE = (1 << 63) - 1
USERS = int(pathlib.Path("/proc/self/uid_map").read_text(encoding="ascii").split()[2])
OTHERS = pytest.mark.skipif(USERS <= NOBODY, reason="there is one user alone here")


class Scene:
    """A guest, its offload, and what is asked there."""

    def __init__(self, stack, offload):
        self.stack = stack
        self.offload = offload

    def puppet(self, path):
        """Another server, with the file open."""
        server = self.stack.enter_context(Puppet(self.offload))
        server.do("open", path)
        return server

    def client(self, server):
        """A connection that the server has accepted."""
        sock = self.stack.enter_context(
            socket_in(self.offload.net.client, socket.AF_INET, socket.SOCK_STREAM))
        sock.connect(self.offload.net.endpoint(self.offload.guest, server.port, 4))
        server.do("accept")
        return sock

    def run(self, *argv, user=0):
        """In the guest, as a user."""
        who = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        return subprocess.run([*self.offload.guest.node.prefix(), *who, *map(str, argv)],
                              env={**os.environ, **self.offload.environment},
                              capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    def why(self, user=0):
        """{reason: row}"""
        done = self.run(GUEST, "why", "--json", user=user)
        assert done.returncode == 0, done.stderr
        return {row["reason"]: row for row in json.loads(done.stdout)["reasons"]}

    def wait_why(self, reason, user=0):
        """Its row, when it is there."""
        wait_for(lambda: reason in self.why(user), reason)
        return self.why(user)[reason]


@pytest.fixture(name="scene")
def _scene():
    wall.require()
    with Net.bridge_uplink(spaces=1) as net, Offload(net, net.guests[0]) as offload, \
            contextlib.ExitStack() as stack:
        yield Scene(stack, offload)


def read_exactly(sock, count):
    """Bytes of a connection."""
    sock.settimeout(PATIENCE_S)
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        assert piece, "an early end"
        data += piece
    return data


def short_call(scene, server, count=1000):
    """One call too short to be moved for."""
    sock = scene.client(server)
    server.do("file", 4096, count)
    assert len(read_exactly(sock, count)) == count
    return sock


def refused_upload(scene, server):
    """A connection that the agent keeps, as too much of the client's is unread."""
    sock = scene.client(server)
    sock.sendall(bytes(UPLOAD))
    server.order("file", 0, BODY)
    assert len(read_exactly(sock, BODY)) == BODY
    assert server.answer().get("errno", 0) == 0
    return sock


def test_plain_calls_are_counted_and_stay_when_the_program_has_gone(scene):
    began = time.time()
    body = scene.offload.file("body", BODY)
    server = scene.puppet(body)
    assert scene.why() == {}
    assert "nothing was counted" in scene.run(GUEST, "why").stdout
    for _ in range(3):
        short_call(scene, server)
    row = scene.why()["below-threshold"]
    last = row["last"]
    assert (row["calls"], row["connections"]) == (3, 0)
    assert (last["by"], last["pid"], last["user"]) == ("program", server.pid, 0)
    assert (last["offset"], last["bytes"]) == (4096, 1000)
    assert last["inode"] == os.stat(body).st_ino
    assert last["program"] == pathlib.Path(f"/proc/{server.pid}/exe").resolve().name
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(began - 1))
    assert when <= last["when"] <= time.strftime("%Y-%m-%dT%H:%M:%SZ",
                                                 time.gmtime(time.time() + 1))
    assert "answers faster itself" in row["mend"]
    scene.stack.close()         # the server ends
    wait_for(lambda: "below-threshold" in scene.why(), "counts of a program that left")
    assert scene.why()["below-threshold"] == row


def test_a_file_elsewhere(scene, tmp_path):
    path = tmp_path / "elsewhere"
    path.write_bytes(bytes(BODY))
    sock = short_call(scene, scene.puppet(path), 300000)
    row = scene.why()["not-on-share"]
    assert row["calls"] > 0 and row["last"]["inode"] == path.stat().st_ino
    text = scene.run(GUEST, "why", "--reason", "not-on-share").stdout
    assert f"inode {path.stat().st_ino} on device" in text and "put the files on the share" in text
    sock.close()


def test_what_the_agent_keeps_has_peer_and_path_and_no_byte_that_cannot_be_printed(scene):
    body = scene.offload.file("body\x1b[2J", BODY)
    server = scene.puppet(body)
    sock = refused_upload(scene, server)
    row = scene.why()["unread-bytes"]
    last = row["last"]
    assert row["connections"] == 1 and last["by"] == "agent"
    assert last["peer"] == f"{sock.getsockname()[0]}:{sock.getsockname()[1]}"
    assert last["local"].endswith(f":{server.port}")
    assert last["path"] == str(body).replace("\x1b", "?")
    assert last["inode"] == os.stat(body).st_ino and 0 < last["bytes"] <= BODY
    text = scene.run(GUEST, "why").stdout
    assert "\x1b" not in text and "unread-bytes" in text and last["peer"] in text


@contextlib.contextmanager
def joined(scene, user):
    """A program of a user that writes lines of orders into its tally; its Popen."""
    script = pathlib.Path(__file__).with_name("joiner.py")
    argv = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", sys.executable,
            "-B", "-c", script.read_text(encoding="utf-8"),
            str(scene.offload.guest_run / "agent.sock")]
    with subprocess.Popen([*scene.offload.guest.node.prefix(), *argv], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, bufsize=0) as process:
        try:
            yield process
        finally:
            process.kill()


def tell(process, *words):
    """One order to a joined program, carried out when this returns."""
    process.stdin.write((" ".join(map(str, words)) + "\n").encode())
    assert select.select([process.stdout], [], [], PATIENCE_S)[0], "no answer"
    assert process.stdout.readline() == b"done\n"


@OTHERS
def test_counts_are_for_all_and_examples_for_their_user(scene):
    for path in (scene.offload.directory, scene.offload.guest_run):
        path.chmod(0o755)
    refused_upload(scene, scene.puppet(scene.offload.file("body", BODY)))
    with joined(scene, NOBODY) as program:
        tell(program, "count", "ulp", 5)
        tell(program, "example", "ulp", 7777)
        for user in (0, NOBODY, DAEMON):
            rows = scene.why(user)
            assert rows["ulp"]["calls"] == 5 and rows["unread-bytes"]["connections"] == 1
            assert ("last" in rows["unread-bytes"]) == (user == 0)
            assert ("last" in rows["ulp"]) == (user != DAEMON)
            assert ("hidden" in rows["ulp"]) == (user == DAEMON)
        last = scene.why(NOBODY)["ulp"]["last"]
        assert (last["bytes"], last["user"], last["by"]) == (7777, NOBODY, "program")
        told = scene.run(GUEST, "why", user=DAEMON).stdout
        assert "another user's program" in told and "7777" not in told
    # the same when it has gone, killed
    wait_for(lambda: "last" in scene.why(NOBODY)["ulp"], "the example of one that left")
    assert scene.why(NOBODY)["ulp"]["last"] == last
    assert "last" not in scene.why(DAEMON)["ulp"]


@OTHERS
def test_no_number_of_a_program_harms_the_agent_or_hides_others(scene):
    agent = scene.offload.pids("agent")
    scene.offload.directory.chmod(0o755)
    scene.offload.guest_run.chmod(0o755)
    server = scene.puppet(scene.offload.file("body", BODY))
    short_call(scene, server)
    with joined(scene, NOBODY) as program:
        for reason in ("below-threshold", "ulp", "mptcp"):
            tell(program, "count", reason, (1 << 64) - 1)
        tell(program, "example", "below-threshold", (1 << 64) - 1)
        tell(program, "writing", "mptcp")
        tell(program, "cut")
        rows = scene.why()
        assert rows["ulp"]["calls"] == HUGE and "last" not in rows["mptcp"]
        tell(program, "hole")
        assert "ulp" not in scene.why()
        tell(program, "count", "ulp", (1 << 64) - 1)
    wait_for(lambda: scene.why()["ulp"]["calls"] == HUGE, "the sum of one that left")
    with joined(scene, NOBODY) as program:
        tell(program, "count", "ulp", (1 << 64) - 1)
        assert scene.why()["ulp"]["calls"] == HUGE
    assert scene.offload.pids("agent") == agent
    short_call(scene, server)
    assert scene.why()["below-threshold"]["calls"] >= 2


def test_exit_codes(scene):
    assert scene.run(GUEST, "why", "--reason", "bad-weather").returncode == 2
    assert scene.run(GUEST, "why", "--reason", "mptcp", "--json").stdout == '{"reasons":[]}\n'
    scene.offload.close_programs()
    done = scene.run(GUEST, "why")
    assert done.returncode == 4 and "agent not reached" in done.stderr


def test_both_sides_tell_what_the_host_refused():
    wall.require()
    with Net.bridge_uplink(spaces=1) as net, contextlib.ExitStack() as stack:
        host = Hylicsd(node=net.host)
        host.start()
        stack.callback(host.close)
        offload = stack.enter_context(Operated(net, host))
        scene = Scene(stack, offload)
        server = scene.puppet(offload.file("body", BODY))
        assert host.json("why", "web1") == {}
        short_call(scene, server)
        host.ask("vm", "drain", "web1")
        sock = scene.client(server)
        server.order("file", 0, BODY)
        assert len(read_exactly(sock, BODY)) == BODY
        server.answer()
        wait_for(lambda: host.json("why", "web1").get("draining", {}).get("refused"), "a refusal")
        row = host.json("why", "web1")["draining"]
        peer = f"{sock.getsockname()[0]}:{sock.getsockname()[1]}"
        assert (row["refused"], row["not_offered"]) == (1, 0)
        assert row["last"]["peer"] == peer and row["last"]["local"].endswith(f":{server.port}")
        assert abs(row["last"]["when_ms"] / 1000 - time.time()) < PATIENCE_S
        text = host.ask("why", "web1").stdout
        assert peer in text and "not offered" in text
        there = scene.wait_why("draining")
        assert there["connections"] == 1 and there["last"]["by"] == "host"
        assert there["last"]["peer"] == peer and there["last"]["path"].endswith("/body")
        # a new session begins with a report, which brings what the guest did not offer
        os.kill(offload.processes()[1], 9)
        wait_for(lambda: host.json("why", "web1").get("below-threshold"), "the guest's report")
        row = host.json("why", "web1")["below-threshold"]
        assert row["refused"] == 0 and row["not_offered"] >= 1 and "last" not in row
        assert host.json("why", "web1")["draining"]["last"]["peer"] == peer, "outlives a worker"
