# SPDX-License-Identifier: GPL-2.0-or-later
"""Marks of jobs: programs run whatever becomes of the telling, and the host learns of each.

The guest is nothing at all: an agent and a worker with a unix socket between them. Clients made of
packets mark jobs in crowds, and badly.
"""

import collections
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

import pytest
from hylab.hylicsd import Hylicsd
from moving import PATIENCE_S, children, is_stopped, wait_for
from test_drain import Operated

from hylab import BUILD, channel, wall
from hylab.net import Net

GUEST = BUILD / "hylics-guest" / "hylics-guest"
LIBRARY = (BUILD / "libhylics" / "libhylics.so.0").resolve()
LIMITS = (pathlib.Path(__file__).resolve().parents[2] / "common/limits.h").read_text("utf-8")
PER_USER = int(re.search(r"HY_JOBS_PER_USER_MAX (\d+)", LIMITS)[1])
SHOWN = int(re.search(r"HY_JOBS_SHOWN_MAX (\d+)", LIMITS)[1])
UNTOLD = int(re.search(r"HY_JOBS_UNTOLD_MAX (\d+)", LIMITS)[1])
BEGIN, BEGUN, END, ERROR, JOIN = 24, 25, 26, 3, 4
EXITED, KILLED, LOST = 1, 2, 3
# says what it is sent, so that a test knows where it stands, and ends when told to, or alone
OBEYS = """
import os, signal, sys
if len(sys.argv) > 1:
    os.setpgid(0, 0)    # where the terminal does not reach it
for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
    signal.signal(signo, lambda signo, frame: os.write(1, b"got %d\\n" % signo))
os.write(1, b"ready\\n")
for line in iter(sys.stdin.readline, ""):
    if line.startswith("end"):
        sys.exit(5)
    os.write(1, b"heard\\n")
"""


# three stay open
MARKS = """
import ctypes, sys, threading
library = ctypes.CDLL(sys.argv[1])
library.hylics_job_begin.restype = ctypes.c_void_p
library.hylics_job_begin.argtypes = [ctypes.c_char_p, ctypes.c_uint64]
library.hylics_job_end.argtypes = [ctypes.c_void_p, ctypes.c_int]
library.hylics_job_end(library.hylics_job_begin(b"bad", 0), -1)
threads = [threading.Thread(target=lambda i=i: library.hylics_job_end(
    library.hylics_job_begin(b"thread %d" % i, 2000000), 0)) for i in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for i in range(3):
    assert library.hylics_job_begin(b"open", 0)
print("done", flush=True)
sys.stdin.read()
"""


def packet(kind, payload=b"", ident=9, version=1):
    """For agent.sock."""
    return struct.pack("<HHI", version, kind, ident) + payload


def begin(name=b"made", waited_us=0):
    """Of a job."""
    return packet(BEGIN, struct.pack("<QH", waited_us, len(name)) + name)


def end(state=EXITED, code=0, ran_us=1000):
    """Of one."""
    return packet(END, struct.pack("<BBQ", state, code, ran_us))


def kind_of(answer):
    """Its type; 0: the connection has ended."""
    return struct.unpack_from("<H", answer, 2)[0] if answer else 0


def in_hex(payload):
    """For a test's name."""
    return payload.hex() or "nothing"


