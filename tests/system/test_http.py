# SPDX-License-Identifier: GPL-2.0-or-later
"""The API's server: what is answered, what is refused, and who may hold it up (nobody)."""

import contextlib
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import threading
import time

import pytest
from api_stub import BUILD, CALL, PROGRAM, SOON_S, Stub, answer, ask, closed, receive, request

from hylab import wakes
from hylab.wait import wait_for

SANITIZED = "asan" in BUILD.name
CONNECTIONS_MAX = 256
BODY_MAX = 65536
EVENTS_MAX = 256
STREAMS_MAX = 64


@pytest.fixture(name="stub")
def _stub(tmp_path):
    stub = Stub(tmp_path)
    yield stub
    assert stub.end() == 0


@pytest.fixture(name="impatient")
def _impatient(tmp_path):
    """Gives a request a second, in which a client on a busy machine gets to say it."""
    stub = Stub(tmp_path, request_ms=1000)
    yield stub
    assert stub.end() == 0


# --- as a user would ------------------------------------------------------------------------------

def test_curl(stub):
    assert json.loads(stub.curl("/v1/vms/web1").stdout) == {"name": "web1"}
    done = stub.curl("/v1/vms", "-d", '{"name":"web1","share":"64M"}')
    assert json.loads(done.stdout) == {"name": "web1", "share": 64 << 20}
    assert done.stdout.endswith("}\n")
    done = stub.curl("/v1/vms/web1?force", "-X", "DELETE", "-w", "%{http_code}")
    assert done.stdout == "204"
    assert stub.curl("/v1/vms/web1", "-I").stdout.startswith("HTTP/1.1 200 OK\n")
    done = stub.curl("/v1/vms", "-d", '{"name":"web1"}', "-H", "Expect: 100-continue", "-i")
    assert done.stdout.startswith("HTTP/1.1 100 Continue\n\nHTTP/1.1 201 Created\n")
    done = stub.curl("/v1/vms", "-d", '{"name":"w"}', "-H", "Transfer-Encoding: chunked")
    assert json.loads(done.stdout)["name"] == "w"


def test_connection_is_kept_and_requests_may_follow_each_other_at_once(stub):
    with stub.connect() as client:
        for _ in range(3):
            assert ask(client, "GET", "/v1/vms/web1")[0] == 200
            assert ask(client, "GET", "/v1/vms/no")[0] == 404
        client.sendall(request("GET", "/v1/vms/web1") + request("POST", "/v1/vms", {"name": "a"}) +
                       request("HEAD", "/v1/vms/web1") + request("GET", "/zz"))
        assert answer(client)[2] == {"name": "web1"}
        assert answer(client)[0] == 201
        assert answer(client, "HEAD")[0] == 200
        assert answer(client)[0] == 404


