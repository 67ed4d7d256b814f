# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules as a guest has them: what it wants, what the host hears of it, what its users are told.

The agent is a real one, in a guest that is no VM. The host is tests/agent/module_host.c, which
says and tells what this test wants.
"""

import contextlib
import json
import os
import pathlib
import pty
import select
import signal
import socket
import struct
import subprocess
import time

import pytest
from moving import PATIENCE_S, children, wait_for

from hylab import BUILD, channel, wall
from hylab.channel import program

HOST = BUILD / "tests" / "agent" / "module-host"
NOBODY = 65534
USERS = int(pathlib.Path("/proc/self/uid_map").read_text(encoding="ascii").split()[2])
START, STOP, MODULE = 16, 17, 19    # packets of agent.sock
NAMES = ("hls", "lighttpd")
NAME_MAX = 63
LOOKS_S = 0.5       # who waits for a module looks some times meanwhile
RESTLESS = 400      # starts and stops: more than a socket and a lane of the channel hold


class Host:
    """The host's end of the channel."""

    def __init__(self, path):
        self._process = subprocess.Popen([HOST, path], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, bufsize=0)
        self._read = b""
        assert self.line() == "ready"

    def close(self):
        """Kill it."""
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def signal(self, signo):
        """As it says."""
        self._process.send_signal(signo)

    def line(self):
        """What it has heard next."""
        end = time.monotonic() + PATIENCE_S
        while b"\n" not in self._read:
            left = max(0, end - time.monotonic())
            assert select.select([self._process.stdout], [], [], left)[0], "the host hears nothing"
            piece = os.read(self._process.stdout.fileno(), 65536)
            assert piece, "the host has ended"
            self._read += piece
        line, self._read = self._read.split(b"\n", 1)
        return line.decode()

    def hears(self, *lines):
        """Exactly these, one after the other."""
        for wanted in lines:
            assert self.line() == wanted

    def order(self, *words):
        """See module_host.c."""
        self._process.stdin.write((" ".join(map(str, words)) + "\n").encode())

    def tell(self, name, life="stopped", port=0, why=""):
        """How a module is."""
        self.order("tell", NAMES.index(name), len(NAMES), life, port, name, why)

    def tell_all(self):
        """Of a host that has just started."""
        for name in NAMES:
            self.tell(name)


