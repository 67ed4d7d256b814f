# SPDX-License-Identifier: GPL-2.0-or-later
"""./demo, finished or interrupted, leaves the machine as it found it.

HYLICS_MOMENTS=N is the number of random moments (default 2), HYLICS_SEED=S chooses them.
"""

import os
import pathlib
import random
import signal
import subprocess
import time

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
CGROUPS = pathlib.Path("/sys/fs/cgroup")
PLACES = ("/tmp", "/var/tmp", "/run", "/run/netns", "/dev/shm", "/run/user")
OURS = ("qemu-system", "hylics", "virtiofsd", "hylab")
DEMO_LIMIT_S = 900
SHORTEST_DEMO_S = 2.2     # a moment after its end would prove nothing
TAKE_APART_S = 60


def processes():
    """Command lines of what could be ours; not of this test, nor of who runs it."""
    above, pid = set(), os.getpid()
    while pid > 1:
        above.add(str(pid))
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        pid = int(stat.rpartition(")")[2].split()[1])
    found = set()
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or entry.name in above:
            continue
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if any(name in words for name in OURS):
            found.add(f"{entry.name} {words}")
    return found


def output_lines(*command):
    """What a command prints, as a set; empty where there is no such command or right."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        return set()
    return set(done.stdout.splitlines())


def network_namespaces():
    """Inodes of all network namespaces that a process is in."""
    return {line.split()[0] for line in output_lines("lsns", "-n", "-t", "net", "-o", "NS")}


def tree_files():
    """Files of the tree that git does not know, outside the build folder."""
    return {line for line in output_lines("git", "-C", str(TREE), "status", "--porcelain",
                                          "--ignored") if not line.endswith("build/")}


def snapshot():
    """Everything a run could leave behind, by kind."""
    return {
        "processes": processes(),
        "mounts": set(pathlib.Path("/proc/mounts").read_text(encoding="utf-8").splitlines()),
        "network namespaces": network_namespaces(),
        "interfaces": set(os.listdir("/sys/class/net")),
        "cgroups": {str(path) for path in CGROUPS.glob("**/hylics-*")},
        "swap": {line.split()[0] for line in
                 pathlib.Path("/proc/swaps").read_text(encoding="utf-8").splitlines()},
        "nft tables": output_lines("nft", "list", "tables"),
        "files": {f"{place}/{name}" for place in PLACES if os.path.isdir(place)
                  for name in os.listdir(place)},
        "files in the tree": tree_files(),
    }


def what_is_new(before):
    """By kind, what was not there before."""
    after = snapshot()
    return {kind: after[kind] - before[kind] for kind in before if after[kind] - before[kind]}


def assert_unchanged(before):
    """No kind has anything new, as soon as the kernel has taken killed processes apart."""
    deadline = time.monotonic() + TAKE_APART_S
    while (new := what_is_new(before)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not new


def start_demo():
    """./demo in a process group of its own, as a shell starts it."""
    return subprocess.Popen([str(TREE / "demo"), "--rounds", "1"], stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, start_new_session=True,
                            env={**os.environ, "HYLICS_DEPS": "present"})


def interrupt(demo):
    """Ctrl-C: the terminal sends it to the whole group."""
    try:
        os.killpg(demo.pid, signal.SIGINT)
    except ProcessLookupError:
        pass
    demo.stderr.close()
    return demo.wait(DEMO_LIMIT_S)


@pytest.fixture(name="before", scope="module")
def _before():
    """As it was, with nothing left from an earlier run that was killed from outside."""
    subprocess.run([str(TREE / "build/hylics"), "lab", "sweep"], check=False, timeout=60)
    return snapshot()


def test_finished_demo(before):
    demo = start_demo()
    errors = demo.communicate(timeout=DEMO_LIMIT_S)[1]
    assert demo.returncode == 0, errors
    assert_unchanged(before)


@pytest.mark.parametrize("moment", ["vm add", "booting a VM", "waiting for the agent",
                                    "makes a video", "module start", "transcode and stream:"])
def test_interrupted_demo(before, moment):
    demo = start_demo()
    assert any(moment in line for line in demo.stderr), "the demo ended before that"
    assert interrupt(demo) != 0
    assert_unchanged(before)


def test_killed_demo_leaves_nothing_but_what_the_next_run_sweeps(before):
    demo = start_demo()
    assert any("waiting for the agent" in line for line in demo.stderr)
    os.killpg(demo.pid, signal.SIGKILL)
    demo.stderr.close()
    demo.wait(DEMO_LIMIT_S)
    subprocess.run([str(TREE / "build/hylics"), "lab", "sweep"], check=True, timeout=60)
    assert_unchanged(before)


@pytest.mark.parametrize("number", range(int(os.environ.get("HYLICS_MOMENTS", "2"))))
def test_demo_interrupted_at_a_random_moment(before, number):
    seed = os.environ.get("HYLICS_SEED", "1")
    after_s = random.Random(f"{seed} {number}").uniform(0, SHORTEST_DEMO_S)
    demo = start_demo()
    try:
        demo.communicate(timeout=after_s)
    except subprocess.TimeoutExpired:
        pass
    interrupt(demo)
    assert_unchanged(before)