REFUSED = (
    ("GET", "/", None, 404, "no-such-path"),
    ("GET", "/v1/vms/", None, 404, "no-such-path"),
    ("GET", "/v1/vms/web1/", None, 404, "no-such-path"),
    ("GET", "/v1/vms/a/../web1", None, 404, "no-such-path"),
    ("GET", "/v1/vms/web%31", None, 404, "not-found"),
    ("GET", "/v1/vms/web1%00", None, 404, "not-found"),
    ("GET", "/v1/vms/web1%2fdrain", None, 404, "not-found"),
    ("GET", "/v1/vms/" + "a" * 247, None, 404, "not-found"),
    ("GET", "/v1/vms/" + "a" * 248, None, 414, "no-such-path"),
    ("GET", "/v1/vms/" + "a" * 10000, None, 414, "no-such-path"),
    ("PUT", "/v1/vms", {"name": "a"}, 405, "no-such-method"),
    ("GET", "/v1/vms", None, 405, "no-such-method"),
    ("BREW", "/v1/vms", None, 405, "no-such-method"),
    ("GET", "/v1/host?x=1", None, 400, "bad-option"),
    ("DELETE", "/v1/vms/web1?force&force", None, 400, "bad-option"),
    ("DELETE", "/v1/vms/web1", None, 409, "in-use"),
    ("GET", "/v1/host", {"a": 1}, 400, "bad-usage"),
    ("POST", "/v1/vms", None, 400, "bad-usage"),
    ("POST", "/v1/vms", b"{", 400, "bad-usage"),
    ("POST", "/v1/vms", b"[]", 400, "bad-usage"),
    ("POST", "/v1/vms", b'{"name":"a","name":"b"}', 400, "bad-usage"),
    ("POST", "/v1/vms", b'{"name":"\\u0000"}', 400, "bad-usage"),
    ("POST", "/v1/vms", b'{"name":"\xff"}', 400, "bad-usage"),
    ("POST", "/v1/vms", b'{"name":"a","share":18446744073709551616}', 400, "bad-usage"),
    ("POST", "/v1/vms", {}, 400, "bad-option"),
    ("POST", "/v1/vms", {"name": "a", "share": 0}, 400, "bad-option"),
    ("POST", "/v1/vms", {"name": "a", "shared": 1}, 400, "bad-option"),
    ("POST", "/v1/vms", {"name": "a" * 10000}, 400, "bad-option"),
    ("POST", "/v1/vms", b'{"a":' * 100 + b"1" + b"}" * 100, 400, "bad-usage"),
    ("POST", "/v1/vms", b"[" * BODY_MAX, 400, "bad-usage"),
    ("POST", "/v1/vms", b" " * (BODY_MAX + 1), 413, "too-large"),
    ("POST", "/v1/vms", b" " * (1 << 20), 413, "too-large"),
)


def test_refused_with_a_reason_and_the_connection_goes_on(stub):
    with stub.connect() as client:
        for method, path, body, status, code in REFUSED:
            got = ask(client, method, path, body)
            case = (method, path[:40], str(body)[:60], got)
            assert got[0] == status and got[2]["error"]["code"] == code, case
            assert len(got[2]["error"]["message"]) > 8, case
        assert ask(client, "GET", "/v1/host")[2]["calls"] == 0


def test_refusals_say_what_would_be_right(stub):
    assert stub.ask("PUT", "/v1/vms/web1")[1]["allow"] == "GET, HEAD, DELETE"
    error = stub.ask("POST", "/v1/vms", {"name": "a", "share": "64MB"})[2]["error"]
    assert error["field"] == "share" and '"64M"' in error["message"]
    error = stub.ask("POST", "/v1/vms", b'{"a":' * 100 + b"1" + b"}" * 100)[2]["error"]
    assert error["message"] == "JSON of 100 levels: at most 32 are taken"
    assert "field" not in error


def test_a_body_of_just_the_limit_is_taken(stub):
    body = b'{"name":"a"'
    assert stub.ask("POST", "/v1/vms", body + b" " * (BODY_MAX - len(body) - 1) + b"}")[0] == 201
    chunks = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
    with stub.connect() as client:
        client.sendall(request("POST", "/v1/vms", Transfer_Encoding="chunked") + chunks * 17 +
                       b"0\r\n\r\n")
        assert answer(client)[0] == 413
        assert ask(client, "GET", "/v1/host")[0] == 200


def test_headers_past_the_limit(stub):
    assert stub.ask("GET", "/v1/host", X="x" * 16000)[0] == 200
    for size in (16384, 20000, 40000, 1 << 20):
        with stub.connect() as client, contextlib.suppress(ConnectionResetError, BrokenPipeError):
            client.sendall(request("GET", "/v1/host", X="x" * size))
            assert _status(client) == 431
    assert stub.ask("GET", "/v1/host")[0] == 200


def _status(client):
    """Of an answer that may be libmicrohttpd's own, which is no JSON."""
    data = b""
    while len(data) < 12:
        data += receive(client)
    return int(data.split()[1])