class Scene:
    """A host, an agent, and what is asked of the agent."""

    def __init__(self, stack, place):
        self.place, self._stack = place, stack
        self.host = None
        self.begin_host()
        self._address = f"unix:{place}/c.sock"
        self.agent = stack.enter_context(channel.agent(self._address, place, "--no-mount",
                                                       "--dead", "10m"))

    def begin_host(self):
        """The first one, or another when that has gone."""
        self.host = Host(self.place / "c.sock")
        self._stack.callback(self.host.close)

    def argv(self, *words, user=0):
        """hylics-guest module ..."""
        who = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        return [*who, program("hylics-guest"), "module", *map(str, words),
                "--run-dir", self.place]

    def ask(self, *words, user=0):
        """The same, done."""
        return subprocess.run(self.argv(*words, user=user), capture_output=True, text=True,
                              timeout=PATIENCE_S, check=False)

    @contextlib.contextmanager
    def asking(self, *words, **options):
        """The same, under way."""
        with subprocess.Popen(self.argv(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, **options) as process:
            try:
                yield process
            finally:
                process.kill()

    def modules(self, *words):
        """{name: what is told of it}"""
        done = self.ask(*(words or ["list"]), "--json")
        assert done.returncode == 0, done.stderr
        return {module["name"]: module for module in json.loads(done.stdout)["modules"]}

    def error(self, code, *words, user=0):
        """Its error's code and message, as JSON tells them; that it was told in words, too."""
        done = self.ask(*words, "--json", user=user)
        assert done.returncode == code, done
        error = json.loads(done.stdout)["error"]
        assert error["message"] in done.stderr
        return error["code"], error["message"]

    def wait_heard(self, name, life):
        """Until the agent has heard it from the host."""
        wait_for(lambda: self.modules()[name]["state"] == life, f"{name} is {life}")

    def start(self, name, port):
        """At once, without looking whether it runs."""
        done = self.ask("start", name, "--port", port, "--no-wait")
        assert done.returncode == 0, done.stderr
        return done

    def packets(self):
        """A client of agent.sock that puts its packets together itself."""
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.connect(str(self.place / "agent.sock"))
        client.settimeout(PATIENCE_S)
        return client


def ended(process):
    """(exit code, what it said, what it said of errors)"""
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err


@pytest.fixture(name="scene")
def _scene():
    """The first session, in which the host has told all."""
    wall.require()
    with contextlib.ExitStack() as stack:
        scene = Scene(stack, channel.socket_path().parent)
        scene.host.hears("up", "wanted")
        scene.host.tell_all()
        yield scene


def test_a_module_is_started_and_stopped(scene):
    with scene.asking("start", "hls", "--port", "8080") as start:
        scene.host.hears("wanted hls:8080")
        scene.host.tell("hls", "starting", 8080)
        scene.wait_heard("hls", "starting")
        assert start.poll() is None, "it does not run yet"
        scene.host.tell("hls", "running", 80)
        scene.wait_heard("hls", "running")
        time.sleep(LOOKS_S)
        assert start.poll() is None, "that is another port"
        scene.host.tell("hls", "running", 8080)
        assert ended(start) == (0, "module 'hls' runs at port 8080\n", "")
    again = scene.ask("start", "hls", "--port", "8080")     # which changes nothing
    assert (again.returncode, again.stdout) == (0, "module 'hls' runs at port 8080\n")
    with scene.asking("start", "lighttpd", "--json") as start:
        scene.host.hears("wanted hls:8080 lighttpd:80")
        scene.host.tell("lighttpd", "running", 80)
        code, out, _ = ended(start)
        assert code == 0 and json.loads(out)["modules"][0]["port"] == 80
    with scene.asking("stop", "hls") as stop:
        scene.host.hears("wanted lighttpd:80")
        scene.host.tell("hls", "stopping", 8080)
        scene.wait_heard("hls", "stopping")
        assert stop.poll() is None, "it has not stopped yet"
        scene.host.tell("hls")
        assert ended(stop) == (0, "module 'hls' is stopped\n", "")
    assert scene.ask("stop", "hls").returncode == 0         # again, nothing
    assert scene.ask("stop", "lighttpd", "--no-wait").stdout == "module 'lighttpd' was stopped\n"
    scene.host.hears("wanted")


def test_one_that_ends_at_its_start_says_why(scene):
    with scene.asking("start", "hls", "--json") as start:
        scene.host.hears("wanted hls:80")
        scene.host.tell("hls", "failing", 80, "exit code 7: no such 'file'")
        code, out, err = ended(start)
    assert code == 1 and "exit code 7: no such 'file'" in err and "module stop" in err
    assert json.loads(out)["error"]["code"] == "failed"
    assert scene.modules()["hls"]["wanted"], "it is tried again"
    done = scene.ask("start", "hls")
    assert done.returncode == 1 and "exit code 7" in done.stderr


def test_what_the_host_said_before_it_heard_is_not_believed(scene):
    scene.start("hls", 8000)
    scene.host.hears("wanted hls:8000")
    scene.host.tell("hls", "running", 8000)
    scene.wait_heard("hls", "running")
    scene.ask("stop", "hls", "--no-wait")
    with scene.asking("start", "hls", "--port", "8000") as start:
        scene.host.hears("wanted", "wanted hls:8000")
        # by a list of which it was no part: it was under way when it was started again
        scene.host.order("tell-late", 0, len(NAMES), "running", 8000, "hls")
        scene.host.tell("lighttpd", "running", 443)
        scene.wait_heard("lighttpd", "running")
        assert scene.modules()["hls"]["state"] == "running"
        assert scene.modules()["hls"]["heard"] is False
        time.sleep(LOOKS_S)
        assert start.poll() is None
        scene.host.tell("hls", "failing", 8000, "killed")
        assert ended(start)[0] == 1


def test_one_that_somebody_stops_meanwhile(scene):
    with scene.asking("start", "hls") as start:
        scene.host.hears("wanted hls:80")
        scene.ask("stop", "hls", "--no-wait")
        code, _, err = ended(start)
        assert code == 1 and "somebody has stopped it" in err


def test_a_host_that_does_nothing_is_waited_for_until_somebody_ends_it(scene):
    with scene.asking("start", "hls") as start:
        scene.host.hears("wanted hls:80")
        assert scene.modules()["hls"]["wanted"]
        start.send_signal(signal.SIGINT)
        assert ended(start)[0] == -signal.SIGINT
    module = scene.modules("status", "hls")["hls"]
    assert (module["wanted"], module["heard"], module["state"]) == (True, False, "stopped")
    assert "stopped, was started" in scene.ask("status", "hls").stdout


def test_who_waits_at_a_terminal_sees_for_what(scene):
    ours, its = pty.openpty()
    with contextlib.closing(os.fdopen(ours, "rb", buffering=0)) as terminal, \
            subprocess.Popen(scene.argv("start", "hls"), stdout=subprocess.DEVNULL,
                             stderr=its) as start:
        os.close(its)
        scene.host.hears("wanted hls:80")
        scene.host.tell("hls", "starting", 80)
        shown = b""
        while b"module 'hls': starting, waiting for " not in shown:
            assert select.select([terminal], [], [], PATIENCE_S)[0], shown
            shown += terminal.read(4096)
        scene.host.tell("hls", "running", 80)
        assert start.wait(PATIENCE_S) == 0


def test_what_is_wanted_outlives_agents_and_sessions(scene):
    scene.start("lighttpd", 443)
    scene.start("hls", 8999)
    scene.host.hears("wanted lighttpd:443", "wanted lighttpd:443 hls:8999")
    for _ in range(3):
        os.kill(children(scene.agent.pid)[0], signal.SIGKILL)
        scene.host.hears("down", "up", "wanted lighttpd:443 hls:8999")
    scene.host.order("hang-up")
    scene.host.hears("down", "up", "wanted lighttpd:443 hls:8999")
    scene.host.tell_all()
    assert scene.modules()["hls"]["wanted"] and scene.modules()["lighttpd"]["wanted"]
    scene.ask("stop", "lighttpd", "--no-wait")
    scene.host.hears("wanted hls:8999")
    os.kill(children(scene.agent.pid)[0], signal.SIGKILL)
    scene.host.hears("down", "up", "wanted hls:8999")


def test_a_start_goes_on_when_the_session_is_lost(scene):
    with scene.asking("start", "hls") as start:
        scene.host.hears("wanted hls:80")
        scene.host.close()
        scene.agent.wait_line("channel down")
        time.sleep(LOOKS_S)
        assert start.poll() is None, "a host may come again"
        scene.begin_host()
        scene.host.hears("up", "wanted hls:80")
        scene.host.tell("lighttpd")
        scene.host.tell("hls", "running", 80)
        assert ended(start)[:2] == (0, "module 'hls' runs at port 80\n")


def test_what_may_not_be_is_refused_in_words(scene):
    assert scene.error(3, "start", "hsl") == (
        "not-found", "module 'hsl': there is none; did you mean 'hls'?")
    assert scene.error(3, "stop", "nginx") == (
        "not-found", "module 'nginx': there is none, see hylics-guest module list")
    assert scene.error(3, "status", "lightpd")[1].endswith("did you mean 'lighttpd'?")
    assert scene.error(1, "start", "hls", "--port", "81") == (
        "not-allowed", "module 'hls': port 81 is not among its ports, 80 443 8000-8999")
    assert scene.error(2, "start", "Hls")[0] == "bad-usage"
    assert scene.error(2, "start", "hls", "--port", "65536")[0] == "bad-option"
    scene.start("lighttpd", 8000)
    assert scene.error(5, "start", "hls", "--port", "8000") == (
        "in-use", "module 'hls': port 8000 is module 'lighttpd's")
    assert scene.error(5, "start", "lighttpd") == (
        "exists", "module 'lighttpd': it is wanted at port 8000 already: stop it first")
    scene.host.hears("wanted lighttpd:8000")
    scene.ask("stop", "lighttpd", "--no-wait")
    scene.host.hears("wanted")      # and nothing else was said


@pytest.mark.parametrize("family, address", [(socket.AF_INET, "127.0.0.1"),
                                             (socket.AF_INET6, "::")])
def test_a_port_of_a_program_in_the_guest_is_refused(scene, family, address):
    with socket.socket(family) as listener:
        try:
            listener.bind((address, 8443))
        except OSError as error:
            pytest.skip(f"{address}: {error}")
        listener.listen(1)
        shown = f"[{address}]" if family == socket.AF_INET6 else address
        assert scene.error(5, "start", "hls", "--port", "8443") == (
            "in-use", f"module 'hls': a program of user 0 listens at {shown}:8443 in the guest")
    scene.start("hls", 8443)
    scene.host.hears("wanted hls:8443")


@pytest.mark.skipif(USERS <= NOBODY, reason="there is one user alone here")
def test_others_may_look_and_no_more(scene):
    scene.place.chmod(0o755)
    scene.place.parent.chmod(0o755)
    for words in (("start", "hls"), ("stop", "hls")):
        assert scene.error(1, *words, user=NOBODY) == (
            "not-allowed", "module 'hls': only root may start and stop modules")
    done = scene.ask("list", user=NOBODY)
    assert done.returncode == 0 and "hls\n" in done.stdout
    scene.start("hls", 80)
    scene.host.hears("wanted hls:80")


def test_lists_are_printed_for_people_and_programs(scene):
    scene.host.tell("hls", "running", 8080)
    scene.host.tell("lighttpd", "failing", 80, "no \"such\" file")
    scene.wait_heard("lighttpd", "failing")
    assert scene.ask("list").stdout == (
        "hls\n  state     running at port 8080, was stopped\n  ports     80 443 8000-8999\n"
        "lighttpd\n  state     failing at port 80, was stopped\n  ports     80 443 8000-8999\n"
        "  why       no \"such\" file\n")
    assert scene.ask("status", "hls").stdout == (
        "hls\n  state     running at port 8080, was stopped\n  ports     80 443 8000-8999\n"
        "  since     1.5 s\n  starts    2\n  clients   3 connections\n"
        "  used      0.25 s of CPU time, 3.0 MB of memory\n")
    assert set(scene.modules("status")) == set(NAMES)
    assert scene.modules("status", "lighttpd") == {"lighttpd": {
        "name": "lighttpd", "state": "failing", "wanted": False, "heard": True, "port": 80,
        "since_ms": 1500, "starts": 2, "connections": 3, "cpu_us": 250000, "memory": 3 << 20,
        "ports": [{"first": 80, "last": 80}, {"first": 443, "last": 443},
                  {"first": 8000, "last": 8999}], "why": "no \"such\" file"}}


def test_a_worker_without_a_keeper_has_no_modules():
    """And says so, also when it is asked again."""
    wall.require()
    place = channel.socket_path().parent
    address = f"unix:{place}/c.sock"
    with channel.worker(address), channel.agent(address, place, "--no-mount") as agent:
        agent.wait_line(channel.UP)
        for _ in range(2):
            done = subprocess.run([program("hylics-guest"), "module", "list", "--run-dir", place],
                                  capture_output=True, text=True, timeout=PATIENCE_S, check=False)
            assert done.returncode == 0 and done.stdout.startswith("none; "), done
            before = children(agent.pid)[0]
            os.kill(before, signal.SIGKILL)
            wait_for(lambda old=before: children(agent.pid) not in ([], [old]), "a successor")
            agent.wait_line(channel.UP)


def test_a_vm_without_modules(scene):
    scene.start("hls", 80)
    scene.host.hears("wanted hls:80")
    scene.host.order("none")
    wait_for(lambda: scene.modules() == {}, "no modules")
    assert scene.ask("list").stdout.startswith("none; the host's operator")
    assert "this VM may use no module" in scene.error(3, "start", "lighttpd")[1]
    assert scene.ask("stop", "hls").returncode == 0, "what is taken away can be stopped"
    scene.host.hears("wanted")
    scene.host.order("tell", 0, 1, "stopped", 0, "hls")
    wait_for(lambda: set(scene.modules()) == {"hls"}, "one module")


def test_without_a_host_there_is_no_answer_but_an_error(scene):
    scene.start("hls", 80)
    scene.host.hears("wanted hls:80")
    scene.host.close()
    scene.agent.wait_line("channel down")
    for words in (("list",), ("status", "hls"), ("start", "hls"), ("stop", "hls")):
        code, message = scene.error(1, *words)
        assert code == "failed" and "the host is not reached" in message
    scene.agent.kill(signal.SIGTERM)
    assert scene.agent.wait_end() == 0
    assert scene.error(4, "list")[0] != "failed"


def test_a_host_that_talks_nonsense_loses_the_session(scene):
    scene.start("hls", 80)
    scene.host.hears("wanted hls:80")
    scene.host.order("nonsense")
    scene.host.hears("down", "up", "wanted hls:80")
    assert channel.status(scene.place)["faults"] == 1
    scene.host.tell_all()
    assert scene.modules()["hls"]["wanted"]


def test_a_host_that_reads_nothing_for_a_while_hears_the_last_word(scene):
    names = [letter * NAME_MAX for letter in "abcdefgh"]    # long words fill a channel soon
    for number, name in enumerate(names):
        scene.host.order("tell", number, len(names), "stopped", 0, name)
    wait_for(lambda: set(scene.modules()) == set(names), "eight modules")
    for number, name in enumerate(names):
        scene.start(name, 8000 + number)
        scene.host.line()
    name = struct.pack("<H", NAME_MAX) + names[-1].encode()
    scene.host.signal(signal.SIGSTOP)
    with scene.packets() as client:
        for number in range(RESTLESS):
            client.send(struct.pack("<HHI", 1, STOP, number) + name)
            assert client.recv(1024)[2] == MODULE
            client.send(struct.pack("<HHIH", 1, START, number, 8100 + number) + name)
            assert client.recv(1024)[2] == MODULE
    scene.host.signal(signal.SIGCONT)
    heard = 1
    while not scene.host.line().endswith(f":{8100 + RESTLESS - 1}"):
        heard += 1
    assert heard < 2 * RESTLESS, "there was room for all: this was no test"
    scene.ask("stop", names[0], "--no-wait")
    assert names[0] not in scene.host.line()


def test_packets_that_make_no_sense_are_answered_and_harm_nobody(scene):
    with scene.packets() as client:
        for kind in (START, STOP, 18):
            for payload in (b"", b"\xff" * 40, b"\x00\x00\x00\x00"):
                client.send(struct.pack("<HHI", 1, kind, 7) + payload)
                assert struct.unpack_from("<HHI", client.recv(1024)) == (1, 3, 7)
    assert set(scene.modules()) == set(NAMES)
