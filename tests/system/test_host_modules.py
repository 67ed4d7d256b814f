# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules: servers that hylics-keeper runs in the twin, at the guest's own address."""

import contextlib
import hashlib
import json
import os
import pathlib
import random
import re
import signal
import socket
import struct
import time

import modules
import pytest
from modules import Keeper, programs_of, wait_until_none_is_left
from wiring import PATIENCE_S, socket_in

from hylab import wall
from hylab.net import Net
from hylab.wait import wait_for

LIGHTTPD = """server.document-root = env.HYLICS_SHARE
server.port = env.HYLICS_PORT
server.bind = "[::]"
server.set-v6only = "disable"
server.stream-response-body = 1
"""
LIMITS = (pathlib.Path(__file__).resolve().parents[2] / "common" / "limits.h").read_text()
AT_ONCE = int(re.search(r"HY_MODULES_CHANGES (\d+)", LIMITS)[1])
EACH_MS = int(re.search(r"HY_MODULES_CHANGE_MS (\d+)", LIMITS)[1])
RESTLESS = 200          # what is said of them all fits into a socket
BYTES = random.Random(1).randbytes(3 << 20)

# A server for one thing: what it sends to whoever comes.
SAYS = """import os, socket
def serve(answer):
    with socket.create_server(("0.0.0.0", int(os.environ["HYLICS_PORT"]))) as listener:
        while True:
            client = listener.accept()[0]
            client.sendall(answer(client).encode())
            client.close()
"""


@pytest.fixture(name="stack")
def _stack():
    wall.require()
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture(name="net")
def _net(stack):
    return stack.enter_context(Net.bridge_uplink(spaces=1))


@pytest.fixture(name="share")
def _share(stack, tmp_path):
    share = tmp_path / "share"
    share.mkdir()
    wall.mount_tmpfs(share, 64 << 20, stack)
    (share / "file").write_bytes(BYTES)
    (share / "www").mkdir()
    (share / "www" / "page").write_text("a page")
    share.chmod(0o755)
    tmp_path.chmod(0o755)
    return share


@pytest.fixture(name="keeper")
def _keeper(net, tmp_path, share):
    with Keeper(net, tmp_path, share) as keeper:
        yield keeper
    wait_until_none_is_left()


def with_lighttpd(keeper, **keys):
    """lighttpd as an operator would describe it."""
    conf = keeper.folder / "lighttpd.lighttpd"
    conf.write_text(LIGHTTPD)
    conf.chmod(0o644)
    keeper.describe("lighttpd", command=f"/usr/sbin/lighttpd -D -f {conf}",
                    ports="80 8000-8999", file=conf, **keys)
    return conf


def with_python(keeper, name, text, **keys):
    """A module of Python's, as a script in the operator's file system."""
    script = keeper.folder / f"{name}.py"
    script.write_text(text)
    script.chmod(0o644)
    keeper.describe(name, command=f"/usr/bin/python3 -I {script}", ports="80-89",
                    file=script, **keys)
    return script


def get(net, address, port, path="/file"):
    """One HTTP answer: (first line, body)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket_in(net.client, family, socket.SOCK_STREAM) as client:
        client.connect((address, port))
        client.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        answer = b""
        while piece := client.recv(1 << 20):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0].decode(), body


def said(net, address, port):
    """All that a module of Python's says."""
    with socket_in(net.client, socket.AF_INET, socket.SOCK_STREAM) as client:
        client.connect((address, port))
        answer = b""
        while piece := client.recv(1 << 20):
            answer += piece
    return json.loads(answer)


def refuses(net, address, port):
    """Whether nobody listens there, on either side."""
    with socket_in(net.client, socket.AF_INET, socket.SOCK_STREAM) as client:
        return client.connect_ex((address, port)) != 0


# -- a server as people have it --

def test_lighttpd_serves_the_share_at_the_guests_address(net, keeper):
    with_lighttpd(keeper)
    guest = net.guests[0]
    state = keeper.run("lighttpd", 80)
    assert (state.starts, state.why, state.ports) == (1, "", [(80, 80), (8000, 8999)])
    for address in (guest.v4, guest.v6):
        line, body = get(net, address, 80)
        assert line.endswith("200 OK")
        assert hashlib.sha256(body).digest() == hashlib.sha256(BYTES).digest()
    keeper.want()
    keeper.until_life("lighttpd", "stopped")
    assert refuses(net, guest.v4, 80)


