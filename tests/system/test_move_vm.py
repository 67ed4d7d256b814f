# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections of a real VM, on an unmodified older kernel, moved over virtio-serial. One boot.

HYLICS_LONG=1: a thousand moves of 8 connections, and 50 connections at once.
HYLICS_FIGURES=1: counts and times on standard error.
"""

import contextlib
import json
import os
import pathlib
import signal
import sys

import newest
import pytest
from moving import LONG, children, is_stopped
from test_move import good, silent_about_resets

from hylab import wall
from hylab.offload import LIBRARY
from hylab.offload_vm import Job, Machine, OffloadVm
from hylab.wait import wait_for

PORT = 8080
FILE_BYTES = 8 << 20
SLICE = 256 << 10       # what a marker may always have
ROUNDS = 4
SLOW = 50 if LONG else 24     # more than go home at once
# Seconds of transfer: room for what is done meanwhile in a guest that is emulated.
SLOWLY = ("--connections", str(SLOW), "--requests", "2", "--bytes", "8M", "--read-rate", "2M")


@pytest.fixture(name="machine", scope="module")
def _machine():
    wall.require()
    with Machine() as machine:
        yield machine


@contextlib.contextmanager
def serving(machine, keeper_fault=None, **options):
    """Offload for the VM and a server in it; (offload, file)."""
    with OffloadVm(machine, **options).faults(keeper=keeper_fault) as offload:
        file = offload.file("body", FILE_BYTES)
        offload.serve(PORT, file, "hylics", "--nonblock")
        yield offload, file


def show(name, said, counts, seen=None):
    """Figures for who asks for them; times in milliseconds."""
    if "HYLICS_FIGURES" not in os.environ:
        return
    figures = {"requests": said["requests_done"], "moved": counts["moved"],
               "homed": counts["homed"], "home_failed": counts["home_failed"]}
    for kind in ("first_byte", "response"):
        times = sorted(said[kind]["us"])
        for percent in (50, 99, 100):
            figures[f"{kind}_p{percent}"] = times[(len(times) - 1) * percent // 100] / 1000
    for way in ("in", "out") if seen else ():
        figures[f"retransmitted_{way}"] = seen[way]["retransmitted"]
        figures[f"rst_{way}"] = seen[way]["rst"]
    print(f"# {name}: {json.dumps(figures)}", file=sys.stderr)


def waits_or_is_gone(pid):
    """Whether a process that was stopped went on to where it waits, or to its end."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in "SZX"


@pytest.mark.parametrize("family, share, addresses", [
    (4, "virtiofs", True), (6, "virtiofs", True), (4, "9p", True), (4, "virtiofs", False)],
    ids=["v4", "v6", "9p", "guest-tells-addresses"])
def test_bytes_are_right(machine, family, share, addresses):
    with serving(machine, share=share, addresses=addresses) as (offload, file):
        with offload.watch() as seen:
            said = good(offload.ask(PORT, file, "--connections", "8", "--requests", "3",
                                    "--head", "0-2K", "--bytes", "128K-2M", "--tail", "0-2K",
                                    "--upload", "0-20K", family=family))
        counts = offload.counts()
    show("bytes", said, counts, seen)
    assert counts["moved"] == 8
    assert counts["files_refused"] == 0 and counts["bytes_file"] > 0
    silent_about_resets(seen)


@pytest.mark.parametrize("connections, requests, least",
                         [(8, 140, 1000), (50, 12, 50)] if LONG else [(8, 8, 60)])
def test_home_and_away_in_the_middle_of_transfers(machine, connections, requests, least):
    """Each request moves its connection anew, most with bytes in flight, and many go home in it."""
    with serving(machine, worker=("--home-after", "3M")) as (offload, file):
        def enough():
            counts = offload.counts()
            return counts["moved"] >= least and counts["homed"] >= least // 3

        with offload.watch() as seen:
            # an answer that begins right behind a way home is served in the guest: chance, and load
            for _ in range(ROUNDS):
                said = good(offload.ask(PORT, file, "--connections", connections, "--requests",
                                        requests, "--bytes", "3500K-8M", "--slice", "512K",
                                        "--tail", "0-2K", "--upload", "0-2K", timeout_s=500))
                if enough():
                    break
        assert enough(), offload.counts()
        counts = offload.counts()
    show("home and away", said, counts, seen)
    assert counts["reset_by_us"] == counts["faults"] == counts["items_dropped"] == 0
    silent_about_resets(seen)


