# SPDX-License-Identifier: GPL-2.0-or-later
"""The share's promise in a real VM: what one side changes, the other sees. One boot.

Every way in which hylicsd gives a guest its share, side by side in one VM, each a share of its own;
docs/share.md has the table this holds. HYLICS_FIGURES=1: what was seen beyond the promise, on
standard error.
"""

import contextlib
import errno
import itertools
import json
import os
import pathlib
import socket
import stat
import sys
import tempfile
import time

import pytest
import side
from hylab.hylicsd import running
from moving import wait_for

from hylab import wall
from hylab.vm import Share, Spec, Vm

MB = 1 << 20
GB = 1 << 30
PIECE = 100_000
PATIENCE_S = 60
INODES = 64
# way: (how hylicsd exports it, its cache mode; over 9p the mount's)
WAYS = {
    "auto": ("virtiofs", "auto"),
    "none": ("virtiofs", "none"),
    "always": ("virtiofs", "always"),
    "9p": ("9p", "mmap"),
    "9p-none": ("9p", "none"),
}
VIRTIOFS = [way for way, (kind, _) in WAYS.items() if kind == "virtiofs"]
MAPPED = [way for way in WAYS if "none" not in way]
# Host to guest. "always" promises nothing; "auto" bytes at open(), names and sizes a second later.
AT_OPEN = [way for way in WAYS if way != "always"]
SOON = ("auto",)
NUMBERS = itertools.count()
SEEN = {}       # way: {what: whether it was seen though it is not promised}


class Pair:
    """The two sides of one share."""

    def __init__(self, way, guest, host, directory):
        self.way, self.guest, self.host = way, guest, host
        self._top = {id(host): pathlib.Path(directory), id(guest): pathlib.Path("/share") / way}
        self._number = next(NUMBERS)

    def at(self, who, name=""):
        """A file's path as one side has it, in a directory of the test's: names are remembered."""
        return str(self._top[id(who)] / str(self._number) / name)

    def note(self, what, seen):
        """What is not promised is told, not judged."""
        SEEN.setdefault(self.way, {})[what] = seen

    def made(self, name, size=PIECE, seed="old"):
        """A file of the host's; its name."""
        fd = self.host.make(self.at(self.host, name))
        self.host.write(fd, seed, 0, size)
        self.host.close(fd)
        return name

    @contextlib.contextmanager
    def open(self, who, name, flags=os.O_RDWR):
        """A file of one side's, for a while."""
        fd = who.open(self.at(who, name), flags)
        try:
            yield fd
        finally:
            who.close(fd)

    def opened(self, name, what):
        """Whether the guest that opens the file anew sees what it should, if need be soon."""
        def look():
            with self.open(self.guest, name, os.O_RDONLY) as fd:
                return what(fd)
        if self.way in SOON:
            return wait_for(look, "the guest sees it", PATIENCE_S)
        return look()


@pytest.fixture(name="hylicsd", scope="module")
def _hylicsd():
    wall.require()
    with running() as host:
        for way, (kind, cache) in WAYS.items():
            words = ["--export", kind] + (["--cache", cache] if kind == "virtiofs" else [])
            host.ask("vm", "add", way, "--share", "32M", "--inodes", str(INODES), *words)
        yield host


def share_of(way, shown):
    """As the lab's VM is told."""
    kind, cache = WAYS[way]
    source = {"socket": shown["virtiofs"]} if kind == "virtiofs" else {}
    return Share(way, "" if source else shown["share"], f"/share/{way}", kind, cache, **source)


