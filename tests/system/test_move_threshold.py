# SPDX-License-Identifier: GPL-2.0-or-later
"""The threshold is measured at the start and while running, shown, and can be fixed.

What comes out depends on the machine, so no test says more of a figure than its bounds.
"""

import contextlib
import subprocess

import pytest

from hylab import wall
from hylab.channel import UP, program
from hylab.net import Net
from hylab.offload import Offload

PORT = 8080
MIN, DEFAULT, MAX = 64 << 10, 128 << 10, 16 << 20     # as in common/limits.h
FILE_BYTES = MAX + (4 << 20)                          # enough is left, whatever comes out
ANSWERS = 200                                         # more than any sample is made of
COSTS = ("move_cpu_ns", "slice_cpu_ns", "plain_cpu_ps", "adopt_us")


@contextlib.contextmanager
def place(threshold, loopback=True):
    """A guest with a server of one long file; the offload."""
    wall.require()
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(Net.bridge_uplink(spaces=1))
        if not loopback:
            net.guests[0].node.ip("link set lo down")
        offload = stack.enter_context(Offload(net, net.guests[0], threshold=threshold))
        offload.body = offload.file("body", FILE_BYTES)
        offload.serve(PORT, offload.body, "hylics", "--nonblock")
        yield offload


def ask(offload, *options, **where):
    """Many short answers, each on a connection of its own."""
    verdict = offload.ask(PORT, offload.body, "--requests", ANSWERS, "--bytes", "200K",
                          "--head", "240", "--close-after", *options, **where)
    assert verdict["good"], verdict


def in_bounds(status):
    """Every threshold it tells."""
    return all(MIN <= status[name] <= MAX
               for name in ("threshold", "threshold_lowest", "threshold_highest"))


def test_measured_at_the_start_and_while_running():
    with place("auto") as offload:
        start = offload.status()
        assert start["threshold_measured"] and MIN <= start["threshold"] <= MAX
        assert start["threshold_lowest"] == start["threshold_highest"] == 0    # no program yet
        assert start["move_cpu_ns"] > 0 and start["plain_cpu_ps"] > 0
        assert start["slice_cpu_ns"] == start["adopt_us"] == 0
        ask(offload)
        assert offload.settled()["moved"] == ANSWERS
        running = offload.status()
        assert in_bounds(running)
        assert all(running[name] > 0 for name in COSTS)


def test_an_agent_that_succeeds_another_begins_with_the_same_trial():
    with place("auto") as offload:
        start = offload.status()
        ask(offload)
        offload.kill_child("agent")
        offload.agent.wait_line(UP)
        again = offload.status()
        assert [again[name] for name in ("threshold", *COSTS)] == [
            start[name] for name in ("threshold", *COSTS)]


def test_without_a_trial_it_is_the_default_until_bytes_and_moves_are_measured():
    with place("auto", loopback=False) as offload:
        start = offload.status()
        assert start["threshold_measured"] and start["threshold"] == DEFAULT
        assert all(start[name] == 0 for name in COSTS)
        ask(offload)
        moved = offload.status()
        assert moved["move_cpu_ns"] > 0 and moved["plain_cpu_ps"] == 0
        assert moved["threshold"] == moved["threshold_highest"] == DEFAULT
        offload.guest.node.ip("link set lo up")
        # nobody can move a connection within the guest: the agent serves its first answer
        ask(offload, node=offload.guest.node, where=f"127.0.0.1:{PORT}")
        plain = offload.status()
        assert plain["plain_cpu_ps"] > 0
        assert in_bounds(plain)


def test_fixed():
    with place("96K") as offload:
        ask(offload)
        assert offload.settled()["moved"] == ANSWERS
        status = offload.status()
        assert not status["threshold_measured"]
        assert status["threshold"] == status["threshold_lowest"] == 96 << 10
        assert status["threshold_highest"] == 96 << 10
        assert all(status[name] == 0 for name in COSTS)


def test_what_it_is_decides():
    with place("512K") as offload:
        ask(offload, "--offset", FILE_BYTES - (512 << 10) + 1)
        assert offload.settled()["moved"] == 0
        ask(offload, "--offset", FILE_BYTES - (512 << 10))
        assert offload.settled()["moved"] == ANSWERS


def test_shown_to_people():
    with place("auto") as offload:
        done = offload.guest.node.run([program("hylics-guest"), "status", "--run-dir",
                                       offload.guest_run])
        assert "KB, measured" in done.stdout and "CPU time" in done.stdout


@pytest.mark.parametrize("value", ("", "0", "-1", "2G", "autos", "measured", "128 K"))
def test_wrong_values(value, tmp_path):
    done = subprocess.run([program("hylics-agent"), f"--threshold={value}", "--run-dir", tmp_path,
                           "--channel", f"unix:{tmp_path}/none"], capture_output=True, text=True,
                          check=False, timeout=30)
    assert done.returncode == 2
    assert "neither auto nor a size" in done.stderr
