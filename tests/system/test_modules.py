# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules as a whole: the guest's command, agent, channel, worker, keeper, and real servers."""

import contextlib
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import threading

import pytest
from moving import children, wait_for
from wiring import socket_in

from hylab import ready, wall
from hylab.net import Net
from hylab.offload import Offload
from hylab.ready import ask

UID = 4242
BYTES = random.Random(2).randbytes(4 << 20)
WHOLE = hashlib.sha256(BYTES).digest()
DOWNLOADS = 100
LIGHTTPD = """server.document-root = env.HYLICS_SHARE
server.port = env.HYLICS_PORT
server.bind = "[::]"
server.set-v6only = "disable"
server.max-request-field-size = 8192
server.max-read-idle = 5
"""


@pytest.fixture(name="offload")
def _offload():
    wall.require()
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(Net.bridge_uplink(spaces=1))
        offload = stack.enter_context(Offload(net, net.guests[0], keeper=("--uid", str(UID))))
        (offload.share / "file").write_bytes(BYTES)
        for path in (offload.directory, offload.share):
            path.chmod(0o755)
        offload.module_list.parent.mkdir()
        yield offload


def describe(offload, name, **keys):
    """Write the operator's file, and let the guest have the module."""
    folder = offload.module_list.parent
    (folder / f"{name}.conf").write_text("[module]\n" + "".join(
        f"{key} = {value}\n" for key, value in keys.items()))
    with open(offload.module_list, "a", encoding="ascii") as file:
        file.write(name + "\n")
    os.kill(offload.keeper.pid, signal.SIGURG)


def with_lighttpd(offload):
    """lighttpd as an operator would describe it."""
    conf = offload.module_list.parent / "lighttpd.lighttpd"
    conf.write_text(LIGHTTPD)
    conf.chmod(0o644)
    describe(offload, "lighttpd", command=f"/usr/sbin/lighttpd -D -f {conf}", ports="80 8000-8999",
             file=conf)


def status(offload, name="lighttpd"):
    """A module as the guest sees it."""
    return json.loads(ask(offload, "status", name, "--json").stdout)["modules"][0]


def start(offload, *words):
    """Have lighttpd run; the guest may hear of a new list a moment later."""
    wait_for(lambda: "lighttpd" in ask(offload, "list", check=False).stdout, "no lighttpd")
    return ask(offload, "start", "lighttpd", *words)