@contextlib.contextmanager
def connected(path):
    """The stream of QEMU's end of the port."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        sock.settimeout(60)
        with sock.makefile("rwb", buffering=0) as stream:
            yield stream


@pytest.fixture(name="vm", scope="module")
def _vm(hylicsd):
    shares = tuple(share_of(way, hylicsd.vm(way)) for way in WAYS)
    with tempfile.TemporaryDirectory(dir=wall.RUN) as place:
        with Vm(Spec(name="sharer", memory="512M", shares=shares,
                     channel=f"serial:{place}/port")) as vm:
            vm.port = f"{place}/port"
            yield vm


@pytest.fixture(name="guest", scope="module")
def _guest(vm):
    job = vm.spawn(["/usr/bin/python3", "-B", side.__file__,
                    "/dev/virtio-ports/io.hylics.agent.0"])
    with connected(vm.port) as stream:
        yield side.Remote(stream)
    assert vm.exit_code(job) is None, vm.output(job, "stderr")
    if "HYLICS_FIGURES" in os.environ:
        print(f"# beyond the promise: {json.dumps(SEEN, indent=1)}", file=sys.stderr)


@pytest.fixture(name="pair")
def _pair(request, guest, hylicsd):
    pair = Pair(request.param, guest, side.Side(), hylicsd.vm(request.param)["share"])
    guest.directory(pair.at(guest))
    yield pair
    guest.remove(pair.at(guest))


@contextlib.contextmanager
def refused(number):
    """What is done here fails with this errno."""
    with pytest.raises(OSError) as error:
        yield
    assert error.value.errno == number


def ways(names=tuple(WAYS)):
    """A test for each of these ways."""
    return pytest.mark.parametrize("pair", names, indirect=True)


# -- the guest changes, the host sees it at once: no file is closed or opened again --

@ways()
def test_write_is_seen_by_the_host(pair):
    guest, host = pair.guest, pair.host
    with pair.open(guest, "f", os.O_RDWR | os.O_CREAT) as fd, pair.open(host, "f") as seen:
        for seed, offset in ("first", 0), ("second", 33333), ("third", PIECE):
            guest.write(fd, seed, offset, PIECE)
            assert host.right(seen, seed, offset, PIECE) == PIECE
        assert host.right(seen, "first", 0, 33333) == 33333
        assert host.size(seen) == 2 * PIECE


@ways(VIRTIOFS)
def test_read_is_seen_by_the_host(pair):
    """Also where the access time is later than all others; QEMU's 9p server leaves it alone."""
    guest = pair.guest
    path = pathlib.Path(pair.at(pair.host, pair.made("f")))
    now = time.time()
    os.utime(path, (now + 3600, now))
    with pair.open(guest, "f", os.O_RDONLY) as fd:
        assert guest.right(fd, "old", 0, PIECE) == PIECE
    assert path.stat().st_atime < now + 3600


@ways()
def test_append_is_seen_by_the_host(pair):
    guest, host = pair.guest, pair.host
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    with pair.open(guest, "f", flags) as fd, pair.open(host, "f") as seen:
        for number in range(3):
            guest.append(fd, "mine", number * PIECE, PIECE)
            assert host.right(seen, "mine", 0, 3 * PIECE) == (number + 1) * PIECE


@ways()
def test_truncate_is_seen_by_the_host(pair):
    guest, host = pair.guest, pair.host
    pair.made("f")
    with pair.open(guest, "f") as fd, pair.open(host, "f") as seen:
        guest.truncate(fd, 5000)
        assert host.size(seen) == 5000
        guest.truncate(fd, PIECE)
        assert host.size(seen) == PIECE
        assert host.right(seen, "old", 0, 5000) == 5000
        assert host.zeros(seen, 5000, PIECE - 5000)
        assert guest.zeros(fd, 5000, PIECE - 5000)


@ways()
def test_rename_over_another_is_seen_by_the_host(pair):
    guest, host = pair.guest, pair.host
    pair.made("f")
    with pair.open(guest, "new", os.O_RDWR | os.O_CREAT) as fd, pair.open(host, "f") as old:
        guest.write(fd, "new", 0, PIECE)
        guest.rename(pair.at(guest, "new"), pair.at(guest, "f"))
        assert host.names(pair.at(host)) == ["f"]
        assert host.right(old, "old", 0, PIECE) == PIECE
        with pair.open(host, "f") as seen:
            assert host.right(seen, "new", 0, PIECE) == PIECE
            guest.write(fd, "newer", 0, PIECE)      # the name has gone from under it
            assert host.right(seen, "newer", 0, PIECE) == PIECE


@ways()
def test_holes_are_seen_by_the_host(pair):
    guest, host = pair.guest, pair.host
    with pair.open(guest, "f", os.O_RDWR | os.O_CREAT) as fd, pair.open(host, "f") as seen:
        guest.write(fd, "one", 1 * MB, 4096)
        guest.write(fd, "two", 3 * MB, 8192)
        guest.truncate(fd, 5 * MB)
        pieces = [[MB, MB + 4096], [3 * MB, 3 * MB + 8192]]
        assert host.data(seen) == pieces and host.blocks(seen) == 12288
        # 9p has no word for it: all is data, which is the truth, told badly
        assert guest.data(fd) == ([[0, 5 * MB]] if "9p" in pair.way else pieces)
        if "9p" in pair.way:
            with refused(errno.EOPNOTSUPP):
                guest.punch(fd, 3 * MB, 4096)
        else:
            guest.punch(fd, 3 * MB, 4096)
            assert host.data(seen) == [[MB, MB + 4096], [3 * MB + 4096, 3 * MB + 8192]]
            assert guest.zeros(fd, 3 * MB, 4096)
        assert guest.right(fd, "two", 3 * MB + 4096, 4096) == 4096