def test_who_asks_first_or_has_very_much_is_told_at_once(stub):
    for headers in ({"Expect": "100-continue", "Content_Length": 70000},
                    {"Content_Length": 1 << 40}):
        with stub.connect() as client:
            client.sendall(request("POST", "/v1/vms", **headers))
            assert answer(client)[0] == 413


def test_errors_have_their_status(stub):
    for num, status, code in ((1, 403, "not-allowed"), (2, 404, "not-found"), (16, 409, "busy"),
                              (17, 409, "exists"), (98, 409, "in-use"), (122, 507, "over-budget"),
                              (11, 503, "try-again"), (28, 507, "no-space"), (12, 500, "no-memory"),
                              (22, 500, "failed"), (5, 500, "failed"),
                              (111, 500, "not-reachable")):
        got = stub.ask("GET", f"/test/error/{num}")
        assert (got[0], got[2]["error"]["code"]) == (status, code)
        assert got[2]["error"]["message"] == f"vm 'x': {os.strerror(num)}"


# --- who may ask ----------------------------------------------------------------------------------

def _as(stub, uid, gid, groups):
    """The status a user gets."""
    os.chmod(stub.folder, 0o755)
    for parent in stub.folder.parents:
        if parent.stat().st_mode & 0o001 == 0:
            os.chmod(parent, 0o711)
    done = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket",
                           stub.path, "http://x/v1/host"], user=uid, group=gid,
                          extra_groups=groups, capture_output=True, text=True, check=False)
    return done.stdout


def test_root_and_members_of_the_group_may_ask(tmp_path):
    if len(pathlib.Path("/proc/self/uid_map").read_text("ascii").split()) == 3 and \
            int(pathlib.Path("/proc/self/uid_map").read_text("ascii").split()[2]) < 5000:
        pytest.skip("there is one user only")
    stub = Stub(tmp_path, group=4321)
    assert _as(stub, 4000, 4321, []) == "200"
    assert _as(stub, 4000, 4000, [4321]) == "200"
    assert _as(stub, 4000, 4000, [*range(2000, 2200), 4321]) == "200"
    assert _as(stub, 4000, 4000, [*range(2000, 2200)]) == "403"
    assert _as(stub, 4000, 4000, []) == "403"
    assert _as(stub, 4321, 4000, []) == "403"
    assert _as(stub, 0, 4000, []) == "200"
    assert stub.end() == 0


def test_without_a_group_nobody_else_may(tmp_path):
    stub = Stub(tmp_path)
    with contextlib.suppress(PermissionError):
        assert _as(stub, 4000, 4000, []) == "403"
    assert stub.end() == 0


# --- who does not go on ---------------------------------------------------------------------------

def test_request_cut_at_every_length_calls_nobody(stub):
    whole = request("POST", "/v1/vms", {"name": "web1", "share": "64M"})
    for length in range(len(whole)):
        with stub.connect() as client:
            client.sendall(whole[:length])
            client.shutdown(socket.SHUT_WR)
            closed(client)
    for length in range(len(whole)):
        with stub.connect() as client:
            client.sendall(whole[:length])
    assert stub.state("calls") == 0
    stub.wait("conns", 1)
    with stub.connect() as client:
        for at in range(len(whole)):
            client.sendall(whole[at:at + 1])
        assert answer(client)[0] == 201


def test_half_a_request_is_closed_in_time(impatient):
    whole = request("POST", "/v1/vms", {"name": "web1"})
    clients = [impatient.connect() for _ in range(len(whole))]
    for length, client in enumerate(clients):
        client.sendall(whole[:length])
    for client in clients:
        closed(client)
        client.close()
    impatient.wait("conns", 1)


def test_a_byte_now_and_then_buys_no_time(impatient):
    with impatient.connect() as client, contextlib.suppress(BrokenPipeError):
        client.sendall(request("POST", "/v1/vms")[:-2] + b"Content-Length: 60000\r\n\r\n")
        for _ in range(SOON_S * 20):
            client.sendall(b" ")
            time.sleep(0.05)
        pytest.fail("it went on and on")


