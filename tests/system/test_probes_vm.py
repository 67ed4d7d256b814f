# SPDX-License-Identifier: GPL-2.0-or-later
"""Probes, splice, hylicsd on the guest's kernel; mmap on the share by file system and cache."""

import pathlib
import re
import subprocess
import tempfile

import pytest

from hylab import BUILD, WORK, wall
from hylab.vm import Share, Spec, Vm

PROBES = sorted(path.name for path in (BUILD / "tests/probes").glob("probe-*")
                if path.is_file() and path.name != "probe-share_mmap")
WRITER = Share("writer", "", "/run/share/writer", "9p", "none")
DISK_BYTES = 450 << 20
SWAP_PLACE = "/run/swap-place"
# What each mode must keep; "fresh": seen at open() although this side has the old bytes cached.
MODES = {
    "9p-none": ("9p", "none", {"mmap": "no"}),
    "9p-mmap": ("9p", "mmap", {}),
    "9p-loose": ("9p", "loose", {"fresh": "no", "write": "no"}),
    "virtiofs-none": ("virtiofs", "none", {"mmap": "no"}),
    "virtiofs-auto": ("virtiofs", "auto", {}),
    "virtiofs-always": ("virtiofs", "always", {"fresh": "no"}),
}


def mounts(directory):
    """One mount of the same directory for every mode, and one to play the host with."""
    shares = [Share(name, directory, f"/run/share/{name}", kind, cache)
              for name, (kind, cache, _) in MODES.items()]
    return (Share(WRITER.tag, directory, WRITER.mount_point, WRITER.type, WRITER.cache), *shares)


def swap_disk():
    """A file system that a swap file can lie on: neither tmpfs nor the guest's overlay can."""
    WORK.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=WORK, suffix=".img", delete=False) as image:
        image.truncate(DISK_BYTES)
    subprocess.run(["mkfs.ext4", "-q", image.name], check=True)
    return pathlib.Path(image.name)


@pytest.fixture(name="guest", scope="module")
def _guest():
    wall.require()
    directory = wall.RUN / "probe-share"
    directory.mkdir(exist_ok=True)
    disk = swap_disk()
    try:
        with Vm(Spec(name="probes", memory="1G", shares=mounts(str(directory)), disks=(disk,),
                     env={"HY_PROBE_DIR": SWAP_PLACE}, time_limit_s=1500)) as vm:
            made = vm.run(f"mkdir -p {SWAP_PLACE} && /run/busybox mount -t ext4 /dev/vda "
                          f"{SWAP_PLACE}")
            assert made.code == 0, made.stderr
            yield vm
    finally:
        disk.unlink()


def judge(result):
    """Fail with what the probe printed; a probe that skipped itself is skipped here."""
    skipped = re.match(r"1\.\.0 # skip (.*)", result.stdout, re.I)
    if skipped:
        pytest.skip(skipped[1])
    assert result.code == 0 and "not ok" not in result.stdout, result.stdout + result.stderr


@pytest.mark.parametrize("probe", PROBES)
def test_probe_holds_on_the_guests_kernel(guest, probe):
    judge(guest.run(f"cd /tmp && exec {BUILD}/tests/probes/{probe}", timeout_s=300))


@pytest.mark.parametrize("name", ("frames", "live"))
def test_splice_works_on_the_guests_kernel(guest, name):
    judge(guest.run(f"cd /tmp && exec {BUILD}/tests/splice/test-splice_{name}", timeout_s=300))


@pytest.mark.parametrize("name", ("cgroup", "share", "pages", "swap"))
def test_hylicsd_works_on_the_guests_kernel(guest, name):
    result = guest.run(f"cd /tmp && exec {BUILD}/tests/hylicsd/test-hylicsd_{name}", timeout_s=300)
    judge(result)
    assert name != "cgroup" or "cgroups of version 2" in result.stdout, result.stdout


@pytest.mark.parametrize("mode", MODES)
def test_share_by_cache_mode(guest, mode):
    expected = "".join(f" --expect-{what} {value}" for what, value in MODES[mode][2].items())
    judge(guest.run(f"exec {BUILD}/tests/probes/probe-share_mmap /run/share/{mode} {mode} "
                    f"--writer {WRITER.mount_point}{expected}", timeout_s=300))
