# SPDX-License-Identifier: GPL-2.0-or-later
"""The experiment fs in miniature: its ways are what they say, nothing is cached where it matters.

Two boots, the second at the end. How fast anything is does not matter here.
"""

import contextlib
import os
import pathlib
import subprocess

import pytest

from hylab import LabError, wall
from hylab.experiment import Context
from hylab.experiments import fs

EXPERIMENT = fs.EXPERIMENT
SIZE = fs.MIB
LIMIT_S = 120


def arm(way):
    """A way's arm with the largest blocks: the fewest operations."""
    return next(arm for arm in EXPERIMENT.arms if arm.name == fs.arm_name(way, SIZE))


@pytest.fixture(name="ctx", scope="module")
def _ctx(tmp_path_factory):
    wall.require()
    if missing := EXPERIMENT.skip(EXPERIMENT.arms[0]):
        pytest.skip(missing)
    ctx = Context(True, 1, tmp_path_factory.mktemp("fs"))
    ctx.time_left_s = lambda: LIMIT_S       # not the three minutes of a quick run
    with EXPERIMENT.session(ctx) as ctx.session:
        yield ctx


def cached_bytes(place, name):
    """How much of the test file the guest's page cache has."""
    return int(place.tell(f"fincore -nbo RES {fs.MOUNTS}/{name}/{fs.FILE}"))


def test_every_way_is_mounted_as_it_says(ctx):
    found = {}
    for line in ctx.session.tell(f"grep ' {fs.MOUNTS}/' /proc/mounts").splitlines():
        _, where, kind, options, *_ = line.split()
        found[pathlib.Path(where).name] = kind, options.split(",")
    guests = {name: way for name, way in fs.WAYS.items() if way.type != "host" and not way.of}
    assert {name: kind for name, (kind, _) in found.items()} == {
        name: way.type for name, way in guests.items()}
    assert "mmap" in found["9p"][1]


def test_virtiofsds_have_hylicsds_words(ctx):
    pids = ctx.session.vm().pids()
    for name, way in fs.WAYS.items():
        if way.type == "virtiofs" and not way.of:
            words = pathlib.Path(f"/proc/{pids[f'virtiofsd-{name}']}/cmdline").read_text(
                encoding="utf-8").split("\0")
            source = f"source={ctx.session.directory(name)}"
            assert f"{source},cache={way.cache},{fs.VIRTIOFSD_OPTIONS}" in words


@pytest.mark.parametrize("name", ["blk", "blk-mem", "virtiofs-always"])
def test_a_file_is_forgotten_before_it_is_read(ctx, name):
    place = ctx.session
    place.tell(f"cat {fs.MOUNTS}/{name}/{fs.FILE} > /dev/null")
    assert cached_bytes(place, name) == fs.FILE_BYTES
    place.tell(f"cd {fs.MOUNTS}/{name} && {fs.forget(fs.FILE)}")
    assert cached_bytes(place, name) == 0


def test_the_disks_image_is_forgotten_by_the_host(ctx):
    place = ctx.session
    place.tell(f"cat {fs.MOUNTS}/blk/{fs.FILE} > /dev/null")

    def cached():
        return int(subprocess.run(["fincore", "-nbo", "RES", fs.path_of(place.images["blk"])],
                                  capture_output=True, text=True, check=True).stdout)
    assert cached() >= fs.FILE_BYTES
    place.forget_image("blk")
    assert cached() < fs.FILE_BYTES // 8      # what was read anew meanwhile: ext4's own


@pytest.mark.parametrize("way", ["blk", "virtiofs-auto", "9p", "host"])
def test_an_arm_gives_one_sample_of_each_test(ctx, way):
    measured = EXPERIMENT.run_arm(ctx, arm(way), 0)
    assert measured.keys() == fs.TESTS.keys()
    assert all(len(samples) == 1 and samples[0] > 0 for samples in measured.values())
    assert (arm(way).name in ctx.accelerators) == (way != "host")


def test_what_dd_wrote_is_in_the_share(ctx):
    words = fs.dd_words(SIZE, 3)
    fs.run_test(ctx.session, "virtiofs-none", words, fs.TOLD_S)
    written = ctx.session.directory("virtiofs-none") / "written"
    assert written.read_bytes() == bytes(3 * SIZE)


def test_the_guest_works_as_long_as_it_should(ctx):
    place = ctx.session
    alive = f"kill -0 $(cat {fs.vm_path(fs.BUSY_FILE)})"
    with place.busy():
        place.tell(alive)
    assert place.vm().run(alive).code != 0
    measured = EXPERIMENT.run_arm(ctx, arm("host-busy"), 0)
    assert measured.keys() == {*fs.TESTS, "guest_cpu_pct"}


def test_a_dead_vm_costs_its_arm_alone(ctx):
    dead = ctx.session.vm()
    dead.kill()
    with pytest.raises(LabError):
        EXPERIMENT.run_arm(ctx, arm("virtiofs-none"), 0)
    assert EXPERIMENT.run_arm(ctx, arm("host"), 0).keys() == fs.TESTS.keys()
    assert ctx.session.vm() is not dead


def test_nothing_is_left(ctx):
    images = [fs.path_of(image) for image in ctx.session.images.values()]
    assert all(os.readlink(image).endswith("(deleted)") for image in images)
    with contextlib.ExitStack() as stack:
        place = fs.Place(stack)
        folder = place.tmpfs
        assert os.path.ismount(folder)
    assert not folder.exists()