@ways(MAPPED)
def test_msync_is_seen_by_the_host(pair):
    guest, host = pair.guest, pair.host
    pair.made("f", 2 * MB)
    with pair.open(guest, "f") as fd, pair.open(host, "f") as seen:
        mapping = guest.map(fd, 2 * MB)
        guest.poke(mapping, "mapped", 12345, MB)
        pair.note("a store, before msync()", host.right(seen, "mapped", 12345, MB) == MB)
        # which is why hylics_sendfile() writes back what it sends
        assert guest.right(fd, "mapped", 12345, MB) == (0 if pair.way == "9p" else MB)
        with pair.open(guest, "f"):
            pass
        pair.note("a store, after a close()", host.right(seen, "mapped", 12345, MB) == MB)
        guest.msync(mapping)
        assert host.right(seen, "mapped", 12345, MB) == MB
        assert host.right(seen, "old", 0, 12345) == 12345
        guest.poke(mapping, "again", 12345, MB)
        guest.msync(mapping)
        assert host.right(seen, "again", 12345, MB) == MB
        guest.write(fd, "written", 0, PIECE)
        assert guest.peek(mapping, "written", 0, PIECE)
        guest.unmap(mapping)


@ways([way for way in WAYS if way not in MAPPED])
def test_shared_mappings_are_refused_without_a_cache(pair):
    pair.made("f")
    with pair.open(pair.guest, "f") as fd:
        with refused(errno.ENODEV if pair.way == "none" else errno.EINVAL):
            pair.guest.map(fd, PIECE)


@ways()
def test_beyond_four_gigabytes(pair):
    guest, host = pair.guest, pair.host
    with pair.open(guest, "f", os.O_RDWR | os.O_CREAT) as fd, pair.open(host, "f") as seen:
        for offset in 2 * GB - 5000, 4 * GB - 5000, 6 * GB + 1:
            guest.write(fd, "far", offset, 10000)
            assert host.right(seen, "far", offset, 10000) == 10000
        assert host.size(seen) == guest.size(fd) == 6 * GB + 10001
        host.write(seen, "back", 5 * GB, 10000)
    with pair.open(guest, "f") as fd:
        assert guest.right(fd, "back", 5 * GB, 10000) == 10000
        assert guest.zeros(fd, 3 * GB, 10000)
        guest.truncate(fd, 4 * GB + 1)
    with pair.open(host, "f") as seen:
        assert host.size(seen) == 4 * GB + 1 and host.right(seen, "far", 4 * GB, 1) == 1


@ways()
def test_unlinked_by_the_guest_while_open(pair):
    guest, host = pair.guest, pair.host
    pair.made("f")
    with pair.open(guest, "f") as fd, pair.open(host, "f") as seen:
        guest.unlink(pair.at(guest, "f"))
        assert host.names(pair.at(host)) == []
        assert guest.right(fd, "old", 0, PIECE) == PIECE
        guest.write(fd, "ghost", 0, PIECE)
        assert host.right(seen, "ghost", 0, PIECE) == PIECE
        if "9p" in pair.way:        # QEMU 7.2 goes by the name, which is no more
            for change in guest.truncate, guest.mode:
                with refused(errno.ENOENT):
                    change(fd, 0o400)
        else:
            guest.truncate(fd, 10)
            assert host.size(seen) == 10


# -- the host changes, the guest sees it --

@ways()
def test_unlinked_by_the_host_while_open(pair):
    guest, host = pair.guest, pair.host
    pair.made("f")
    with pair.open(guest, "f") as fd:
        assert guest.right(fd, "old", 0, 10) == 10
        host.unlink(pair.at(host, "f"))
        assert guest.right(fd, "old", 0, PIECE) == PIECE
        guest.write(fd, "ghost", 0, PIECE)
        assert guest.right(fd, "ghost", 0, PIECE) == PIECE


