# SPDX-License-Identifier: GPL-2.0-or-later
"""Kills a worker or an agent at every named step: the other goes on, a successor takes over."""

import contextlib
import os
import random
import signal
import subprocess

import pytest
from moving import MOVE_STEPS, STEPS, VM_STEPS, Ends, children, is_stopped, wait_for

from hylab import channel, wall
from hylab.port import Port

# Who comes to a step; test_move_faults.py walks those that need a connection under way, and
# test_hylicsd.py hylicsd's. A step that nobody knows fails below.
WHO = {
    "chan.open": ("agent", "worker"),
    "chan.greet": ("agent", "worker"),
    "chan.up": ("agent", "worker"),
    "chan.half-frame": ("agent", "worker"),
    "ping.answered": ("worker",),
    "soak.middle": ("agent",),
}
SHARE_STEPS = {"share.mount"}       # tests/agent/test_share.c
TEND_STEPS = {"tend.out", "tend.in", "tend.limit"}      # tests/hylicsd/test_tend.c
LONGEST_LIFE_S = 0.03
FORKS = 40
CASES = [(step, who) for step in STEPS for who in WHO.get(step, ())]


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
    assert len(STEPS) > len(WHO)
    assert set(WHO) | set(MOVE_STEPS) | set(VM_STEPS) | SHARE_STEPS | TEND_STEPS == set(STEPS)


def stopped_one(process, who):
    """Wait until the process, or the agent of a holder, has stopped itself; its id."""
    if who == "worker":
        process.wait_stopped()
        return process.pid
    return wait_for(lambda: next(filter(is_stopped, children(process.pid)), 0), "a stopped agent")


def cont(pid):
    """Let it go on."""
    os.kill(pid, signal.SIGCONT)


def ended_by(process):
    """Log line of a holder whose agent was killed."""
    return process.wait_line(f"(signal {int(signal.SIGKILL)})")


@pytest.mark.parametrize("step", [step for step, who in CASES if "worker" in who])
def test_worker_killed_at_step(port, step):
    with start("agent", port) as agent:
        with start("worker", port, f"{step}:kill") as victim:
            assert victim.wait_end() == -signal.SIGKILL
        with start("worker", port) as successor:
            assert successor.wait_end() == 0
            assert channel.status(port.directory)["faults"] == 0
        assert agent.alive()


@pytest.mark.parametrize("step", [step for step, who in CASES if "agent" in who])
def test_agent_killed_at_step(port, step):
    """Its holder starts the next one."""
    with start("worker", port) as worker, start("agent", port, f"{step}:kill") as holder:
        ended_by(holder)
        assert worker.wait_end() == 0
        assert channel.status(port.directory)["faults"] == 0
        assert holder.alive()


@pytest.mark.parametrize(("step", "who"), [case for case in CASES if case[0] != "chan.open"])
def test_stop_at_step_then_go_on(port, step, who):
    """A process that is only slow is not given up before its time, and loses nothing."""
    other = "worker" if who == "agent" else "agent"
    with start(other, port) as peer, start(who, port, f"{step}:stop") as stopped:
        cont(stopped_one(stopped, who))
        worker = stopped if who == "worker" else peer
        assert worker.wait_end() == 0


@pytest.mark.parametrize("who", ["agent", "worker"])
def test_kill_at_random_moments(port, who):
    """Between the named steps too: 25 kills, or HYLICS_KILLS, on one port that never closes.

    A holder's agent dies with it, a moment later: its successor would find the socket in use.
    """
    moments = random.Random(f"{os.environ.get('HYLICS_SEED', '1')} {who}")
    other = "worker" if who == "agent" else "agent"
    with start(other, port, pings=1000000 if who == "agent" else 200):
        for _ in range(int(os.environ.get("HYLICS_KILLS", "25"))):
            with start(who, port) as victim:
                try:
                    victim.wait_end(moments.uniform(0, LONGEST_LIFE_S))
                except subprocess.TimeoutExpired:
                    with Ends.of_children(victim.pid):
                        victim.kill()
                        victim.wait_end()
        with start(who, port) as successor:
            if who == "worker":
                assert successor.wait_end() == 0
            else:
                successor.wait_line(channel.UP)
                assert channel.status(port.directory)["faults"] == 0


def test_holder_killed_right_behind_its_fork(port):
    """Its agent has everything, and did not yet ask the kernel to end with it: one in ten or so."""
    for _ in range(FORKS):
        with start("agent", port) as holder:
            agent = wait_for(lambda of=holder: next(iter(children(of.pid)), 0), "an agent")
            os.kill(agent, signal.SIGSTOP)
            wait_for(lambda pid=agent: is_stopped(pid), "a stopped agent")
            with Ends([agent]):
                holder.kill()
                holder.wait_end()
                with contextlib.suppress(ProcessLookupError):
                    cont(agent)


def test_wrong_step_or_action_is_refused(port):
    for fault in ("no.step:kill", "chan.up:dance", "chan.up"):
        with start("agent", port, fault) as agent:
            assert agent.wait_end() == 1
