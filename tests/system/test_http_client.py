# SPDX-License-Identifier: GPL-2.0-or-later
"""How the commands ask hylicsd: exit codes, nobody there, somebody else there."""

import json
import socket
import subprocess

import pytest
from api_stub import CALL, SOON_S, Stub


@pytest.fixture(name="stub")
def _stub(tmp_path):
    stub = Stub(tmp_path)
    yield stub
    assert stub.end() == 0


def test_client_has_the_exit_codes_of_the_contracts(stub):
    assert json.loads(stub.call("GET", "/v1/vms/web1").stdout) == {"name": "web1"}
    assert stub.call("DELETE", "/v1/vms/web1?force").stdout == ""
    assert len(stub.call("GET", "/test/big").stdout) > 3 << 20
    for words, code, says in ((("GET", "/v1/vms/no"), 3, "vm 'no': No such file or directory"),
                              (("DELETE", "/v1/vms/web1"), 5, "Address already in use"),
                              (("GET", "/test/error/122"), 5, "vm 'x': Disk quota exceeded"),
                              (("GET", "/test/error/5"), 1, "vm 'x': Input/output error"),
                              (("POST", "/v1/vms", '{"name":5}'), 2, "name: want a text"),
                              (("GET", "/v1/vms/a b"), 2, "small letters"),
                              (("GET", "/v1/vms/a\r\nX: y"), 2, "small letters"),
                              (("GET", "/v1/vms/" + "a" * 9000), 2, "at most 63 bytes"),
                              (("GET", "/zz"), 1, "there is no '/zz'")):
        done = stub.call(*words)
        assert done.returncode == code, (words, done)
        assert done.stderr.rstrip().endswith(says) or says in done.stderr, done
        assert json.loads(done.stdout)["error"]["message"].count(says) == 1
    assert json.loads(stub.call("POST", "/v1/vms", '{"name":5}').stdout)["error"]["field"] == "name"


def test_client_without_a_server(tmp_path):
    for dead in (False, True):
        if dead:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(tmp_path / "api.sock"))
        done = subprocess.run([CALL, tmp_path, "GET", "/v1/host"], capture_output=True, text=True,
                              check=False)
        assert done.returncode == 4
        assert "systemctl start hylicsd" in done.stderr
        assert json.loads(done.stdout)["error"]["code"] == "not-reachable"
    done = subprocess.run([CALL, tmp_path / ("x" * 200), "GET", "/v1/host"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 1


WRONG_ANSWERS = (b"", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n",
                 b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}",
                 b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}}",
                 b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
                 b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
                 b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                 b"HTTP/1.1 404 No\r\nContent-Length: 6\r\n\r\n<html>",
                 b"HTTP/1.1 404 No\r\nContent-Length: 12\r\n\r\n{\"error\":{}}",
                 b"x" * 20000)


def test_client_and_wrong_servers(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "api.sock"))
        listener.listen(8)
        listener.settimeout(SOON_S)
        for wrong in WRONG_ANSWERS:
            with subprocess.Popen([CALL, tmp_path, "GET", "/v1/host"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True) as call:
                with listener.accept()[0] as client:
                    client.recv(4096)
                    client.sendall(wrong)
                out, err = call.communicate(timeout=SOON_S)
                assert call.returncode == 1, (wrong, out, err)
                assert len(err) > 20 and "error" in json.loads(out)
