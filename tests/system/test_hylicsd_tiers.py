# SPDX-License-Identifier: GPL-2.0-or-later
"""The two tiers of a share: hylicsd's swap file, and files that go there and come back."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest
from moving import children, is_stopped, wait_for

from hylab import BUILD, MissingRight, swap_folder, wall
from hylab.hylicsd import SOON_S, Hylicsd

MB = 1 << 20
# any other cgroup of the machine at its limit takes some of it, and all that is idle may come, too:
# a kernel with DAMON fills 256M within a minute
SIZE = 1024 * MB


def in_use(path):
    """Bytes of a swap file that is in use, 0 if it is not."""
    rows = [line.split() for line in pathlib.Path("/proc/swaps").read_text().splitlines()[1:]]
    return next((int(row[2]) << 10 for row in rows if row[0] == str(path)), 0)


@contextlib.contextmanager
def swap_place():
    """Where a swap file may be, and none is."""
    with swap_folder.made_in(BUILD) as folder:
        yield folder / "swap"


@pytest.fixture(name="file")
def _file():
    with swap_place() as path:
        yield path


@pytest.fixture(name="host")
def _host(file):
    assert not file.exists()    # made first, so removed last: one in use cannot be
    host = Hylicsd()
    yield host
    host.close()


def start(host, file, size=SIZE, env=None):
    """A hylicsd with that in its configuration; what it says of it once that is settled."""
    config = host.top / "hylicsd.conf"
    config.write_text(f"[hylicsd]\nswap-file = {file}\nswap-size = {size}\n")
    host.start(f"--config={config}", env=env)
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
        wall.mount_tmpfs(file.parent, 128 * MB, closing)
        assert "cannot hold one" in refused(host, file, 64 * MB)
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


@pytest.mark.parametrize("action", ["fail", "kill"])
def test_the_job_for_it_fails_or_dies(host, file, action):
    fault = {"HYLICS_FAULT": f"vm.swap:{action}:1"}
    assert "swap_why" in start(host, file, env=fault)
    assert not in_use(file)
    # each job is a process of its own, so this one's step is its first as well
    assert host.end() == 0
    assert "swap_file" in start(host, file)
    assert host.end() == 0 and not any(file.parent.iterdir())


# -- files of a share -----------------------------------------------------------------------------

FILE = 16 * MB
MOST = FILE - FILE // 8
TRIES = 8


def pages(host, to, *paths):
    """What is told of each file."""
    done = host.ask("vm", "pages", "web1", to, *paths, "--json", check=False)
    files = json.loads(done.stdout)["files"]
    assert done.returncode == any("error" in file for file in files), done
    assert [file["path"] for file in files] == list(paths)
    return files


def write(host, share, name, source="/dev/urandom"):
    """A file as a guest's virtiofsd writes it."""
    host.inside("web1", "dd", f"if={source}", f"of={share / name}", "bs=1M",
                f"count={FILE // MB}")
    return (share / name).read_bytes()


@pytest.fixture(name="share")
def _share(host, file):
    start(host, file)
    vm = host.json("vm", "add", "web1", "--share", "96M", "--memory", "64M")
    return pathlib.Path(vm["share"])


def are_in(host, *paths):
    """Brings files in; whether most of each is then."""
    return all(file["after"] >= MOST for file in pages(host, "in", *paths))


def only_cold_goes(host):
    """Whether that one file goes out and the other one stays. A kernel with DAMON may take of both
    at any time."""
    wait_for(lambda: are_in(host, "cold", "warm"), "both files are in memory")
    cold, = pages(host, "out", "cold")
    assert cold["size"] == FILE and cold["after"] <= FILE // 8, cold
    assert host.vm("web1")["swapped"] >= MOST
    return pages(host, "in", "warm")[0]["before"] >= MOST


# newer kernels need no copy of zeros: of these nothing stays in memory that could be taken later
@pytest.mark.parametrize("source", ["/dev/urandom", "/dev/zero"])
def test_a_file_goes_out_and_comes_back(host, share, source):
    content = write(host, share, "cold", source), write(host, share, "warm")
    before = host.limits()
    assert any(only_cold_goes(host) for _ in range(TRIES)), "one file goes, the other stays"
    wait_for(lambda: are_in(host, "cold", "warm"), "both files are back in memory")
    assert content == ((share / "cold").read_bytes(), (share / "warm").read_bytes())
    assert host.limits() == before and host.vm("web1")["state"] == "ready"
    said = host.ask("vm", "pages", "web1", "in", "cold").stdout
    assert re.fullmatch(r"cold: [\d.]+M of 16M in memory, before [\d.]+M\n", said), said