class Download(threading.Thread):
    """A client that reads slowly until it is told to hurry."""

    def __init__(self, offload, hurry, port=80):
        super().__init__()
        self._sock = socket_in(offload.net.client, socket.AF_INET, socket.SOCK_STREAM)
        self._sock.connect((offload.guest.v4, port))
        self._hurry, self.begun, self.got, self.error = hurry, threading.Event(), b"", None

    def run(self):
        with self._sock as sock:
            try:
                sock.sendall(b"GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                self.got = sock.recv(4096)
                self.begun.set()
                self._hurry.wait()
                while piece := sock.recv(1 << 20):
                    self.got += piece
            except OSError as error:
                self.error = error
                self.begun.set()

    @property
    def body(self):
        """What came behind the head."""
        return self.got.partition(b"\r\n\r\n")[2]


@contextlib.contextmanager
def downloads(offload):
    """Many under way meanwhile; they hurry to their ends then."""
    hurry = threading.Event()
    all_of_them = [Download(offload, hurry) for _ in range(DOWNLOADS)]
    try:
        for download in all_of_them:
            download.start()
        for download in all_of_them:
            assert download.begun.wait(60) and download.got, "a download does not begin"
        yield all_of_them
    finally:
        hurry.set()
        for download in all_of_them:
            download.join()


def whole(offload, address, port=80):
    """Whether curl gets the file right."""
    host = f"[{address}]" if ":" in address else address
    done = subprocess.run([*offload.net.client.prefix(), "curl", "-sS", "--max-time", "30",
                           f"http://{host}:{port}/file"], capture_output=True, check=False)
    return done.returncode == 0 and hashlib.sha256(done.stdout).digest() == WHOLE


# -- as it is meant --

def test_a_server_is_started_from_the_guest_and_stopped(offload):
    with_lighttpd(offload)
    assert start(offload).stdout == "module 'lighttpd' runs at port 80\n"
    for address in (offload.guest.v4, offload.guest.v6):
        assert whole(offload, address)
    told = status(offload)
    assert (told["state"], told["port"], told["starts"], told["wanted"]) == ("running", 80, 1, True)
    assert ask(offload, "stop", "lighttpd").stdout == "module 'lighttpd' is stopped\n"
    assert not whole(offload, offload.guest.v4)
    ask(offload, "start", "lighttpd", "--port", "8080")
    assert whole(offload, offload.guest.v4, 8080)


def test_connections_are_counted_while_they_last(offload):
    with_lighttpd(offload)
    start(offload)
    with downloads(offload):
        wait_for(lambda: status(offload)["connections"] == DOWNLOADS, "not all are counted")
    wait_for(lambda: status(offload)["connections"] == 0, "some are counted still")


# -- the ready ones --

def with_ready(offload, name, replaced=()):
    """A module as it is installed, with the servers' files where they are in the tree."""
    text = ready.description(name)
    for old, new in dict(replaced).items():
        text = text.replace(old, str(new))
    ready.allow(offload, name, text)


def head(offload, url, *options):
    """What curl is told of a file, in small letters."""
    return subprocess.run([*offload.net.client.prefix(), "curl", "-sSI", "--max-time", "30",
                           *options, url], capture_output=True, check=True,
                          text=True).stdout.lower()


@pytest.mark.parametrize("name", ["lighttpd", "hls"])
def test_ready_ones_serve(offload, name):
    (offload.share / "list.m3u8").write_text("#EXTM3U\n")
    with_ready(offload, name)
    ask(offload, "start", name)
    assert whole(offload, offload.guest.v4) and whole(offload, offload.guest.v6)
    playlist = head(offload, f"http://{offload.guest.v4}/list.m3u8")
    assert "content-type: application/vnd.apple.mpegurl" in playlist
    assert "content-length: 8" in playlist
    assert ("cache-control: max-age=1\n" in playlist) == (name == "hls")


def test_tls_ends_at_the_host(offload, tmp_path):
    """The key is the VM's user's to read, and in no place the guest can see."""
    tls = tmp_path / "tls"
    tls.mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=guest", "-keyout", tls / "privkey.pem", "-out",
                    tls / "fullchain.pem"], check=True, capture_output=True)
    os.chown(tls / "privkey.pem", 0, UID)
    (tls / "privkey.pem").chmod(0o640)
    conf = offload.module_list.parent / "tls.lighttpd"
    text = (ready.SERVERS / "tls.lighttpd").read_text()
    conf.write_text(text.replace("/etc/hylics/tls", str(tls))
                    .replace("files.lighttpd", f"{ready.SERVERS}/files.lighttpd"))
    conf.chmod(0o644)
    with_ready(offload, "tls", {"file = /etc/hylics/tls": f"file = {tls}\nfile = {conf}",
                                f"{ready.SERVERS}/tls.lighttpd": conf})
    ask(offload, "start", "tls")
    done = subprocess.run([*offload.net.client.prefix(), "curl", "-sS", "--cacert",
                           tls / "fullchain.pem", "--connect-to",
                           f"guest:443:{offload.guest.v4}:443",
                           "https://guest/file"], capture_output=True, check=True)
    assert hashlib.sha256(done.stdout).digest() == WHOLE


# -- what is wrong is told --

