# SPDX-License-Identifier: GPL-2.0-or-later
"""What the figures of a move are made of: wake-ups, counted stages, times of calls and frames.

What is counted must be right on any machine; how long it takes is for the experiments.
"""

import contextlib
import pathlib

import pytest

from hylab import LabError, capture, stages, stats, wakes, wall
from hylab.experiments import hook
from hylab.experiments.stages import ANSWER_BYTES, STAGES, ended, pair_up
from hylab.net import Net
from hylab.offload import Offload

PORT = 8080
FILE_BYTES = 1 << 20
MOVES = 20
WAKES_MAX = 6       # promised for a move


@pytest.fixture(name="stack")
def _stack():
    wall.require()
    with contextlib.ExitStack() as stack:
        yield stack


def start(stack, **options):
    """A guest at a bridge with offload, and a file; (offload, file)."""
    net = stack.enter_context(Net.bridge_uplink(spaces=1))
    offload = stack.enter_context(Offload(net, net.guests[0], **options))
    return offload, offload.file("body", FILE_BYTES)


def test_a_move_needs_at_most_six_wake_ups(stack):
    """A quarter of them show what is needed; what comes late by chance wakes somebody again."""
    offload, file = start(stack, show=False)
    offload.serve(PORT, file, "hylics", "--nonblock")
    counted = wakes.of_moves(offload, PORT, file, ANSWER_BYTES, MOVES)
    assert stats.quantile(counted, 0.25) <= WAKES_MAX, sorted(counted)
    assert min(counted) > 0


def ask(offload, file, *options):
    """Answers that must all be right."""
    assert offload.ask(PORT, file, "--bytes", ANSWER_BYTES, *options)["good"]


def counted(offload):
    """{(who, stage): how many moves went through it}."""
    return {(who, stage): sum(histogram.values())
            for who, found in offload.stages().items() for stage, histogram in found.items()}


def test_every_move_counts_once_in_every_stage(stack):
    """Those of a killed worker too, which the next one goes on counting."""
    offload, file = start(stack)
    offload.serve(PORT, file, "hylics", "--nonblock")
    # kept connections: one move serves several answers
    ask(offload, file, "--connections", 5, "--requests", 3)
    assert offload.settled()["moved"] == 5
    every = counted(offload)
    assert {(who, stage) for who, stage, _ in STAGES} <= set(every)
    assert every.pop(("worker", "collect")) == 0
    assert set(every.values()) == {5}, every
    offload.kill_child("worker")
    offload.agent.wait_line("channel up")
    ask(offload, file, "--connections", 2)
    offload.wait_counts(lambda counts: counts["moved"] == 7)
    assert offload.settled()["moved"] == 7
    every = counted(offload)
    assert every.pop(("worker", "collect")) == 0
    assert set(every.values()) == {7}, every


@pytest.mark.parametrize("fault, in_agent", [
    ({"agent": "move.freeze:fail"}, 2), ({"agent": "move.dump:fail"}, 2),
    ({"keeper": "move.keep:fail"}, 3), ({"keeper": "move.live:fail"}, 3)])
def test_a_move_that_fails_is_in_no_stage_of_who_failed(stack, fault, in_agent):
    """The first of three; what the agent offered it has counted, and the yes is missing."""
    net = stack.enter_context(Net.bridge_uplink(spaces=1))
    offload = stack.enter_context(Offload(net, net.guests[0]).faults(**fault))
    file = offload.file("body", FILE_BYTES)
    offload.serve(PORT, file, "hylics", "--nonblock")
    ask(offload, file, "--requests", 3, "--close-after")
    assert offload.settled()["moved"] == 2
    every = counted(offload)
    assert every.pop(("worker", "collect")) == 0
    assert every.pop(("agent", "answer")) == 2
    assert {who: {n for (of, _), n in every.items() if of == who} for who in ("agent", "worker")} \
        == {"agent": {in_agent}, "worker": {2}}, every


def test_no_worker_translates_filters(stack):
    """The program that freezes comes from the keeper, to every worker anew."""
    offload, _ = start(stack)
    for _ in range(2):
        opened = pathlib.Path(f"/proc/{offload.pids('keeper')[1]}/fd")
        assert [fd for fd in opened.iterdir() if "bpf-prog" in str(fd.readlink())]
        offload.kill_child("worker")
        offload.agent.wait_line("channel up")


def test_a_whole_is_no_shorter_than_its_parts(stack):
    offload, file = start(stack)
    offload.serve(PORT, file, "hylics", "--nonblock")
    ask(offload, file)
    offload.settled()
    took = {key: stages.samples_us(histogram)[0] for who, found in offload.stages().items()
            for stage, histogram in found.items() if histogram for key in [(who, stage)]}
    for who, parts in (("agent", ("take", "freeze", "dump", "offer")),
                       ("worker", ("restore", "keep", "live", "first"))):
        total = sum(took[who, part] for part in parts)
        # every figure is known to an eighth
        assert took[who, "whole"] * 1.25 >= total * 0.75, took
        assert took[who, "kernel"] <= took[who, "whole"] * 1.25, took


@pytest.mark.parametrize("mode", ["plain", "hylics"])
def test_each_call_finds_its_first_byte_on_the_wire(stack, mode):
    offload, file = start(stack)
    server = offload.serve(PORT, file, mode, "--nonblock", "--calls", 100)
    with capture.Capture(offload.net.host, "up0", PORT) as taken:
        ask(offload, file, "--requests", MOVES, "--close-after")
        left = list(taken.first_segments_ns().values())
        assert not taken.first_segments_ns()
    took_us = pair_up(ended(server)["calls_ns"], left)
    assert len(took_us) == MOVES and min(took_us) > 0
    assert offload.settled()["moved"] == (MOVES if mode == "hylics" else 0)


def test_the_hook_comes_and_goes_beside_a_server_that_stays(stack):
    with hook.place() as here:
        for hooked in (False, True, False, True):
            here.set_hooked(hooked)
            assert here.offload.ask(PORT, here.file, "--requests", 3, "--bytes", "1M")["good"]
            assert here.attached() == hooked
        here.offload.close_programs()
        with pytest.raises(LabError, match="wanted: True"):
            here.set_hooked(True)       # it believes them attached, the kernel knows better
        here.offload.start_keeper()
        here.offload.start_agent()