def test_only_files_of_the_share_are_touched(host, share):
    (share / "d").mkdir()
    (share / "plain").write_bytes(b"x" * 5000)
    (share / "link").symlink_to("plain")
    (share / "out").symlink_to("/etc/passwd")
    os.mkfifo(share / "fifo")
    os.mknod(share / "null", 0o20666, os.makedev(1, 3))
    with open(share / "sparse", "wb") as file:
        file.truncate(1 << 40)
        os.pwrite(file.fileno(), b"x" * 4096, 1 << 39)
    used = host.vm("web1")["used"]
    wrong = ("d", "link", "out", "fifo", "null", "none", "../worker.json", "/etc/passwd",
             "d/../../share/plain", "x" * 300)
    for to in ("out", "in"):
        files = pages(host, to, *wrong, "plain", "sparse")
        assert all("error" in file for file in files[:-2]), files
        assert files[-2]["size"] == 5000 and files[-1]["size"] == 1 << 40
        assert files[-1]["after"] <= 65536
    assert host.vm("web1")["used"] == used
    for words in (("sideways", "plain"), ("out", "x" * 2000), ("out", "")):
        done = host.ask("vm", "pages", "web1", *words, check=False)
        assert done.returncode in (1, 2), done
    done = host.ask("vm", "pages", "web1", "out", *["plain"] * 17, check=False)
    assert done.returncode == 2, done
    assert host.ask("vm", "pages", "web9", "out", "plain", check=False).returncode == 3


def test_a_guest_that_moves_things_meanwhile(host, share):
    (share / "a").write_bytes(b"x" * MB)
    script = (f"cd {share}; i=0; while :; do mv a b; ln -s /etc/passwd a; rm a; mkfifo a; rm a;"
              " mv b a; truncate -s $((i % 5))M a; truncate -s 1T a; truncate -s 1M a;"
              " i=$((i + 1)); done")
    with subprocess.Popen(["sh", "-c", script]) as guest:
        try:
            for _ in range(20):
                for to in ("out", "in"):
                    host.ask("vm", "pages", "web1", to, "a", "--json", check=False)
        finally:
            guest.kill()
    assert host.vm("web1")["state"] == "ready"


def test_without_swap_nothing_goes_out(host):
    host.start()
    share = pathlib.Path(host.json("vm", "add", "web1", "--share", "64M")["share"])
    if host.json("status")["swap_free"]:
        pytest.skip("this machine has swap")
    write(host, share, "cold")
    cold, = pages(host, "out", "cold")
    assert cold["after"] == FILE


def restart(host, file, fault):
    """The next hylicsd, which comes to grief in its jobs."""
    host.end(signal.SIGUSR1)
    start(host, file, env={"HYLICS_FAULT": fault})
    host.wait_for_state("web1", "ready")


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_job_that_dies_is_told_and_leaves_the_limit(host, file, share, step):
    for name in ("one", "two"):
        write(host, share, name, "/dev/zero")
    before = host.limits()
    restart(host, file, f"vm.pages:kill:{step}")
    done = host.ask("vm", "pages", "web1", "out", "one", "two", check=False)
    assert done.returncode == 1 and "killed by signal 9" in done.stderr, done
    assert host.limits() == before
    for name in ("one", "two"):
        write(host, share, name, "/dev/zero")
    restart(host, file, f"vm.pages:fail:{step}")
    done = host.ask("vm", "pages", "web1", "out", "one", "two", check=False)
    assert done.returncode == 1 and "a fault step" in done.stderr, done
    assert host.limits() == before
    host.end(signal.SIGUSR1)
    start(host, file)
    host.wait_for_state("web1", "ready")
    assert pages(host, "out", "one")[0]["after"] <= FILE // 8


@pytest.mark.parametrize("words", [("remove", "web1"), ("set", "web1", "memory=48M"), None])
def test_other_changes_do_not_wait_for_it(host, file, share, words):
    write(host, share, "cold", "/dev/zero")
    restart(host, file, "vm.pages:stop:2")
    asking = subprocess.Popen([BUILD / "hylics", "vm", "pages", "web1", "out", "cold",
                               f"--run-dir={host.run}"], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: any(map(is_stopped, children(host.process.pid))), "the job comes to its step")
    assert host.ask("vm", "pages", "web1", "in", "cold", check=False).returncode == 5
    if words:
        host.ask("vm", *words)
    else:
        assert host.end() == 0
    said = asking.communicate(timeout=SOON_S)[1]
    assert asking.returncode == 1 and "killed by signal 9" in said, said
    if words and words[0] == "set":
        assert {limit // MB for limit in host.limits().values()} == {48 + 32}
    else:
        assert host.nothing_left()
