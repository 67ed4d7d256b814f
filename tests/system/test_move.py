# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections moved to the host and home again, in namespaces: every byte, and what the wire saw.

Client and server are hylics-talk, which know what each byte has to be; the server calls
hylics_sendfile(). Between them are a real bridge or router and, where a test says so, a bad wire.
"""

import contextlib
import os
import pathlib
import signal
import subprocess

import pytest
from moving import wait_for
from wiring import Wire

from hylab import wall
from hylab.net import Net
from hylab.offload import Offload

PORT = 8080
FILE_BYTES = 8 << 20
BAD = ("--loss", "1%", "--reorder", "0.5%", "--duplicate", "0.1%", "--delay", "20ms",
       "--jitter", "5ms")


@pytest.fixture(name="stack")
def _stack():
    wall.require()
    with contextlib.ExitStack() as stack:
        yield stack


def start(stack, build=Net.bridge_uplink, wire=False, **options):
    """A network with one guest, and offload for it; (offload, file)."""
    net = stack.enter_context(build(spaces=1, wire=wire))
    offload = stack.enter_context(Offload(net, net.guests[0], **options))
    return offload, offload.file("body", FILE_BYTES)


def good(verdict):
    """Whether the client found nothing wrong; the verdict is shown if not."""
    if not verdict["good"]:
        pytest.fail(str({k: v for k, v in verdict.items() if v and not isinstance(v, dict)}))
    return verdict


def silent_about_resets(seen):
    """No RST on the wire in either direction, and nothing escaped the watch."""
    assert seen["complete"]
    for way, counts in seen.items():
        if isinstance(counts, dict):
            assert counts["rst"] == 0, way


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("blocking", ["threads", "nonblock"])
@pytest.mark.parametrize("build", [Net.bridge_uplink, Net.routed_tap, Net.nat_forward],
                         ids=["bridge", "routed", "nat"])
def test_bytes_are_right(stack, build, blocking, family):
    offload, file = start(stack, build)
    port = PORT if build != Net.nat_forward else 80
    server = offload.serve(port, file, "hylics", *(["--nonblock"] if blocking == "nonblock"
                                                   else []))
    with offload.watch() as seen:
        good(offload.ask(port, file, "--connections", "8", "--requests", "6", "--head", "0-2K",
                         "--bytes", "128K-2M", "--offset", "0-4M", "--tail", "0-2K",
                         "--slice", "64K-1M", family=family))
    offload.wait_counts(lambda counts: counts["moved"] == 8 and counts["bytes_file"] > 0)
    silent_about_resets(seen)
    assert server.alive()


def test_uploads_beside_the_answers(stack):
    offload, file = start(stack)
    offload.serve(PORT, file, "hylics", "--nonblock")

    def come_up():
        """A connection whose upload is there before its move is not moved; that may be each."""
        good(offload.ask(PORT, file, "--connections", "4", "--requests", "4", "--upload", "0-200K",
                         "--upload-when", "during", "--bytes", "1M", "--tail", "100"))
        return offload.wait_counts(lambda counts: counts["live"] == 0)["bytes_up"] > 0

    wait_for(come_up, "an upload through the host")


@pytest.mark.parametrize("option", ["--half-close", "--close-after", "--cork", "--nodelay"])
def test_ends_and_options(stack, option):
    offload, file = start(stack)
    offload.serve(PORT, file, "hylics", "--nonblock")
    good(offload.ask(PORT, file, "--connections", "4", "--requests",
                     "1" if option in ("--half-close", "--close-after") else "3", option,
                     "--head", "300", "--bytes", "1M", "--tail", "50"))


def test_bad_wire(stack):
    offload, file = start(stack, wire=True)
    stack.enter_context(Wire(offload.net.wire, offload.directory, *BAD))
    offload.serve(PORT, file, "hylics", "--nonblock")
    with offload.watch() as seen:
        good(offload.ask(PORT, file, "--connections", "10", "--requests", "3", "--head", "0-2K",
                         "--bytes", "128K-512K", "--tail", "0-2K", "--upload", "0-20K"))
    offload.wait_counts(lambda counts: counts["moved"] == 10)
    assert seen["complete"] and seen["in"]["rst"] == seen["in"]["rst_late"]


def test_drain_in_the_middle_of_transfers(stack):
    """The keeper's end brings everything home, and the answers go on from the guest."""
    offload, file = start(stack)
    offload.serve(PORT, file, "hylics", "--nonblock")
    with offload.watch() as seen:
        with offload.asking(PORT, file, "--connections", "10", "--requests", "3", "--bytes", "8M",
                            "--read-rate", "8M") as client:
            offload.wait_counts(lambda counts: counts["moved"] == 10)
            offload.keeper.kill(signal.SIGTERM)
            assert offload.keeper.wait_end() == 0
            good(client.verdict())
    silent_about_resets(seen)


@pytest.mark.parametrize("who", ["worker", "agent"])
def test_killed_and_taken_over(stack, who):
    """kill -9 in the middle: the successor goes on, and no byte is wrong or missing."""
    offload, file = start(stack)
    offload.serve(PORT, file, "hylics", "--nonblock")
    with offload.asking(PORT, file, "--connections", "10", "--requests", "2", "--bytes", "8M",
                        "--read-rate", "8M") as client:
        offload.wait_counts(lambda counts: counts["moved"] == 10)
        offload.kill_child(who)
        offload.wait_counts(lambda counts: counts["resumed"] >= 10)
        good(client.verdict())


def test_without_anything_of_hylics_the_server_serves(stack):
    """No agent, no worker: plain calls, no error."""
    offload, file = start(stack)
    offload.close_programs()
    offload.serve(PORT, file, "hylics", "--nonblock")
    good(offload.ask(PORT, file, "--connections", "4", "--requests", "2"))


def test_a_worker_in_its_room_can_tell_when_its_twin_is_empty(stack):
    """Else it could never keep which connections are there, and each frame would be looked up."""
    offload, _ = start(stack)
    opened = [os.readlink(fd) for pid in offload.pids("keeper")
              for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
    assert len([path for path in opened if path.endswith(("/net/sockstat", "/net/sockstat6"))]) == 2


def test_nothing_is_left(stack):
    offload, file = start(stack)
    offload.serve(PORT, file, "hylics", "--nonblock")
    good(offload.ask(PORT, file, "--connections", "4", "--requests", "2"))
    offload.keeper.kill(signal.SIGTERM)
    assert offload.keeper.wait_end() == 0
    links = offload.net.host.run(["ip", "-o", "link"]).stdout
    assert "hytwin" not in links
    for interface in (offload.guest.interface,):
        assert not offload.net.host.run(["tc", "filter", "show", "dev", interface, "egress"],
                                        check=False).stdout
    assert subprocess.run(["ip", "netns"], capture_output=True, text=True,
                          check=True).stdout.count("hytwin") == 0
