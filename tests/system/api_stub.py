# SPDX-License-Identifier: GPL-2.0-or-later
"""A server of the API with routes of a test, and how it is asked.

The server is tests/hylicsd/http_stub.c; tests/hylicsd/api_call.c asks it as the commands do.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

BUILD = pathlib.Path(os.environ["HYLICS_BUILD"])
PROGRAM = BUILD / "tests/hylicsd/http-stub"
CALL = BUILD / "tests/hylicsd/api-call"
LONG_MS = 60000
SOON_S = 60             # what is waited for at most; nothing is expected to take as long


class Stub:
    """A server in a folder of its own."""

    def __init__(self, folder, request_ms=LONG_MS, comment_ms=LONG_MS, group=-1):
        self.folder = folder
        self.path = str(folder / "api.sock")
        self.process = subprocess.Popen(
            [PROGRAM, self.path, str(request_ms), str(comment_ms), str(group)],
            stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def end(self):
        """Ask it to end; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(SOON_S)
        self.process.stdout.close()
        return code

    def connect(self):
        """A connection."""
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(SOON_S)
        client.connect(self.path)
        return client

    def ask(self, method, path, body=None, **headers):
        """One request; (status, headers, JSON or None)."""
        with self.connect() as client:
            return ask(client, method, path, body, **headers)

    def state(self, key):
        """What the server tells of itself; this connection is one of "conns"."""
        return self.ask("GET", "/v1/host")[2][key]

    def wait(self, key, wanted):
        """Until it tells so."""
        until = time.monotonic() + SOON_S
        while self.state(key) != wanted:
            assert time.monotonic() < until, (key, self.state(key), wanted)

    def proc(self, name):
        """A file or folder of /proc."""
        return pathlib.Path(f"/proc/{self.process.pid}/{name}")

    def descriptors(self):
        """How many it has open."""
        return len(list(self.proc("fd").iterdir()))

    def status(self, key):
        """A number of /proc/PID/status."""
        for line in self.proc("status").read_text(encoding="ascii").splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])
        raise KeyError(key)

    def curl(self, path, *options):
        """curl, as a user would."""
        return subprocess.run(["curl", "-sS", "-m", str(SOON_S), "--unix-socket", self.path,
                               *options, f"http://localhost{path}"], capture_output=True,
                              text=True, timeout=2 * SOON_S, check=False)

    def call(self, *words):
        """The client of the commands."""
        return subprocess.run([CALL, self.folder, *words], capture_output=True, text=True,
                              timeout=2 * SOON_S, check=False)


def request(method, path, body=None, **headers):
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    body = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer(client, method="GET"):
    """The next answer; (status, headers, JSON or None)."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += receive(client)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    length = 0 if method == "HEAD" else int(headers.get("content-length", 0))
    while len(body) < length:
        body += receive(client, length - len(body))
    status = int(first.split()[1])
    return status, headers, json.loads(body) if body else None


def receive(client, most=1):
    """Bytes, at least one."""
    data = client.recv(most)    # not a byte of the next answer is taken
    if not data:
        raise ConnectionResetError
    return data


def ask(client, method, path, body=None, **headers):
    """One request on a connection."""
    client.sendall(request(method, path, body, **headers))
    return answer(client, method)


def closed(client):
    """Wait until the server has closed a connection."""
    with contextlib.suppress(ConnectionResetError):
        while client.recv(65536):
            pass