def test_a_connection_that_is_kept_idle_ends(impatient):
    with impatient.connect() as client:
        assert ask(client, "GET", "/v1/host")[0] == 200
        closed(client)


def test_an_answer_nobody_reads_is_given_up(impatient):
    with impatient.connect() as client:
        client.sendall(request("GET", "/test/big"))
        impatient.wait("conns", 1)


def test_a_handler_has_all_the_time_it_takes(impatient):
    with impatient.connect() as client:
        client.sendall(request("POST", "/v1/vms/web1/drain"))
        with impatient.connect() as other:
            closed(other)       # both have been there for longer than a request may take
        assert impatient.ask("GET", "/test/late")[2] == {"late": 1}
        assert impatient.ask("POST", "/test/release")[2] == {"answered": 1}
        assert answer(client)[2] == {"turn": 0}


def test_200_who_wait_hold_nobody_up(stub):
    clients = [stub.connect() for _ in range(200)]
    for number, client in enumerate(clients):
        client.sendall(request("POST", "/v1/vms", {"name": "web1"})[:number % 90])
    for _ in range(100):
        assert stub.ask("GET", "/v1/vms/web1")[0] == 200
    for client in clients:
        client.close()
    stub.wait("conns", 1)


def test_200_at_once(stub):
    statuses = []

    def one(number):
        status, _, got = stub.ask("POST", "/v1/vms", {"name": f"vm{number}"})
        statuses.append((status, got["name"]))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON_S)
    assert sorted(statuses) == sorted((201, f"vm{number}") for number in range(200))


def test_one_past_the_limit_waits_until_another_ends(stub):
    clients = [stub.connect() for _ in range(CONNECTIONS_MAX)]
    for client in clients:
        assert ask(client, "GET", "/v1/vms/web1")[0] == 200
    with stub.connect() as waits:
        waits.sendall(request("GET", "/v1/host"))
        assert ask(clients[1], "GET", "/v1/host")[2]["conns"] == CONNECTIONS_MAX
        waits.setblocking(False)
        with pytest.raises(BlockingIOError):
            waits.recv(1)
        waits.settimeout(SOON_S)
        clients[0].close()
        assert answer(waits)[2]["conns"] == CONNECTIONS_MAX
    for client in clients[1:]:
        client.close()
    stub.wait("conns", 1)


def _used(stub):
    """How often it was put off the processor, and ticks it had one."""
    stat = stub.proc("stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (stub.status("voluntary_ctxt_switches") + stub.status("nonvoluntary_ctxt_switches"),
            sum(map(int, stat[11:13])))