class Scene:
    """Agent and worker, and what is asked there."""

    def __init__(self, stack, place):
        self.stack, self.place = stack, place
        self.address = f"unix:{place}/c.sock"
        self.stats = place / "stats"
        self.worker = None
        self.start_worker()
        self.agent = stack.enter_context(
            channel.agent(self.address, place, "--no-mount", "--no-offload"))
        self.agent.wait_line(channel.UP)

    def start_worker(self):
        """Another one."""
        self.worker = self.stack.enter_context(
            channel.worker(self.address, "--stats", str(self.stats)))

    def lose_worker(self):
        """Killed, and the agent knows."""
        self.worker.kill()
        self.worker.wait_end()
        wait_for(lambda: channel.status(self.place)["channel"] != "up", "the session's end")

    def jobs(self):
        """What the host knows of them."""
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            guest = json.loads(self.stats.read_text("utf-8")).get("guest", {})
            return collections.Counter(guest.get("jobs", {}))
        return collections.Counter()

    def wait_jobs(self, **totals):
        """Them, as soon as these totals are there."""
        def reached():
            jobs = self.jobs()
            return all(jobs[name] == value for name, value in totals.items()) and jobs
        try:
            return wait_for(reached, str(totals))
        except AssertionError as error:
            raise AssertionError(f"{error}; but {self.jobs()}") from error

    def environment(self):
        """For programs of the guest."""
        return {**os.environ, "HYLICS_RUN_DIR": str(self.place)}

    def run(self, *words):
        """hylics-guest job, to its end."""
        return subprocess.run([GUEST, "job", *map(str, words)], capture_output=True, text=True,
                              check=False, env=self.environment(), timeout=PATIENCE_S)

    def obeys(self, *options, **more):
        """hylics-guest job of a program that obeys; it runs."""
        process = subprocess.Popen([GUEST, "job", *options, "--", sys.executable, "-c", OBEYS],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env=self.environment(),
                                   **more)
        self.stack.callback(process.communicate)
        self.stack.callback(process.kill)
        assert hear(process) == "ready\n"
        return process

    def connect(self):
        """A program of the guest."""
        sock = self.stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        sock.settimeout(PATIENCE_S)
        sock.connect(str(self.place / "agent.sock"))
        return sock

    def mark(self, **words):
        """One with a job that runs."""
        sock = self.connect()
        sock.send(begin(**words))
        assert kind_of(sock.recv(1024)) == BEGUN
        return sock


@pytest.fixture(name="place")
def _place():
    wall.require()
    return channel.socket_path().parent


@pytest.fixture(name="scene")
def _scene(place):
    with contextlib.ExitStack() as stack:
        yield Scene(stack, place)


def one_line(done):
    """The only one on stderr."""
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("hylics-guest job: "), done.stderr
    return lines[0]


def hear(process):
    """The next line of one that obeys; one that says nothing is ended."""
    def give_up():
        process.kill()
        process.stdin.close()
    limit = threading.Timer(PATIENCE_S, give_up)
    limit.start()
    try:
        return process.stdout.readline()
    finally:
        limit.cancel()


def finish(process):
    """Let one that obeys end; its exit code and what it said on stderr."""
    _, errors = process.communicate("end\n", timeout=PATIENCE_S)
    return process.returncode, errors


# -- the plain path --

@pytest.mark.parametrize("words, code, out", [
    (["true"], 0, ""), (["sh", "-c", "echo out; exit 7"], 7, "out\n"),
    (["sh", "-c", "kill -TERM $$"], 128 + 15, ""), (["echo", "--name", "--"], 0, "--name --\n")])
def test_a_program_runs_as_ever_without_an_agent(place, words, code, out):
    done = subprocess.run([GUEST, "job", "--run-dir", place, "--", *words], capture_output=True,
                          text=True, check=False, timeout=PATIENCE_S)
    assert (done.returncode, done.stdout) == (code, out)
    assert "runs uncounted: agent not reached" in one_line(done)


def test_input_and_signal_state_are_the_programs(scene):
    done = subprocess.run([GUEST, "job", "cat"], input="in\n", capture_output=True, text=True,
                          check=False, env=scene.environment(), timeout=PATIENCE_S)
    assert (done.stdout, done.stderr, done.returncode) == ("in\n", "", 0)
    shows = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]
    # what was ignored before is ignored, a child's end, too
    ignored = ["env", "--ignore-signal=HUP", "--ignore-signal=CHLD", "--block-signal=USR2"]
    plain = subprocess.run([*ignored, *shows], capture_output=True, text=True, check=True)
    job = subprocess.run([*ignored, GUEST, "job", *shows], capture_output=True, text=True,
                         check=True, env=scene.environment())
    assert job.stdout == plain.stdout