@ways(AT_OPEN)
def test_bytes_of_the_host_are_seen_at_open(pair):
    """Over ones that the guest had, and has a file open on."""
    guest, host = pair.guest, pair.host
    pair.made("f")
    with pair.open(guest, "f") as kept, pair.open(host, "f") as fd:
        assert guest.right(kept, "old", 0, PIECE) == PIECE
        host.write(fd, "new", 0, PIECE)
        pair.note("bytes, without open()", guest.right(kept, "new", 0, PIECE) == PIECE)
        with pair.open(guest, "f") as seen:
            assert guest.right(seen, "new", 0, PIECE) == PIECE
            pair.note("bytes, at another's open()", guest.right(kept, "new", 0, PIECE) == PIECE)
        mapping = host.map(fd, PIECE)
        host.poke(mapping, "mapped", 0, PIECE)      # a store is enough, here
        with pair.open(guest, "f") as seen:
            assert guest.right(seen, "mapped", 0, PIECE) == PIECE
        host.unmap(mapping)


@ways(AT_OPEN)
def test_sizes_of_the_host_are_seen_at_open(pair):
    guest, host = pair.guest, pair.host
    pair.made("f")
    with pair.open(guest, "f") as kept, pair.open(host, "f") as fd:
        assert guest.right(kept, "old", 0, 2 * PIECE) == PIECE
        host.write(fd, "more", PIECE, PIECE)
        pair.note("a size, without open()", guest.size(kept) == 2 * PIECE)
        with pair.open(guest, "f") as seen:
            pair.note("a size, at open()", guest.size(seen) == 2 * PIECE)
        assert pair.opened("f", lambda seen: guest.right(seen, "more", PIECE, PIECE) == PIECE)
        for size in 5000, 3 * PIECE:
            host.truncate(fd, size)
            assert pair.opened("f", lambda seen, size=size: guest.size(seen) == size)
        assert pair.opened("f", lambda seen: guest.zeros(seen, 5000, 3 * PIECE - 5000))
        assert pair.opened("f", lambda seen: guest.right(seen, "old", 0, 5000) == 5000)


def made_again(pair, name):
    """What comes of a name that the guest has in use and the host has removed."""
    try:
        with pair.open(pair.guest, name, os.O_RDWR | os.O_CREAT):
            return pair.host.exists(pair.at(pair.host, name))
    except OSError as error:
        return error.errno


@ways(AT_OPEN)
def test_names_of_the_host_are_seen_at_open(pair):
    """A file that the guest knows is replaced; one that it knows not to be there comes."""
    guest, host = pair.guest, pair.host
    pair.made("f")
    pair.made("new", seed="new")
    assert not guest.exists(pair.at(guest, "later"))
    with pair.open(guest, "f") as kept:
        assert guest.right(kept, "old", 0, PIECE) == PIECE
        host.rename(pair.at(host, "new"), pair.at(host, "f"))
        with pair.open(guest, "f") as seen:
            pair.note("a name, at open()", guest.right(seen, "new", 0, PIECE) == PIECE)
        assert pair.opened("f", lambda seen: guest.right(seen, "new", 0, PIECE) == PIECE)
        assert guest.right(kept, "old", 0, PIECE) == PIECE
        host.unlink(pair.at(host, "f"))
        pair.note("a name that is gone, at open()", made_again(pair, "f"))
    pair.made("later")
    assert guest.exists(pair.at(guest, "later"))
    assert "later" in guest.names(pair.at(guest))


@ways(AT_OPEN)
def test_holes_of_the_host_are_read_as_zeros(pair):
    guest, host = pair.guest, pair.host
    with pair.open(host, "f", os.O_RDWR | os.O_CREAT) as fd:
        host.write(fd, "one", MB, 4096)
        host.truncate(fd, 4 * MB)
        with pair.open(guest, "f") as seen:
            assert guest.data(seen) == ([[0, 4 * MB]] if "9p" in pair.way else
                                        [[MB, MB + 4096]])
            assert guest.zeros(seen, 0, MB) and guest.right(seen, "one", MB, 4096) == 4096
        host.punch(fd, MB, 4096)
        with pair.open(guest, "f") as seen:
            assert guest.zeros(seen, MB, 4096)
        assert host.blocks(fd) == 0                 # to read a hole fills nothing


# -- owners, and a guest that means no good --

