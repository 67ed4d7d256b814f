# SPDX-License-Identifier: GPL-2.0-or-later
"""How often programs wake up for one move: what the kernel counted as waiting of their own will."""

import contextlib
import pathlib
import time

from hylab import LabError
from hylab.crowd import Crowd
from hylab.sample import tasks_of

LOOK_S = 0.005
SILENT_WITHIN_S = 60
SILENCES = 1            # of the agent, 100 ms after each move: nothing waits for it


def programs(offload):
    """Holder, agent, keeper, worker."""
    return [*offload.pids("agent"), *offload.pids("keeper")]


def wait_silent(offload):
    """Until the guest's kernel has no living connection: those that moved were silenced."""
    end = time.monotonic() + SILENT_WITHIN_S
    while "ESTAB" in offload.guest.node.run(["ss", "-Htan"]).stdout:
        if time.monotonic() > end:
            raise LabError("a moved connection's own socket in the guest stays alive")
        time.sleep(LOOK_S)


def sleeps(pid):
    """Whether it waits for something, and not for a processor."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    return stat.rpartition(")")[2].split()[0] == "S"


def settled(pids):
    """Voluntary switches of the programs, once they do nothing any more."""
    last = None
    while True:
        now = sum(task.counts.voluntary for task in tasks_of(pids))
        if now == last and all(map(sleeps, pids)):
            return now
        last = now
        time.sleep(LOOK_S)


def of_moves(offload, port, file, size, moves):
    """Wake-ups of the four programs for each of so many moves, one after the other.

    Every connection stays open, so that nothing but its move is counted. The offload must show no
    counters, for which it would wake up as well. What is counted ends when the move is over on
    both sides; the timer that silences the guest's own socket 100 ms later is taken off.
    """
    pids, counted = programs(offload), []
    with contextlib.ExitStack() as stack:
        for _ in range(moves):
            crowd = stack.enter_context(Crowd(offload.net.client, [offload.where(port)], file, 1))
            before = settled(pids)
            crowd.begin(size, 1)
            wait_silent(offload)
            counted.append(settled(pids) - before - SILENCES)
    return counted