def test_one_that_cannot_be_started_fails_as_a_job(scene, tmp_path):
    done = scene.run("--", "no-such-program")
    assert done.returncode == 127 and "no-such-program" in done.stderr
    file = tmp_path / "file"
    file.write_text("")
    done = scene.run("--", file)
    assert done.returncode == 126 and str(file) in done.stderr
    jobs = scene.wait_jobs(failed=2)
    assert [job["code"] for job in jobs["last"]] == [127, 126]


def test_an_agent_that_stands_still_holds_nobody_up(scene):
    agent = children(scene.agent.pid)[0]
    os.kill(agent, signal.SIGSTOP)
    try:
        done = scene.run("--", "sh", "-c", "exit 3")
        assert done.returncode == 3 and "runs uncounted" in one_line(done)
        # nor does one whose queue is full
        full = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(100)]
        for sock in full:
            scene.stack.enter_context(sock)
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(str(scene.place / "agent.sock"))
        done = scene.run("--", "sh", "-c", "exit 4")
        assert done.returncode == 4 and "runs uncounted: agent not reached" in one_line(done)
    finally:
        os.kill(agent, signal.SIGCONT)


def test_an_agent_that_talks_nonsense_is_no_agent(place):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(place / "agent.sock"))
    listener.listen()
    with listener:
        for answer in (b"x", packet(BEGUN, version=7), packet(2), packet(ERROR, b"\x00\x00"),
                       packet(ERROR, struct.pack("<HH", 28, 5) + b"no\x1b[2"), b""):
            process = subprocess.Popen([GUEST, "job", "--run-dir", place, "sh", "-c", "exit 6"],
                                       stderr=subprocess.PIPE, text=True)
            with listener.accept()[0] as sock:
                assert sock.recv(1024)[:4] == packet(BEGIN)[:4]
                if answer:
                    sock.send(answer)
            errors = process.communicate(timeout=PATIENCE_S)[1]
            assert process.returncode == 6
            assert errors.count("\n") == 1 and "\x1b" not in errors, errors


def test_a_program_outlives_the_agent(scene):
    process = scene.obeys()
    scene.agent.kill()
    wait_for(lambda: not (scene.agent.alive()), "the agent's end")
    code, errors = finish(process)
    assert code == 5 and errors.count("\n") == 1 and "its end is not counted" in errors


# -- signals --

def test_signals_for_the_command_reach_the_program(scene):
    process = scene.obeys()
    for signo in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
        process.send_signal(signo)
        assert hear(process) == f"got {int(signo)}\n"
    assert finish(process) == (5, "")
    job = scene.wait_jobs(failed=1)["last"][0]
    assert (job["state"], job["code"]) == ("exited", 5)


