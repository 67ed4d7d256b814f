# SPDX-License-Identifier: GPL-2.0-or-later
"""hylicsd's swap file: made, found again, kept while a VM needs it, removed; errors are told."""

import contextlib
import os
import pathlib
import signal
import socket
import tempfile

import pytest
from hylicsd import BUILD, Hylicsd
from moving import wait_for

from hylab import MissingRight, wall

MB = 1 << 20
SIZE = 64 * MB


def in_use(path):
    """Bytes of a swap file that is in use, 0 if it is not."""
    rows = [line.split() for line in pathlib.Path("/proc/swaps").read_text().splitlines()[1:]]
    return next((int(row[2]) << 10 for row in rows if row[0] == str(path)), 0)


@pytest.fixture(name="file")
def _file():
    # on the disk of the build folder: no tmpfs can hold swap
    with tempfile.TemporaryDirectory(prefix="hyswap", dir=BUILD.resolve()) as folder:
        yield pathlib.Path(folder) / "swap"


@pytest.fixture(name="host")
def _host(file):
    del file            # what is in use cannot be removed: it goes last
    host = Hylicsd()
    yield host
    host.close()


def start(host, file, size=SIZE):
    """A hylicsd with that in its configuration; what it says of it once that is settled."""
    config = host.top / "hylicsd.conf"
    config.write_text(f"[hylicsd]\nswap-file = {file}\nswap-size = {size}\n")
    host.start(f"--config={config}")
    said = wait_for(lambda: {"swap_file", "swap_why"} & set(host.json("status")) and
                    host.json("status"), "the swap file is there, or not to be had")
    if "Operation not permitted" in said.get("swap_why", ""):
        raise MissingRight(said["swap_why"])
    return said


def test_it_comes_and_goes_with_hylicsd(host, file):
    said = start(host, file)
    assert said["swap_file"] == str(file)
    assert SIZE - MB <= in_use(file) < SIZE and file.stat().st_size == SIZE
    host.ask("vm", "add", "web1", "--share", "64M", "--memory", "32M")
    assert host.end() == 0
    assert not in_use(file) and not file.exists()
    assert not list(host.top.glob("swap-file*"))


def test_a_killed_one_leaves_it_to_the_next(host, file):
    start(host, file)
    inode = file.stat().st_ino
    host.kill()
    assert in_use(file)
    start(host, file)
    assert in_use(file) and file.stat().st_ino == inode
    assert host.end(signal.SIGUSR1) == 0
    assert in_use(file)
    # and one whose configuration has another one, or none
    other = file.with_name("other")
    assert start(host, other)["swap_file"] == str(other)
    assert in_use(other) and not in_use(file) and not file.exists()
    host.kill()
    host.start()
    wait_for(lambda: not in_use(other) and not other.exists(), "it is swept")


def test_it_stays_while_a_guest_needs_it(host, file):
    start(host, file)
    vm = host.json("vm", "add", "web1", "--share", "48M", "--memory", "32M")
    with socket.socket(socket.AF_UNIX) as guest:
        guest.connect(vm["virtiofs"])
        wait_for(lambda: host.vm("web1")["guest"], "somebody has the share mounted")
        assert host.end() == 0
        assert in_use(file)
        # neither another size nor another file takes it away
        assert "keeps its size" in start(host, file, 2 * SIZE)["swap_why"]
        assert SIZE - MB <= in_use(file) < SIZE
        assert host.end() == 0
        other = file.with_name("other")
        start(host, other)
        assert in_use(file) and in_use(other)
    wait_for(lambda: not host.vm("web1")["guest"], "nobody has")
    assert host.end() == 0
    assert not in_use(file) and not in_use(other) and not any(file.parent.iterdir())


def test_no_more_is_promised_than_there_is(host, file):
    start(host, file)
    free = host.json("status")["swap_free"] // MB
    beyond = free * 5 // 8
    words = ("--share", f"{32 + beyond}M", "--memory", "32M")
    host.ask("vm", "add", "web1", *words)
    done = host.ask("vm", "add", "web2", *words, check=False)
    assert done.returncode == 5 and "not promised" in done.stderr, done
    done = host.ask("vm", "set", "web1", f"size={32 + 2 * free}M", check=False)
    assert done.returncode == 5, done
    host.ask("vm", "set", "web1", "memory=16M", f"size={16 + beyond // 2}M")
    host.ask("vm", "add", "web2", "--share", f"{32 + beyond // 2}M", "--memory", "32M")


def refused(host, file, size=SIZE):
    """Why the configured file cannot be had; all the rest works."""
    why = start(host, file, size)["swap_why"]
    if not host.json("status")["swap_free"]:
        done = host.ask("vm", "add", "web1", "--share", "64M", "--memory", "32M", check=False)
        assert done.returncode == 5 and str(file) in done.stderr, done
    host.ask("vm", "add", "web2", "--share", "64M")
    assert host.ask("status").stdout.count(str(file)) == 1
    host.ask("vm", "remove", "web2")
    assert host.end() == 0
    return why


def test_file_system_that_cannot_hold_one(host, file):
    with contextlib.ExitStack() as closing:
        wall.mount_tmpfs(file.parent, 2 * SIZE, closing)
        assert "cannot hold one" in refused(host, file)
        assert not file.exists()


def test_what_is_there_is_left_alone(host, file):
    file.write_bytes(b"somebody's")
    assert "not made by hylicsd" in refused(host, file)
    assert file.read_bytes() == b"somebody's"


def test_what_the_disk_has_no_room_for(host, file):
    at = os.statvfs(file.parent)
    room = at.f_blocks * at.f_frsize
    assert "allocate" in refused(host, file, min(room + (1 << 30), 1 << 44))
    assert not any(file.parent.iterdir())


def test_folder_that_is_not_there(host, file):
    assert "No such file" in refused(host, file.parent / "no" / "swap")
