# SPDX-License-Identifier: GPL-2.0-or-later
"""Kills a worker or an agent at every named step: the other goes on, a successor takes over."""

import os
import pathlib
import random
import re
import signal
import subprocess

import pytest
from port import Port

from hylab import channel, wall

TABLE = pathlib.Path(__file__).resolve().parents[2] / "common" / "fault.h"
STEPS = re.findall(r'X\(\w+, "([^"]+)"', TABLE.read_text(encoding="utf-8"))

# Who comes to a step. A step that is missing here has no test, and fails as such.
WHO = {
    "chan.open": ("agent", "worker"),
    "chan.greet": ("agent", "worker"),
    "chan.up": ("agent", "worker"),
    "chan.half-frame": ("agent", "worker"),
    "ping.answered": ("worker",),
    "soak.middle": ("agent",),
}
LONGEST_LIFE_S = 0.03
CASES = [(step, who) for step in STEPS for who in WHO.get(step, ("nobody",))]


@pytest.fixture(name="port")
def _port():
    wall.require()
    with Port(channel.socket_path().parent) as port:
        yield port


def start(who, port, fault=None, pings=200):
    """One side; the worker measures, so that it comes to every step."""
    if who == "agent":
        return channel.agent(port.guest, port.directory, fault=fault)
    return channel.worker(port.host, "--ping", str(pings), "--soak", "256K", fault=fault)


def test_table_of_steps_is_read_and_has_no_step_too_many():
    assert len(STEPS) >= len(WHO)
    assert set(WHO) == set(STEPS)


@pytest.mark.parametrize(("step", "who"), CASES)
def test_kill_at_step(port, step, who):
    assert who != "nobody", f"step {step} has no test: say in WHO who comes to it"
    other = "worker" if who == "agent" else "agent"
    with start(other, port) as survivor:
        with start(who, port, f"{step}:kill") as victim:
            assert victim.wait_end() == -signal.SIGKILL
        with start(who, port) as successor:
            worker = successor if who == "worker" else survivor
            assert worker.wait_end() == 0
            assert channel.status(port.directory)["faults"] == 0


@pytest.mark.parametrize(("step", "who"), [case for case in CASES if case[0] != "chan.open"])
def test_stop_at_step_then_go_on(port, step, who):
    """A process that is only slow is not given up before its time, and loses nothing."""
    other = "worker" if who == "agent" else "agent"
    with start(other, port) as peer, start(who, port, f"{step}:stop") as stopped:
        stopped.wait_stopped()
        stopped.kill(signal.SIGCONT)
        worker = stopped if who == "worker" else peer
        assert worker.wait_end() == 0


@pytest.mark.parametrize("who", ["agent", "worker"])
def test_kill_at_random_moments(port, who):
    """Between the named steps too: 25 kills, or HYLICS_KILLS, on one port that never closes."""
    moments = random.Random(f"{os.environ.get('HYLICS_SEED', '1')} {who}")
    other = "worker" if who == "agent" else "agent"
    with start(other, port, pings=1000000 if who == "agent" else 200):
        for _ in range(int(os.environ.get("HYLICS_KILLS", "25"))):
            with start(who, port) as victim:
                try:
                    victim.wait_end(moments.uniform(0, LONGEST_LIFE_S))
                except subprocess.TimeoutExpired:
                    victim.kill()
        with start(who, port) as successor:
            if who == "worker":
                assert successor.wait_end() == 0
            else:
                successor.wait_line(channel.UP)
                assert channel.status(port.directory)["faults"] == 0


def test_wrong_step_or_action_is_refused(port):
    for fault in ("no.step:kill", "chan.up:dance", "chan.up"):
        with start("agent", port, fault) as agent:
            assert agent.wait_end() == 1