def test_the_terminal_interrupts_the_program_and_the_command_outlives_it(scene):
    ours, theirs = pty.openpty()
    process = subprocess.Popen([GUEST, "job", "--", sys.executable, "-c", OBEYS], stdin=theirs,
                               stdout=theirs, stderr=theirs, env=scene.environment(),
                               start_new_session=True,
                               preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(theirs)
    said = b""
    for wait, send in ((b"ready", b"\x03"), (b"got 2", b"go on\n"), (b"heard", b"end\n")):
        while wait not in said:
            assert select.select([ours], [], [], PATIENCE_S)[0], said
            said += os.read(ours, 1024)
        os.write(ours, send)
    assert process.wait(PATIENCE_S) == 5
    os.close(ours)
    assert scene.wait_jobs(failed=1)["last"][0]["code"] == 5


def test_what_the_terminal_says_is_not_said_again(scene):
    ours, theirs = pty.openpty()
    process = subprocess.Popen([GUEST, "job", "--", sys.executable, "-c", OBEYS, "apart"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=theirs,
                               text=True, env=scene.environment(), start_new_session=True,
                               preexec_fn=lambda: fcntl.ioctl(2, termios.TIOCSCTTY, 0))
    os.close(theirs)
    scene.stack.callback(process.communicate)
    scene.stack.callback(process.kill)
    assert hear(process) == "ready\n"
    os.write(ours, b"\x03")
    assert select.select([ours], [], [], PATIENCE_S)[0]
    assert os.read(ours, 1024) == b"^C"     # the signal came before its echo
    process.send_signal(signal.SIGUSR1)     # which is taken after a smaller one
    assert hear(process) == f"got {int(signal.SIGUSR1)}\n"
    process.communicate("end\n", timeout=PATIENCE_S)
    assert process.returncode == 5
    os.close(ours)


def test_a_stopped_program_stops_the_command_and_both_go_on(scene):
    process = scene.obeys()
    program = children(process.pid)[0]
    process.send_signal(signal.SIGTSTP)
    try:
        wait_for(lambda: is_stopped(program) and is_stopped(process.pid), "both stop")
        process.send_signal(signal.SIGCONT)
        assert finish(process) == (5, "")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(program, signal.SIGCONT)


# -- what the host learns --

def test_the_host_learns_how_long_it_waited_and_ran_and_how_it_ended(scene):
    assert "jobs" not in json.loads(scene.stats.read_text("utf-8")).get("guest", {})
    began = time.time()
    assert scene.run("--arrived", "90s", "--name", "cut\n%s", "--", "sleep", "0.05").returncode == 0
    assert scene.run("/bin/sh", "-c", "exit 3").returncode == 3
    assert scene.run("sh", "-c", "kill -9 $$").returncode == 128 + 9
    jobs = scene.wait_jobs(finished=1, failed=2, arrived=3, running=0, lost=0, dropped=0, untold=0)
    first, second, third = jobs["last"]
    assert first["name"] == "cut?%s" and second["name"] == third["name"] == "sh"
    assert (first["state"], first["code"]) == ("exited", 0)
    assert first["begun_ms"] - first["arrived_ms"] == 90000
    assert began - 1 < first["begun_ms"] / 1000 <= first["ended_ms"] / 1000 < time.time() + 1
    assert first["ended_ms"] - first["begun_ms"] >= 49
    assert (second["state"], second["code"]) == ("exited", 3)
    assert (third["state"], third["code"]) == ("killed", 9)
    minute = jobs["minute"]
    assert minute["finished"] == 1 and minute["service_us"] >= 50000
    assert minute["response_us"] == minute["service_us"] + 90000000


def test_one_that_runs_is_shown_and_its_end_takes_its_place(scene):
    process = scene.obeys("--name", "long")
    jobs = scene.wait_jobs(running=1)
    assert [job["state"] for job in jobs["last"]] == ["running"] and "minute" in jobs
    assert "ended_ms" not in jobs["last"][0] and "code" not in jobs["last"][0]
    begun_ms = jobs["last"][0]["begun_ms"]
    finish(process)
    jobs = scene.wait_jobs(running=0, failed=1)
    assert len(jobs["last"]) == 1 and jobs["last"][0]["state"] == "exited"
    assert abs(jobs["last"][0]["begun_ms"] - begun_ms) < 1000


def test_a_command_that_is_killed_loses_its_job_alone(scene):
    process = scene.obeys("--name", "orphan")
    scene.wait_jobs(running=1)
    program = children(process.pid)[0]
    process.kill()
    jobs = scene.wait_jobs(running=0, lost=1, finished=0, failed=0)
    assert jobs["last"][0]["state"] == "lost" and "code" not in jobs["last"][0]
    assert jobs["minute"] == {"finished": 0}
    os.kill(program, 0)


def test_another_worker_learns_all_of_it_again(scene):
    running = scene.mark(name=b"long")
    scene.run("true")
    scene.wait_jobs(finished=1, running=1)
    scene.lose_worker()
    scene.run("sh", "-c", "exit 2")     # told when there is somebody again
    scene.start_worker()
    jobs = scene.wait_jobs(finished=1, failed=1, running=1, arrived=3)
    assert {(job["name"], job["state"]) for job in jobs["last"]} == {("long", "running"),
                                                                   ("sh", "exited")}
    running.send(end())
    scene.wait_jobs(finished=2, failed=1, running=0)


def test_what_nobody_hears_of_is_counted_and_bounded(scene):
    scene.lose_worker()
    for _ in range(UNTOLD + 5):
        with scene.mark() as sock:
            sock.send(end())
    scene.start_worker()
    jobs = scene.wait_jobs(finished=UNTOLD + 5)
    assert jobs["untold"] == 5
    wait_for(lambda: scene.jobs()["minute"]["finished"] == UNTOLD, "times of those that waited")


# -- crowds --

def descriptors(pid):
    """How many it has open."""
    return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))