@pytest.mark.parametrize("who", ["worker", "agent"])
def test_killed_and_taken_over(machine, who):
    with serving(machine) as (offload, file):
        with offload.asking(PORT, file, *SLOWLY) as client:
            offload.wait_counts(lambda counts: counts["moved"] == SLOW)
            offload.kill_child(who)
            offload.wait_counts(lambda counts: counts["resumed"] >= SLOW)
            said = good(client.verdict())
        show(f"{who} killed", said, offload.counts())


def test_drain_in_the_middle_of_transfers(machine):
    with serving(machine) as (offload, file):
        with offload.watch() as seen:
            with offload.asking(PORT, file, *SLOWLY) as client:
                offload.wait_counts(lambda counts: counts["moved"] == SLOW)
                offload.keeper.kill(signal.SIGTERM)
                assert offload.keeper.wait_end() == 0
                said = good(client.verdict())
        show("drain", said, offload.counts(), seen)
    silent_about_resets(seen)


def test_a_guest_hears_of_the_last_that_comes_home_however_late(machine):
    """A port whose host's side has closed throws away what its guest has not read."""
    with serving(machine, keeper_fault="home.done:stop") as (offload, file):
        with offload.asking(PORT, file, "--bytes", "8M", "--read-rate", "4M") as client:
            offload.wait_counts(lambda counts: counts["moved"] == 1)
            worker, = children(offload.keeper.pid)
            offload.keeper.kill(signal.SIGTERM)
            wait_for(lambda: is_stopped(worker), "a worker that is about to say it")
            machine.vm.pause()
            try:
                os.kill(worker, signal.SIGCONT)
                wait_for(lambda: waits_or_is_gone(worker), "a worker that has said it")
            finally:
                machine.vm.resume()
            assert offload.keeper.wait_end() == 0
            good(client.verdict())


def promises_are_kept(machine, offload):
    """Whether there were any when the guest was stopped; all of them are kept before it goes on."""
    seen = offload.counts()["items"]
    offload.wait_counts(lambda counts: counts["items"] > seen)
    machine.vm.pause()
    try:
        before = offload.counts()
        offload.wait_counts(lambda counts: counts["bytes_file"] == counts["bytes_promised"])
        return before["bytes_file"] < before["bytes_promised"]
    finally:
        machine.vm.resume()


def test_what_was_accepted_leaves_the_host_while_the_guest_stands_still(machine):
    with serving(machine) as (offload, _):
        file = offload.file("long", 2 * FILE_BYTES)
        offload.serve(PORT + 1, file, "hylics", "--nonblock")
        with offload.asking(PORT + 1, file, "--connections", "4", "--slice", SLICE, "--read-rate",
                            "4M") as client:
            offload.wait_counts(lambda counts: counts["items"] >= 64)
            # by chance nothing may be promised where the guest is stopped
            assert any(promises_are_kept(machine, offload) for _ in range(ROUNDS))
            good(client.verdict())


@pytest.mark.parametrize("share", ["virtiofs", "9p"])
def test_what_is_sent_is_what_the_guest_reads(machine, share):
    """A file that the guest changes between answers, on a connection that is moved."""
    # over 9p read(2) does not show what was stored in a mapping either, before msync()
    changes = [name for name in newest.CHANGES if share == "virtiofs" or "stored" not in name]
    with OffloadVm(machine, share=share) as offload:
        environment = {**offload.environment, "HYLICS_LIBRARY": LIBRARY / "libhylics.so.0"}
        argv = ["env", *(f"{name}={value}" for name, value in environment.items()), "python3", "-B",
                newest.__file__, "server", offload.in_guest(offload.share / "newest"),
                *changes]
        with Job(machine.vm, argv) as server:
            server.wait_output("port ")
            address, port = offload.where(int(server.output.split()[1])).rsplit(":", 1)
            done = machine.net.client.run([sys.executable, "-B", newest.__file__, "client",
                                           address, port], timeout_s=120, check=False)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert [name for name, _, _ in answers] == changes, (done.stderr, server.log)
        assert all(right for _, _, right in answers), answers
        counts = offload.counts()
        for name in "newest", "newest.old":
            (offload.share / name).unlink(missing_ok=True)
    assert counts["moved"] == 1 and counts["files_refused"] == 0, counts
    # but for heads and ends of answers all of it went out of files, by the host
    assert counts["bytes_file"] >= sum(size for _, size, _ in answers) - 128 * 1024, counts


def test_a_last_slice_too_small_for_a_marker(machine):
    """It is sent by sendfile(2), right behind the marker of the one before."""
    with serving(machine) as (offload, file):
        good(offload.ask(PORT, file, "--connections", "4", "--requests", "4", "--slice", "256K",
                         "--bytes", "525K-527K", "--tail", "0-100"))
        counts = offload.counts()
    assert counts["moved"] == 4
    assert counts["bytes_plain"] > 4 * 4 * 10000