def test_what_is_wrong_is_told_to_the_guest(offload):
    with_lighttpd(offload)
    describe(offload, "bad", command="/usr/bin/python3 -c \"raise SystemExit('no such luck')\"",
             ports="81")
    wait_for(lambda: "bad" in ask(offload, "list", check=False).stdout, "no such module")
    for words, code, why in (
            (("start", "lightpd"), 3, "did you mean 'lighttpd'"),
            (("start", "lighttpd", "--port", "81"), None, "port 81 is not among its ports, 80"),
            (("start", "bad"), 1, "ended with exit code 1: no such luck")):
        done = ask(offload, *words, check=False)
        assert done.returncode == code or (code is None and done.returncode), done
        assert why in done.stderr, done
    with socket_in(offload.guest.node, socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind(("0.0.0.0", 80))
        listener.listen(1)
        done = ask(offload, "start", "lighttpd", check=False)
        assert done.returncode and "listens at 0.0.0.0:80 in the guest" in done.stderr, done
    assert ask(offload, "start", "lighttpd").returncode == 0


def test_what_the_operator_has_changed_meanwhile_is_told_at_once(offload):
    """The agent has heard of other ports than those that are allowed now."""
    with_lighttpd(offload)
    start(offload)
    ask(offload, "stop", "lighttpd")
    path = offload.module_list.parent / "lighttpd.conf"
    path.write_text(path.read_text().replace("ports = 80 8000-8999", "ports = 81"))
    done = ask(offload, "start", "lighttpd", check=False)
    assert done.returncode == 1, done
    assert "the host does not start it: port 80 is not among those" in done.stderr
    assert ask(offload, "stop", "lighttpd").returncode == 0
    ask(offload, "start", "lighttpd")
    assert whole(offload, offload.guest.v4, 81)


def test_one_that_is_taken_from_the_vm_ends_and_is_told(offload):
    with_lighttpd(offload)
    start(offload)
    offload.module_list.write_text("")
    os.kill(offload.keeper.pid, signal.SIGURG)
    wait_for(lambda: "lighttpd" not in ask(offload, "list").stdout, "it is there still")
    assert not whole(offload, offload.guest.v4)


# -- dying peers, in the middle of many downloads --

@pytest.mark.parametrize("who", ["worker", "agent"])
def test_downloads_outlive_worker_and_agent(offload, who):
    with_lighttpd(offload)
    start(offload)
    parent = offload.keeper.pid if who == "worker" else offload.agent.pid
    before = children(parent)[0]
    with downloads(offload) as under_way:
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: children(parent) and before not in children(parent), "no successor")
        wait_for(lambda: ask(offload, "status", check=False).returncode == 0, "no session")
        assert status(offload)["starts"] == 1
    assert all(hashlib.sha256(one.body).digest() == WHOLE for one in under_way)
    assert whole(offload, offload.guest.v4)


def test_a_killed_keeper_ends_them_visibly(offload):
    """None looks whole that is not: the head has said how long it is."""
    with_lighttpd(offload)
    start(offload)
    with downloads(offload) as under_way:
        offload.keeper.kill(signal.SIGKILL)
        offload.keeper.wait_end(30)
    for one in under_way:
        assert b"Content-Length: %d" % len(BYTES) in one.got
        assert BYTES.startswith(one.body)
        assert not isinstance(one.error, TimeoutError)
    offload.start_keeper()
    wait_for(lambda: "running" in ask(offload, "list", check=False).stdout, "not started again")
    assert whole(offload, offload.guest.v4)


def test_another_holder_wants_nothing(offload):
    """Who wanted it in the guest is gone, and so it goes."""
    with_lighttpd(offload)
    start(offload)
    offload.agent.kill(signal.SIGTERM)
    offload.agent.wait_end(30)
    assert whole(offload, offload.guest.v4)     # nobody has said that it is not wanted
    offload.start_agent()
    wait_for(lambda: "stopped" in ask(offload, "list", check=False).stdout, "it runs still")
    assert not whole(offload, offload.guest.v4)


# -- hostile clients, a share that goes --

def test_heads_without_end_harm_nobody_else(offload):
    with_lighttpd(offload)
    start(offload)
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            bomb = stack.enter_context(socket_in(offload.net.client, socket.AF_INET,
                                                 socket.SOCK_STREAM))
            bomb.connect((offload.guest.v4, 80))
            with contextlib.suppress(ConnectionError):
                bomb.sendall(b"GET / HTTP/1.1\r\n" + b"x: " + b"y" * 60000)
                bomb.sendall(b"z" * 1000000)
        assert whole(offload, offload.guest.v4)
    assert status(offload)["starts"] == 1


def test_a_share_that_is_unmounted_stays_the_modules_until_it_ends(offload):
    with_lighttpd(offload)
    start(offload)
    with downloads(offload) as under_way:
        subprocess.run(["umount", "--lazy", offload.share], check=True)
    assert all(hashlib.sha256(one.body).digest() == WHOLE for one in under_way)
    assert whole(offload, offload.guest.v4)
    ask(offload, "stop", "lighttpd")
    subprocess.run(["mount", "-t", "tmpfs", "none", offload.share], check=True)