def test_ten_thousand_in_a_row(scene):
    agent = children(scene.agent.pid)[0]
    before = descriptors(agent)
    for _ in range(10000):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.connect(str(scene.place / "agent.sock"))
        sock.send(begin())
        assert kind_of(sock.recv(1024)) == BEGUN
        sock.send(end())
        sock.close()
    jobs = scene.wait_jobs(arrived=10000, finished=10000, running=0, dropped=0, lost=0)
    assert len(jobs["last"]) == SHOWN
    wait_for(lambda: descriptors(agent) == before, "every connection is closed")
    assert scene.run("true").returncode == 0
    scene.wait_jobs(finished=10001)


def test_a_thousand_at_once_keep_nobody_out(scene):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    scene.stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
    socks = [scene.mark(name=b"one of many") for _ in range(PER_USER)]
    jobs = scene.wait_jobs(running=PER_USER, arrived=PER_USER)
    assert len(jobs["last"]) == SHOWN
    # the next one is not counted, and runs
    done = scene.run("sh", "-c", "exit 8")
    assert done.returncode == 8 and "as many as are counted" in one_line(done)
    scene.wait_jobs(dropped=1, running=PER_USER)
    # programs of the same user find a place
    assert channel.status(scene.place)["channel"] == "up"
    scene.connect().send(packet(JOIN))
    socks.pop().send(end())
    for sock in socks[:100]:
        sock.close()
    scene.wait_jobs(running=PER_USER - 101, lost=100, finished=1)
    assert scene.run("true").returncode == 0
    scene.wait_jobs(finished=2, dropped=1)


def test_real_commands_at_once(scene):
    processes = [subprocess.Popen([GUEST, "job", "sh", "-c", f"exit {i % 2}"],
                                  env=scene.environment()) for i in range(60)]
    assert [process.wait(PATIENCE_S) for process in processes] == [i % 2 for i in range(60)]
    scene.wait_jobs(arrived=60, finished=30, failed=30)


def test_an_answer_that_is_not_read_loses_no_end(scene):
    sock = scene.connect()
    sock.send(begin())
    assert select.select([sock], [], [], PATIENCE_S)[0]
    agent = children(scene.agent.pid)[0]
    os.kill(agent, signal.SIGSTOP)
    wait_for(lambda: is_stopped(agent), "an agent that comes late")
    sock.send(end())
    sock.close()
    os.kill(agent, signal.SIGCONT)
    scene.wait_jobs(finished=1, lost=0, arrived=1)
    with scene.connect() as sock:       # nor one that came before the answer
        sock.send(begin())
        sock.send(end())
    scene.wait_jobs(finished=2, lost=0, arrived=2)


# -- programs that mark their own --