def test_the_port_is_the_guests_before_and_after(net, keeper):
    """One that the guest has at the same port gets its connections again."""
    with_lighttpd(keeper)
    guest = net.guests[0]
    with socket_in(guest.node, socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind((guest.v4, 80))
        listener.listen(8)
        for _ in range(2):
            with socket_in(net.client, socket.AF_INET, socket.SOCK_STREAM) as client:
                client.connect((guest.v4, 80))
                own = listener.accept()[0]
                keeper.run("lighttpd", 80)
                # what was open stays the guest's
                client.sendall(b"still yours?")
                assert own.recv(100) == b"still yours?"
                own.close()
            assert get(net, guest.v4, 80, "/www/page")[1] == b"a page"
            keeper.want()
            keeper.until_life("lighttpd", "stopped")


def test_another_port_is_another_start(net, keeper):
    with_lighttpd(keeper)
    guest = net.guests[0]
    keeper.run("lighttpd", 80)
    keeper.run("lighttpd", 8123)
    assert refuses(net, guest.v4, 80)
    assert get(net, guest.v4, 8123)[1] == BYTES
    keeper.want(lighttpd=8123)      # said again, it changes nothing
    keeper.hear()
    assert keeper.state("lighttpd").starts == 1


def test_a_folder_is_all_that_is_seen(net, keeper, share):
    with_lighttpd(keeper, folder="www")
    address = net.guests[0].v4
    keeper.run("lighttpd", 80)
    assert get(net, address, 80, "/page")[1] == b"a page"
    assert get(net, address, 80, "/file")[0].endswith("404 Not Found")
    keeper.want()
    keeper.until_life("lighttpd", "stopped")
    (share / "www").rename(share / "old")
    (share / "www").symlink_to("/etc")
    keeper.want(lighttpd=80)
    assert "folder 'www' of the share" in keeper.until_life("lighttpd", "failing").why


# -- what is wrong is told --

def test_without_modules_the_guest_is_told_so(keeper):
    keeper.want()
    keeper.hear()
    assert keeper.of == 0
    keeper.want(lighttpd=80)        # one that is not allowed
    keeper.hear()
    assert keeper.of == 0
    assert not programs_of()


def test_a_port_that_is_not_allowed_starts_nothing(keeper):
    with_lighttpd(keeper)
    keeper.want(lighttpd=81)
    state = keeper.until("lighttpd", lambda s: s.why)
    assert state.why == "port 81 is not among those the operator allows"
    assert (state.life, state.starts) == ("stopped", 0)
    assert not programs_of()


def test_two_modules_do_not_share_a_port(net, keeper):
    with_lighttpd(keeper)
    with_python(keeper, "other", SAYS + 'serve(lambda _: "1")')
    keeper.run("lighttpd", 80)
    keeper.want(lighttpd=80, other=80)
    assert keeper.until("other", lambda s: s.why).why == "port 80 is used by module 'lighttpd'"
    keeper.want(lighttpd=80, other=81)
    keeper.until_life("other", "running")
    assert said(net, net.guests[0].v4, 81) == 1
    keeper.want(other=80)           # the port changes hands in one word
    keeper.until("other", lambda s: s.life == "running" and s.port == 80)


def test_two_modules_change_places(net, keeper):
    for name in ("one", "two"):
        with_python(keeper, name, SAYS + f'serve(lambda _: \'"{name}"\')')
    for ports in ({"one": 80, "two": 81}, {"one": 81, "two": 80}):
        keeper.want(**ports)
        for name, port in ports.items():
            keeper.until(name, lambda s, p=port: s.life == "running" and s.port == p)
            assert said(net, net.guests[0].v4, port) == name


def test_one_that_dies_at_its_start_is_tried_again_and_tells_its_last_line(keeper):
    with_python(keeper, "bad", 'import sys\nprint("about to\\tfail\\033[2J")\nsys.exit(3)')
    keeper.want(bad=80)
    state = keeper.until("bad", lambda s: s.life == "failing")
    assert state.why == "ended with exit code 3: about to?fail?[2J"
    assert state.port == 80
    keeper.until("bad", lambda s: s.starts >= 3)
    keeper.want()
    assert keeper.until_life("bad", "stopped").port == 0


def test_a_program_that_is_not_there_and_a_file_that_is_not_there(keeper):
    keeper.describe("none", command="/usr/bin/no-such-program", ports=80)
    keeper.describe("nofile", command="/usr/bin/true", ports=81, file="/etc/no-such-file")
    keeper.want(none=80, nofile=81)
    assert keeper.until_life("none", "failing").why == \
        "hylics-keeper: '/usr/bin/no-such-program': No such file or directory"
    assert keeper.until_life("nofile", "failing").why == \
        "hylics-keeper: room: bring '/etc/no-such-file' in: No such file or directory"


def test_a_file_that_is_wrong_now_is_told_and_mended_without_a_word(keeper):
    with_lighttpd(keeper)
    path = keeper.folder / "lighttpd.conf"
    good = path.read_text()
    keeper.run("lighttpd", 80)
    path.write_text(good + "nonsense = 1\n")
    os.kill(programs_of()[-1], signal.SIGKILL)
    assert "lighttpd.conf:5: unknown key 'nonsense'" in keeper.until(
        "lighttpd", lambda s: s.starts > 1 and s.life == "failing").why
    path.write_text(good)
    keeper.until_life("lighttpd", "running")


def test_one_that_is_not_allowed_any_more_ends(keeper):
    with_lighttpd(keeper)
    keeper.run("lighttpd", 80)
    keeper.allow()
    keeper.process.send_signal(signal.SIGURG)
    while keeper.of != 0:
        keeper.hear()
    wait_until_none_is_left()


# -- how often --

def test_a_guest_that_changes_its_mind_without_end_is_heard_now_and_then(net, keeper):
    """What it said last comes true, and what it starts is bounded by how often it is heard."""
    with_python(keeper, "one", SAYS + 'serve(lambda _: "1")')
    began = time.monotonic()
    wants = [{"one": 81 + number % 9} if number % 2 else {} for number in range(RESTLESS)]
    wants.append({"one": 80})
    for want in wants:
        keeper.want(**want)
    heard = set()

    def is_last(state):
        heard.add(state.list)
        # a state is by the list it names, whatever was said since
        assert state.life in ("stopped", "stopping") or \
            wants[state.list - 1].get("one") == state.port
        return state.list == keeper.number and state.life == "running"

    keeper.until("one", is_last)
    assert keeper.state("one").port == 80 and keeper.state("one").starts == 1
    assert said(net, net.guests[0].v4, 80) == 1
    assert len(heard) <= AT_ONCE + 1 + (time.monotonic() - began) * 1000 / EACH_MS
    keeper.want()
    keeper.until("one", lambda s: s.list == keeper.number and s.life == "stopped")


def test_one_who_asks_again_and_again_is_answered(keeper):
    """The same list, as a worker sends it that had no room: each wait ends with the latest."""
    with_lighttpd(keeper)
    keeper.run("lighttpd", 80)
    for _ in range(RESTLESS):
        keeper.want(lighttpd=80)
    state = keeper.until("lighttpd", lambda s: s.list == keeper.number)
    assert (state.life, state.starts) == ("running", 1)


# -- ends --

def test_one_that_is_killed_is_started_again(net, keeper):
    with_python(keeper, "one", SAYS + 'serve(lambda _: str(os.getpid()))')
    keeper.run("one", 80)
    for signo in (signal.SIGKILL, signal.SIGTERM):
        starts = keeper.state("one").starts
        os.kill(programs_of()[-1], signo)
        state = keeper.until("one", lambda s, n=starts: s.starts > n and s.life == "running")
        assert state.why == f"killed by signal {int(signo)}"
    assert said(net, net.guests[0].v4, 80) == 2     # the first process is not the program


def test_one_that_does_not_end_is_killed_with_a_reset(net, keeper):
    """What a client has of an answer must not look whole."""
    with_python(keeper, "stubborn", "import signal\nsignal.signal(signal.SIGTERM, "
                "signal.SIG_IGN)\n" + SAYS + 'serve(lambda c: str(c.recv(1)) + "x" * 10 ** 6 + '
                'str(c.recv(1)))')
    keeper.run("stubborn", 80)
    with socket_in(net.client, socket.AF_INET, socket.SOCK_STREAM) as client:
        client.connect((net.guests[0].v4, 80))
        keeper.until("stubborn", lambda s: s.connections == 1)
        keeper.want()
        keeper.until_life("stubborn", "stopped")
        with pytest.raises(ConnectionResetError):
            client.recv(1)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_none_outlives_its_keeper(keeper, how):
    with_python(keeper, "many", "import os\nfor _ in range(3):\n    os.fork()\n"
                "os.setsid() if os.getpid() != os.getsid(0) else None\n" + SAYS.replace(
                    'create_server((', 'create_server(reuse_port=True, address=(') +
                'serve(lambda _: "1")')
    keeper.run("many", 80)
    wait_for(lambda: len(programs_of()) >= 8, "they are not all there")
    if how == "kill":
        keeper.process.kill()
        keeper.process.wait()
    else:
        assert keeper.stop()[0] == 0
    wait_until_none_is_left()


def test_nonsense_of_the_worker_is_survived(keeper):
    """It may be the guest's: nothing it hands on is believed."""
    with_lighttpd(keeper)
    keeper.run("lighttpd", 80)
    for payload in (b"", b"\xff", modules.wanted({"../x": 80}), modules.wanted({"a": 0}),
                    modules.wanted({"lighttpd": 80}) + b"x", struct.pack(
                        "<QB", 9, 2) + 2 * struct.pack("<HH1s", 80, 1, b"a")):
        keeper.say(payload)
    keeper.want(lighttpd=80)
    keeper.hear()
    assert keeper.state("lighttpd").life == "running"
    assert keeper.process.poll() is None


# -- its room --

PLAYER = """import ctypes, errno, json, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
own = os.environ["HYLICS_RUN"]
def attempt(what):
    try:
        result = what()
    except OSError as error:
        return errno.errorcode.get(error.errno, "no answer")
    return result if isinstance(result, (int, list, str)) else "ok"
def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)
    return "ok"
def write(path):
    with open(path, "w") as f:
        f.write("x")
tried = {
    "root": lambda: sorted(os.listdir("/")) ,
    "uid": os.getuid, "groups": os.getgroups, "pid": lambda: min(os.getppid(), 1),
    "private": lambda: open("/share/private").read(),
    "public": lambda: open("/share/public").read(),
    "shadow": lambda: open("/etc/shadow").read(),
    "write share": lambda: write("/share/new"), "write usr": lambda: write("/usr/new"),
    "write root": lambda: write("/new"), "write own": lambda: write(own + "/a"),
    "fill own": lambda: open(own + "/b", "wb").write(b"x" * (2 << 20)),
    "run own": lambda: os.execv(own + "/a", ["a"]),
    "null": lambda: write("/dev/null"),
    "mount": lambda: call("mount", b"none", b"/run", b"tmpfs", 0, None),
    "unshare user": lambda: call("unshare", 0x10000000),
    "unshare net": lambda: call("unshare", 0x40000000),
    "chroot": lambda: os.chroot("/usr"),
    "ptrace": lambda: call("ptrace", 16, os.getppid(), 0, 0),
    "setuid": lambda: os.setuid(0),
    "keys": lambda: call("syscall", 250, 0, 0, 0, 0),
    "bpf": lambda: call("syscall", 321, 0, 0, 0),
    "io_uring": lambda: call("syscall", 425, 1, 0),
    "clone3": lambda: call("syscall", 435, 0, 0),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "packet": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "vsock": lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM),
    "mark": lambda: socket.socket().setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 1),
    "raw": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 6),
    "kill all": lambda: os.kill(-1, 0), "kill warden": lambda: os.kill(1, 9),
    "environment": lambda: sorted(os.environ),
    "files": lambda: sum(os.path.exists(f"/dev/fd/{n}") for n in range(3, 100)),
    "host": lambda: socket.create_connection((sys.argv[1], 22), 1),
}
answer = {name: attempt(what) for name, what in tried.items()}
"""


def test_what_a_program_cannot_do(net, keeper, share):
    (share / "private").write_text("of the guest's root")
    (share / "private").chmod(0o600)
    (share / "public").write_text("anybody's")
    script = with_python(keeper, "player", PLAYER + SAYS +
                         "serve(lambda _: json.dumps(answer))")
    keeper.describe("player", command=f"/usr/bin/python3 -I {script} 127.0.0.1", ports=80,
                    file=script)
    keeper.run("player", 80)
    got = said(net, net.guests[0].v4, 80)
    root = got.pop("root")              # without Landlock it can be listed
    assert root == "EACCES" or set(root) <= {"bin", "dev", "etc", "lib", "lib32", "lib64", "run",
                                             "sbin", "share", "tmp", "usr"}
    assert got == {
        "uid": modules.UID, "groups": [], "pid": 1,
        "private": "EACCES", "public": "anybody's", "shadow": "ENOENT",
        "write share": "EROFS", "write usr": "EROFS", "write root": "EROFS",
        "write own": "ok", "fill own": "ENOSPC", "run own": "EACCES", "null": "ok",
        "mount": "EPERM", "unshare user": "EPERM", "unshare net": "EPERM", "chroot": "EPERM",
        "ptrace": "EPERM", "setuid": "EPERM", "keys": "EPERM", "bpf": "EPERM",
        "io_uring": "EPERM", "clone3": "ENOSYS", "netlink": "EAFNOSUPPORT",
        "packet": "EAFNOSUPPORT", "vsock": "EAFNOSUPPORT", "raw": "EPERM",
        "mark": "EPERM",
        "kill all": "ESRCH",
        "kill warden": "ok",            # the kernel has it ignored; who would answer else?
        "environment": ["HOME", "HYLICS_PORT", "HYLICS_RUN", "HYLICS_SHARE", "HYLICS_VM",
                        "LC_CTYPE", "PATH", "TMPDIR"],
        "files": 0, "host": "no answer",
    }


def test_what_it_takes_is_told(net, keeper):
    """CPU time grows with work, over restarts too; memory is of what runs now."""
    with_python(keeper, "busy", SAYS + "import time\nheld = bytearray(20 << 20)\n"
                "def work(_):\n    while time.process_time() < 0.3:\n        pass\n"
                "    return str(os.getpid())\nserve(work)")
    keeper.run("busy", 80)
    assert said(net, net.guests[0].v4, 80) == 2
    first = keeper.until("busy", lambda s: s.cpu_us >= 200_000)
    assert first.memory >= 20 << 20
    os.kill(programs_of()[-1], signal.SIGKILL)
    state = keeper.until("busy", lambda s: s.life == "failing")
    assert state.cpu_us >= first.cpu_us and state.memory == 0
    keeper.want()
    keeper.until_life("busy", "stopped")
    keeper.run("busy", 81)
    assert keeper.state("busy").cpu_us < 200_000


def test_words_stay_words(net, keeper):
    """Quotes and blanks of the operator's, and what is put in."""
    text = SAYS.replace("import os, socket", "import json, os, socket, sys")
    script = with_python(keeper, "words", text + "serve(lambda _: json.dumps(sys.argv[1:]))")
    keeper.describe("words", command=f'/usr/bin/python3 -I {script} "a b" "" ${{port}}x$$ '
                    '"${vm} \\" ; rm -rf ${share}" ${run}', ports=80, file=script)
    keeper.run("words", 80)
    assert said(net, net.guests[0].v4, 80) == [
        "a b", "", "80x$", 'web1 " ; rm -rf /share', "/run/module"]


def test_limits_hold(net, keeper):
    text = """import resource
def take(n):
    try:
        return len(bytearray(n))
    except MemoryError:
        return "none left"
def beget(n):
    for i in range(n):
        try:
            if os.fork() == 0:
                os.closerange(3, 77)
                signal.pause()
        except BlockingIOError:
            return "none left"
    return n
""" + SAYS.replace("import os", "import json, os, signal") + """
serve(lambda _: json.dumps([resource.getrlimit(resource.RLIMIT_NOFILE)[0],
                            take(8 << 20), take(128 << 20), beget(20)]))"""
    with_python(keeper, "limits", text, descriptors=77, memory="64M", tasks=8)
    keeper.run("limits", 80)
    assert said(net, net.guests[0].v4, 80) == [77, 8 << 20, "none left", "none left"]