def test_who_waits_costs_no_time(stub):
    """Idle, half, waiting for a handler, reading events: nothing turns in circles."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(stub.connect()) for _ in range(40)]
        for number, client in enumerate(clients):
            client.sendall((request("GET", "/v1/host"), request("GET", "/v1/host")[:9],
                            request("POST", "/v1/vms/web1/drain"), request("GET", "/v1/events"),
                            )[number % 4])
        stub.wait("streams", 10)
        wakes.settled([stub.process.pid])
        switches, ticks = _used(stub)
        time.sleep(1)
        after = _used(stub)
        assert after[0] - switches <= 5 and after[1] - ticks <= 1
        stub.ask("POST", "/test/release")


def test_10000_connections_leave_nothing(stub):
    def some(n):
        for number in range(n):
            kind = number % 5
            with stub.connect() as client:
                if kind == 0:
                    ask(client, "GET", "/v1/vms/web1")
                elif kind == 1:
                    ask(client, "POST", "/v1/vms", {"name": "a", "share": number + 4096})
                elif kind == 2:
                    client.sendall(request("POST", "/v1/vms", {"name": "a"})[:number % 80])
                elif kind == 3:
                    ask(client, "POST", "/v1/vms", b"[" * (number % 3000))
                else:
                    client.sendall(request("GET", "/v1/events"))

    some(1000)
    stub.wait("conns", 1)
    stub.wait("streams", 0)
    descriptors, memory = stub.descriptors(), stub.status("RssAnon")
    some(10000)
    stub.wait("conns", 1)
    stub.wait("streams", 0)
    # the last of them is counted out before it is closed
    wait_for(lambda: stub.descriptors() <= descriptors, "descriptors are as before")
    if not SANITIZED:
        assert stub.status("RssAnon") <= memory + 256     # kB


def test_random_bytes(stub):
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    whole = request("POST", "/v1/vms", {"name": "web1", "share": "64M"}, Expect="100-continue")
    for _ in range(500):
        spoilt = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        with stub.connect() as client, contextlib.suppress(BrokenPipeError):
            client.sendall(chance.choice((bytes(spoilt), chance.randbytes(chance.randrange(3000)))))
            client.shutdown(socket.SHUT_WR)
            closed(client)
    stub.wait("conns", 1)


# --- answers that come later ----------------------------------------------------------------------

def test_late_answers_in_any_number(stub):
    clients = [stub.connect() for _ in range(100)]
    for client in clients:
        client.sendall(request("POST", "/v1/vms/web1/drain"))
        _until_late(stub, clients.index(client) + 1)
    assert stub.ask("POST", "/test/release")[2] == {"answered": 100}
    for number, client in enumerate(clients):
        assert answer(client)[2] == {"turn": number}
        assert ask(client, "GET", "/v1/vms/web1")[0] == 200
        client.close()


def _until_late(stub, n):
    until = time.monotonic() + SOON_S
    while stub.ask("GET", "/test/late")[2] != {"late": n}:
        assert time.monotonic() < until


def test_an_answer_from_another_event(stub):
    with stub.connect() as client:
        for _ in range(5):
            assert ask(client, "POST", "/test/later")[2] == {"later": True}


def test_who_ends_his_side_gets_his_answers(stub):
    with stub.connect() as client:
        client.sendall(request("GET", "/test/big") + request("POST", "/test/later") +
                       request("GET", "/v1/vms/web1"))
        client.shutdown(socket.SHUT_WR)
        assert len(answer(client)[2]["text"]) == (3 << 20) - 1
        assert answer(client)[2] == {"later": True}
        assert answer(client)[2] == {"name": "web1"}


def test_who_ends_his_side_within_a_refused_body_is_not_waited_for(stub):
    """The server finds both at once, the bytes and their end."""
    with stub.connect() as client:
        stub.process.send_signal(signal.SIGSTOP)
        client.sendall(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 700\r\n\r\n{}")
        client.shutdown(socket.SHUT_WR)
        stub.process.send_signal(signal.SIGCONT)
        closed(client)


def test_client_that_has_gone_before_its_answer(stub):
    for _ in range(20):
        with stub.connect() as client:
            client.sendall(request("POST", "/v1/vms/web1/drain") + request("GET", "/v1/host"))
            _until_late(stub, 1)
        stub.ask("POST", "/test/release")
        stub.wait("conns", 1)


def test_an_answer_is_given_once(stub):
    with stub.connect() as client:
        client.sendall(request("POST", "/v1/vms/web1/drain"))
        _until_late(stub, 1)
        assert stub.ask("POST", "/test/release?keep")[2] == {"answered": 1}
        assert answer(client)[0] == 200
        assert stub.ask("POST", "/test/release?keep")[2] == {"answered": 0}
        client.sendall(request("POST", "/v1/vms/web1/drain"))
        _until_late(stub, 2)
        assert stub.ask("POST", "/test/release")[2] == {"answered": 1}     # not twice, by the first
        assert answer(client)[2] == {"turn": 1}


def test_the_end_answers_who_waits(tmp_path):
    stub = Stub(tmp_path)
    with stub.connect() as late, stub.connect() as events, stub.connect():
        late.sendall(request("POST", "/v1/vms/web1/drain"))
        events.sendall(request("GET", "/v1/events"))
        stub.wait("streams", 1)
        _until_late(stub, 1)
        assert stub.end() == 0
        assert answer(late)[0] == 503
        closed(events)


# --- events ---------------------------------------------------------------------------------------

def _stream(stub, after=b":\n\n"):
    """A connection on which the stream has begun."""
    client = stub.connect()
    client.sendall(request("GET", "/v1/events"))
    data = b""
    while after not in data:
        data += receive(client)
    assert b"Content-Type: text/event-stream" in data
    return client


class Reader:
    """Keeps what has come."""

    def __init__(self, client):
        self.client = client
        self.data = b""

    def read(self):
        """Wait for more."""
        data = self.client.recv(1 << 20)
        assert data
        self.data += data

    def count(self, text):
        """How often a text has come."""
        return self.data.count(text)


def _send(stub, n, text):
    assert stub.ask("POST", "/test/events", {"n": n, "text": text})[0] == 204


def test_events_come_in_order_to_all(stub):
    words = [CALL, stub.folder, "EVENTS", "500"]
    readers = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for reader in readers:
        assert reader.stdout.readline() == "open\n"
    stub.wait("streams", 3)
    wanted = []
    for turn in range(100):
        _send(stub, 5, "two\nlines")
        wanted += [f'{turn * 5 + i + 1} test {{"i":{i},"text":"two\\nlines"}}\n' for i in range(5)]
    for reader in readers:
        assert reader.stdout.readlines() == wanted
        assert reader.wait(SOON_S) == 0
        reader.stdout.close()
    _send(stub, 1, "")
    stub.wait("streams", 0)


def test_reader_that_sleeps_is_dropped_and_holds_nobody_up(stub):
    with _stream(stub), _stream(stub) as client:
        awake = Reader(client)
        heard = 0
        while stub.state("streams") == 2:
            _send(stub, 10, "x" * 4000)
            heard += 10
            assert heard < 5000
            while awake.count(b"data: ") < heard:
                awake.read()
        assert stub.state("streams") == 1
        assert heard >= EVENTS_MAX


def test_a_comment_finds_out_who_has_gone(tmp_path):
    stub = Stub(tmp_path, comment_ms=100)
    with _stream(stub) as client:
        client.settimeout(SOON_S)
        data = b""
        while data.count(b":\n\n") < 3:
            data += client.recv(1000)
        with _stream(stub):
            stub.wait("streams", 2)
        stub.wait("streams", 1)
    stub.wait("streams", 0)
    assert stub.end() == 0


def test_readers_leave_connections_to_others(stub):
    readers = [_stream(stub) for _ in range(STREAMS_MAX)]
    status, _, got = stub.ask("GET", "/v1/events")
    assert status == 409 and got["error"]["code"] == "busy"
    done = stub.call("EVENTS", "1")
    assert done.returncode == 5
    for reader in readers:
        reader.close()
    _send(stub, 1, "")
    stub.wait("streams", 0)
    assert stub.curl("/v1/events", "-I").stdout.startswith("HTTP/1.1 200 OK")
    stub.wait("streams", 0)


# --- the service manager --------------------------------------------------------------------------

def test_socket_that_is_handed_over(tmp_path):
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(8)
        fd = listener.fileno()
        script = f"exec 3<&{fd}; export LISTEN_FDS=1 LISTEN_PID=$$; exec {PROGRAM} - 0 0 -1"
        with subprocess.Popen(["/bin/bash", "-c", script], pass_fds=[fd], stdout=subprocess.PIPE,
                              text=True) as process:
            assert process.stdout.readline() == "ready\n"
            done = subprocess.run(["curl", "-sS", "-m", "10", "--unix-socket", path,
                                   "http://x/v1/vms/web1"], capture_output=True, text=True,
                                  check=True)
            assert json.loads(done.stdout) == {"name": "web1"}
            process.send_signal(signal.SIGTERM)
            assert process.wait(SOON_S) == 0