@pytest.mark.skipif(b"__asan_init" in LIBRARY.read_bytes(), reason="sanitized")
def test_jobs_of_a_program_that_is_linked_with_the_library(scene):
    process = subprocess.Popen([sys.executable, "-c", MARKS, LIBRARY], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True, env=scene.environment())
    scene.stack.callback(process.communicate)
    scene.stack.callback(process.kill)
    assert hear(process) == "done\n"
    jobs = scene.wait_jobs(arrived=12, finished=8, failed=1, running=3)
    ended = {job["name"]: job for job in jobs["last"]}
    assert ended["bad"]["code"] == 255 and ended["open"]["state"] == "running"
    assert ended["thread 3"]["begun_ms"] - ended["thread 3"]["arrived_ms"] == 2000
    process.kill()
    scene.wait_jobs(lost=3, running=0)


# -- hostile programs --

@pytest.mark.parametrize("behind", [b"", b"x", begin(), packet(END), end(EXITED, 0, 1 << 62),
                                    end(LOST), end(KILLED, 0), packet(1), end() + b"!"], ids=in_hex)
def test_what_is_no_end_loses_the_job(scene, behind):
    sock = scene.mark()
    if behind:
        sock.send(behind)
        assert sock.recv(1024) == b"" or not behind
    else:
        sock.shutdown(socket.SHUT_WR)
    scene.wait_jobs(lost=1, running=0)
    assert channel.status(scene.place)["channel"] == "up"


@pytest.mark.parametrize("first", [begin(b""), begin(b"a\n"), begin(b"x" * 64),
                                   begin(waited_us=1 << 62), begin() + b"!", packet(BEGIN), end()],
                         ids=in_hex)
def test_what_is_no_begin_is_refused(scene, first):
    sock = scene.connect()
    sock.send(first)
    assert kind_of(sock.recv(1024)) == ERROR
    sock.send(begin())      # it is a client still
    assert kind_of(sock.recv(1024)) == BEGUN
    sock.send(end())
    scene.wait_jobs(finished=1, arrived=1, dropped=0)


def test_a_begin_with_descriptors_ends_the_connection(scene):
    sock = scene.connect()
    socket.send_fds(sock, [begin()], [0])
    assert sock.recv(1024) == b""


def test_who_has_joined_marks_on_a_connection_of_its_own(scene):
    sock = scene.connect()
    sock.send(packet(JOIN))
    _, fds, _, _ = socket.recv_fds(sock, 1024, 4)
    for fd in fds:
        os.close(fd)
    sock.send(begin())
    assert kind_of(sock.recv(1024)) == ERROR
    with scene.mark() as other:
        other.send(end())
    scene.wait_jobs(arrived=1, finished=1)


# -- the operator --

def test_vm_show_tells_of_jobs():
    wall.require()
    with Net.bridge_uplink(spaces=1) as net, contextlib.ExitStack() as stack:
        host = Hylicsd(node=net.host)
        host.start()
        stack.callback(host.close)
        offload = stack.enter_context(Operated(net, host))

        def job(*words):
            return subprocess.run([*offload.guest.node.prefix(), GUEST, "job", *words],
                                  env={**os.environ, **offload.environment}, check=False,
                                  timeout=PATIENCE_S).returncode

        def jobs():
            agent = host.vm("web1")["agent"] or {}
            return agent.get("jobs", {})

        wait_for(lambda: host.vm("web1")["agent"], "the guest's agent")
        assert jobs() == {} and "jobs" not in host.ask("vm", "show", "web1").stdout
        assert job("--arrived", "2s", "--", "true") == 0
        assert job("--name", "packager", "--", "sh", "-c", "exit 9") == 9
        wait_for(lambda: jobs().get("failed") == 1 and jobs()["finished"] == 1, "both jobs")
        told = jobs()
        assert told["arrived"] == 2 and told["minute"]["finished"] == 1
        assert told["minute"]["response_us"] - told["minute"]["service_us"] == 2000000
        assert [one["name"] for one in told["last"]] == ["true", "packager"]
        text = host.ask("vm", "show", "web1").stdout
        assert "0 running, 2 arrived, 1 finished, 1 failed, 0 lost, 0 dropped" in text
        assert "last minute: 1 finished, mean service" in text
        assert "true: exited 0, arrived" in text and "packager: exited 9" in text
