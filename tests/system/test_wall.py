# SPDX-License-Identifier: GPL-2.0-or-later
"""The wall of `hylics lab exec`: what is inside is gone when it ends, however it ends.

Runs outside the wall, as its user does.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

import pytest

HYLICS = str(pathlib.Path(os.environ["HYLICS_BUILD"]) / "hylics")
CGROUPS = pathlib.Path("/sys/fs/cgroup")
LIMIT_S = 30
# Says which signals come.
SAY_AND_WAIT = ("trap 'echo term' TERM; trap 'echo int' INT; "
                "echo ready; while :; do sleep 1000 & wait; done")


def run(*command, **settings):
    """Run a command inside the wall to its end."""
    return subprocess.run([HYLICS, "lab", "exec", "--", *command], capture_output=True, text=True,
                          timeout=LIMIT_S, check=False, **settings)


@contextlib.contextmanager
def started(*command):
    """A command inside the wall, in a process group of its own; killed when the block ends."""
    supervisor = subprocess.Popen([HYLICS, "lab", "exec", "--", *command], text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  start_new_session=True)
    try:
        yield supervisor
    finally:
        supervisor.kill()
        supervisor.wait(LIMIT_S)
        supervisor.stdin.close()
        supervisor.stdout.close()


def descendants(pid):
    """Process ids below a process, from /proc."""
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    found = [int(child) for child in children.split()]
    return found + [below for child in found for below in descendants(child)]


def is_alive(pid):
    """Whether a process is there and no zombie that only waits to be reaped."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def wait_gone(pids):
    """Wait until the kernel has ended them all; those that are left."""
    deadline = time.monotonic() + LIMIT_S
    while (left := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


def our_cgroups(pid):
    """Cgroup directories of a wall whose supervisor has this process id."""
    return list(CGROUPS.glob(f"**/hylics-lab-{pid}-*"))


@pytest.mark.parametrize("code", [0, 1, 3, 77, 200])
def test_exit_code_is_the_commands(code):
    assert run("sh", "-c", f"exit {code}").returncode == code


def test_exit_code_tells_the_signal():
    assert run("sh", "-c", "kill -KILL $$").returncode == 128 + signal.SIGKILL


def test_command_that_is_not_there_says_so():
    done = run("no-such-command-here")
    assert done.returncode not in (0, 77)
    assert "no-such-command-here" in done.stderr


def test_inside_there_are_no_processes_interfaces_or_runtime_files_of_the_machine():
    done = run("sh", "-c", "cat /proc/[0-9]*/comm; ls /sys/class/net; ls -A /run | wc -l")
    lines = done.stdout.split()
    assert set(lines) == {"hylics-wall", "sh", "lo", "0"}, done.stdout


def test_what_is_made_inside_is_not_seen_outside(tmp_path):
    before = pathlib.Path("/proc/mounts").read_text(encoding="utf-8")
    done = run("sh", "-ec", f"mount -t tmpfs none {tmp_path}; ip netns add x; touch /run/y; "
               f"touch {tmp_path}/z; ip link add v0 type veth peer name v1")
    assert done.returncode == 0, done.stderr
    assert pathlib.Path("/proc/mounts").read_text(encoding="utf-8") == before
    assert not list(tmp_path.iterdir())
    assert not pathlib.Path("/run/netns/x").exists()
    assert not pathlib.Path("/run/y").exists()


@pytest.mark.parametrize("orphan", ["sleep 1000 &", "setsid sleep 1000 &",
                                    "trap '' HUP TERM INT; sleep 1000 &"])
def test_processes_left_behind_end_with_the_command(orphan):
    with started("sh", "-c", f"{orphan} echo ready; read go; exit 9") as supervisor:
        assert supervisor.stdout.readline() == "ready\n"
        inside = descendants(supervisor.pid)
        assert len(inside) == 3
        print("go", file=supervisor.stdin, flush=True)
        assert supervisor.wait(LIMIT_S) == 9
        assert not wait_gone(inside)


def test_kill_9_of_the_supervisor_takes_everything_along_and_the_next_run_sweeps():
    with started("sh", "-c", "for d in /sys/fs/cgroup/cpu /sys/fs/cgroup; do "
                 "mkdir -p $d/$HYLICS_LAB_CGROUP/deep 2>/dev/null && break; done; "
                 + SAY_AND_WAIT) as supervisor:
        assert supervisor.stdout.readline() == "ready\n"
        inside = descendants(supervisor.pid)
        if not our_cgroups(supervisor.pid):
            pytest.skip("no cgroup can be made here; that takes root")
        supervisor.kill()
        supervisor.wait(LIMIT_S)
        assert not wait_gone(inside)
    subprocess.run([HYLICS, "lab", "sweep"], check=True, timeout=LIMIT_S)
    assert not our_cgroups(supervisor.pid)


def test_cgroups_go_with_a_wall_that_ends_by_itself():
    with started("sh", "-c", "for d in /sys/fs/cgroup/cpu /sys/fs/cgroup; do "
                 "mkdir -p $d/$HYLICS_LAB_CGROUP/deep 2>/dev/null && break; done; "
                 "echo ready") as supervisor:
        assert supervisor.stdout.readline() == "ready\n"
        assert supervisor.wait(LIMIT_S) == 0
        assert not our_cgroups(supervisor.pid)


@pytest.mark.parametrize(("signo", "said"), [(signal.SIGTERM, "term"), (signal.SIGINT, "int")])
def test_a_signal_to_the_supervisor_reaches_the_command_once(signo, said):
    with started("sh", "-c", SAY_AND_WAIT) as supervisor:
        assert supervisor.stdout.readline() == "ready\n"
        inside = descendants(supervisor.pid)
        supervisor.send_signal(signo)
        assert supervisor.stdout.readline() == said + "\n"
        supervisor.send_signal(signal.SIGQUIT)      # which kills at once
        supervisor.wait(LIMIT_S)
        assert supervisor.stdout.read() == ""
        assert not wait_gone(inside)


def test_wall_inside_a_wall():
    done = run(HYLICS, "lab", "exec", "--", "sh", "-c", "ls -d /proc/[0-9]* | wc -l; exit 5")
    assert done.returncode == 5
    assert int(done.stdout) <= 4