@ways(("auto", "9p"))
def test_owners_and_modes_are_the_same_on_both_sides(pair):
    guest, host = pair.guest, pair.host
    pair.made("f")
    guest.own(pair.at(guest, "f"), 1234, 5678, 0o640)
    assert host.look(pair.at(host, "f")) == [stat.S_IFREG, 0o640, 1234, 5678, 0]
    host.own(pair.at(host, "f"), 4321, 0, 0o600)
    assert wait_for(lambda: guest.look(pair.at(guest, "f"))[1:3] == [0o600, 4321], "the owner")
    with refused(errno.EACCES):
        guest.as_user(1234, pair.at(guest, "f"))
    guest.as_user(4321, pair.at(guest, "f"))


@ways(("auto", "9p"))
def test_special_files_of_the_guest_are_what_they_are(pair):
    """Real ones, so that whoever opens names of a share must look first; see test_hostile.c."""
    guest, host = pair.guest, pair.host
    kinds = {"fifo": stat.S_IFIFO, "socket": stat.S_IFSOCK, "zero": stat.S_IFCHR,
             "disk": stat.S_IFBLK}
    devices = {"zero": os.makedev(1, 5), "disk": os.makedev(254, 0)}
    guest.symlink("/etc/passwd", pair.at(guest, "link"))
    assert host.look(pair.at(host, "link"))[0] == stat.S_IFLNK
    for name, kind in kinds.items():
        if pair.way == "9p":
            with refused(errno.ENXIO):      # by QEMU
                guest.special(pair.at(guest, name), kind, devices.get(name, 0))
            host.special(pair.at(host, name), kind, devices.get(name, 0))
        else:
            guest.special(pair.at(guest, name), kind, devices.get(name, 0))
        assert host.look(pair.at(host, name))[0] == guest.look(pair.at(guest, name))[0] == kind
    for name in devices:
        with refused(errno.EACCES):         # to the host's root too
            host.open(pair.at(host, name), os.O_RDONLY)


@ways(("auto", "9p"))
def test_a_full_share_is_felt_by_its_vm_alone(pair, hylicsd):
    guest = pair.guest
    other = "/share/" + {"auto": "none", "9p": "9p-none"}[pair.way] + "/f"
    done, why = guest.fill(pair.at(guest, "big"), MB, 64 * MB)
    assert why == errno.ENOSPC and 30 * MB < done <= 32 * MB
    assert guest.fill(other, MB, MB) == [MB, 0]
    guest.unlink(pair.at(guest, "big"))
    done, why = guest.crowd(pair.at(guest), 2 * INODES)
    assert why == errno.ENOSPC and done == INODES - 2
    assert guest.fill(other, MB, MB) == [MB, 0]
    guest.unlink(other)
    assert {vm["state"] for vm in hylicsd.json("vm", "list")["vms"]} == {"ready"}


@ways(("auto", "9p"))
def test_who_pays_for_what_the_guest_writes(pair, hylicsd):
    # what was removed is there until virtiofsd has let go of it
    wait_for(lambda: hylicsd.vm(pair.way)["used"] < MB, "the share is empty")
    guest, before = pair.guest, hylicsd.vm(pair.way)["resident"]
    assert guest.fill(pair.at(guest, "big"), MB, 16 * MB) == [16 * MB, 0]
    shown = hylicsd.vm(pair.way)
    assert shown["used"] >= 16 * MB
    grown = shown["resident"] - before
    # over 9p it is QEMU's, whose cgroup is not ours
    assert grown < MB if pair.way == "9p" else grown > 15 * MB


@ways(("9p",))
def test_a_share_that_qemu_has_open_is_not_removed(pair, hylicsd):
    pair.made("f")
    done = hylicsd.ask("vm", "remove", pair.way, check=False)
    assert done.returncode == 5 and "in use" in done.stderr, done
    hylicsd.wait_for_state(pair.way, "ready")
    with pair.open(pair.guest, "f") as fd:
        assert pair.guest.right(fd, "old", 0, PIECE) == PIECE


def test_another_way_is_refused_while_a_guest_has_it_mounted(guest, hylicsd):
    assert hylicsd.vm("auto")["guest"]
    done = hylicsd.ask("vm", "set", "auto", "export=9p", check=False)
    assert done.returncode == 5 and "mounted" in done.stderr, done
    assert hylicsd.vm("auto")["export"] == "virtiofs"
    assert guest.names("/share/auto") == []
