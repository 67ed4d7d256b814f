# SPDX-License-Identifier: GPL-2.0-or-later
"""An HTTP client that compares every byte with the files the server has; for servers.py.

    with Fetcher(net.client, server, site.root) as one:
        answer = one.fetch(Ask("body", headers=(("Range", "bytes=0-99,500-"),)))

It believes nothing: which bytes an answer must hold comes from what was asked and from the file.
One connection; several requests may be sent before the first answer is taken.
"""

import dataclasses
import functools
import hashlib
import mmap
import re
import select
import socket
import struct
import threading
import time

from hylab import LabError
from hylab.experiments.wire import in_namespace

READ_BYTES = 256 << 10
HEAD_MAX = 64 << 10
STUCK_AFTER_S = 60
# of an answer's head: what is not the same twice, though nothing is wrong
_VARIES = ("date",)
_BOUNDARY = re.compile(rb"boundary=\"?([^\";]+)")


class Wrong(LabError):
    """An answer is not what was asked for."""


class Cut(LabError):
    """A connection ended inside an answer."""

    def __init__(self, how, got, of):
        super().__init__(f"the connection ended ({how}) at byte {got} of a body of {of}")
        self.how, self.got, self.of = how, got, of


@dataclasses.dataclass(frozen=True)
class Ask:
    """A request for a file."""
    name: str
    method: str = "GET"
    headers: tuple = ()

    def head(self):
        """Its bytes."""
        lines = [f"{self.method} /{self.name} HTTP/1.1", "Host: guest",
                 *(f"{name}: {value}" for name, value in self.headers)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")

    @property
    def ranges(self):
        """What its Range asks for: [(first, last)], None where nothing stands; None without."""
        value = dict(self.headers).get("Range")
        if value is None:
            return None
        pairs = (part.strip().split("-") for part in value.removeprefix("bytes=").split(","))
        return [tuple(int(number) if number else None for number in pair) for pair in pairs]


@dataclasses.dataclass
class Answer:
    """What came."""
    ask: Ask
    status: int
    headers: dict           # names in lower case
    body_bytes: int = 0     # that came so far
    file_bytes: int = 0     # of these, bytes of the file, compared
    boundary_bytes: int = 0  # between parts: apache's are not always of the same length
    other: object = dataclasses.field(default_factory=hashlib.sha256)   # what is no file's

    def told(self):
        """All of it that must be the same whenever the same is asked."""
        headers = {name: value for name, value in self.headers.items() if name not in _VARIES}
        if "boundary=" in headers.get("content-type", ""):
            headers["content-type"] = re.sub("boundary=.*", "boundary", headers["content-type"])
            del headers["content-length"]       # of the body's bytes, which are compared with it
        if "allow" in headers:                  # apache has another order in each process
            headers["allow"] = sorted(headers["allow"].split(","))
        return (self.ask.method, self.ask.name, self.ask.headers, self.status,
                sorted(headers.items()), self.body_bytes - self.boundary_bytes, self.file_bytes,
                self.other.hexdigest())


@functools.lru_cache(256)
def _mapped(path, _size, _changed):
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _bytes_of(path):
    """The file as it is now."""
    seen = path.stat()
    return _mapped(path, seen.st_size, seen.st_mtime_ns) if seen.st_size else b""


def _resolve(pair, size):
    """First and last byte of a range of a file; None if the file has none of it."""
    first, last = pair
    if first is None:
        first, last = max(0, size - last), size - 1
    last = size - 1 if last is None else min(last, size - 1)
    return (first, last) if first <= last and first < size else None


class Fetcher:
    """One connection to a server whose files are also below root."""

    def __init__(self, node, server, root, rcvbuf=None, nodelay=True):
        self._root = root
        self._where = server.where
        self._node = node
        self._options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(nodelay)),
                         *([(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)] if rcvbuf else ())]
        self._bodies = {}
        self._connect()

    def _connect(self):
        self._socket = in_namespace(self._node.namespace, socket.socket)
        for option in self._options:
            self._socket.setsockopt(*option)
        self._socket.settimeout(STUCK_AFTER_S)
        self._socket.connect(self._where)
        self._have = b""
        self._to_end = False        # the server has said that it closes

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """An orderly end, if nothing came that was not read."""
        self._socket.close()

    def reset(self):
        """Leave with a reset, whatever is under way."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def send(self, *asks):
        """All of them in one write."""
        self._socket.sendall(b"".join(ask.head() for ask in asks))

    def half_close(self):
        """No more requests."""
        self._socket.shutdown(socket.SHUT_WR)

    def fetch(self, ask):
        """Ask and take the whole answer; on a new connection if the server has closed this one."""
        if self._to_end:
            if (how := self.ended()) != "fin":
                raise Wrong(f"a connection that was to be closed ended by {how}")
            self._socket.close()
            self._connect()
        self.send(ask)
        return self.take(ask)

    def take(self, ask):
        """The whole answer to the oldest request that has none."""
        answer = self.begin(ask)
        self.go_on(answer)
        return answer

    def begin(self, ask):
        """The head of an answer; its body comes with go_on()."""
        answer = self._head(ask)
        self._to_end = answer.headers.get("connection", "").lower() == "close"
        self._bodies[id(answer)] = self._body(answer)
        return answer

    def go_on(self, answer, upto=None):
        """Take of its body until so many bytes have come (some more may), or all."""
        body = self._bodies[id(answer)]
        while upto is None or answer.body_bytes < upto:
            if next(body, None) is None:
                del self._bodies[id(answer)]
                return True
        return False

    def take_slowly(self, answer, bytes_per_s):
        """Take the rest of a body no faster than that."""
        began, before = time.monotonic(), answer.body_bytes
        body = self._bodies.pop(id(answer))
        while next(body, None) is not None:
            due = began + (answer.body_bytes - before) / bytes_per_s
            time.sleep(max(0, due - time.monotonic()))

    def ended(self, timeout_s=STUCK_AFTER_S):
        """Wait for the server's end: "fin" or "reset". Wrong if a byte comes instead."""
        if self._have:
            raise Wrong(f"bytes that nobody asked for: {self._have[:80]!r}")
        if not select.select([self._socket], [], [], timeout_s)[0]:
            raise Wrong("the server does not end the connection")
        try:
            piece = self._socket.recv(1)
        except ConnectionResetError:
            return "reset"
        if piece:
            raise Wrong("bytes that nobody asked for")
        return "fin"

    def quiet(self):
        """Whether nothing has come that was not asked for."""
        return not self._have and not select.select([self._socket], [], [], 0)[0]

    # --- heads ---------------------------------------------------------------------------------

    def _head(self, ask):
        text = self._until(b"\r\n\r\n").decode("latin-1")
        status, *lines = text.split("\r\n")
        found = re.fullmatch(r"HTTP/1\.1 (\d{3})( .*)?", status)
        if not found:
            raise Wrong(f"no HTTP answer begins with {status[:80]!r}")
        pairs = [line.partition(":") for line in lines]
        return Answer(ask, int(found[1]),
                      {name.lower(): value.strip() for name, _, value in pairs})

    def _until(self, mark):
        while mark not in self._have:
            if len(self._have) > HEAD_MAX:
                raise Wrong("a head does not end")
            self._have += self._receive(0, "?")
        head, _, self._have = self._have.partition(mark)
        return head

    # --- bodies: generators that yield after every piece -------------------------------------

    def _body(self, answer):
        if answer.ask.method == "HEAD" or answer.status in (204, 304):
            return
        if answer.headers.get("transfer-encoding") == "chunked":
            yield from self._chunks(answer)
            return
        length = int(answer.headers.get("content-length", 0))
        if answer.status == 200:
            size = len(_bytes_of(self._path(answer)))
            self._expect(length == size, f"{length} bytes of a file of {size}")
            yield from self._file_part(answer, 0, length)
        elif answer.status == 206 and "multipart" in answer.headers.get("content-type", ""):
            yield from self._parts(answer, length)
        elif answer.status == 206:
            begin, end = self._told_range(answer, answer.headers.get("content-range", ""))
            self._expect(end - begin == length, f"range {begin}-{end} has {length} bytes")
            yield from self._file_part(answer, begin, end)
        else:
            yield from self._other(answer, length)
        self._expect(answer.body_bytes == length,
                     f"a body of {answer.body_bytes} bytes, told were {length}")

    def _path(self, answer):
        return self._root / answer.ask.name

    def _told_range(self, answer, text):
        """Begin and end of the range an answer says it is; Wrong if nobody asked for it."""
        size = len(_bytes_of(self._path(answer)))
        found = re.fullmatch(rf"bytes (\d+)-(\d+)/{size}", text)
        self._expect(found, f"no range of {size} bytes: {text!r}")
        first, last = int(found[1]), int(found[2])
        wanted = [_resolve(pair, size) for pair in answer.ask.ranges or ()]
        # a server may join ranges that overlap or nearly do
        inside = [pair for pair in wanted if pair and first <= pair[0] and pair[1] <= last]
        self._expect(inside and min(inside)[0] == first and max(p[1] for p in inside) == last,
                     f"{text!r} was not asked for")
        return first, last + 1

    def _parts(self, answer, length):
        boundary = b"--" + _BOUNDARY.search(answer.headers["content-type"].encode())[1]
        seen = []
        while True:
            head = yield from self._line(answer)
            if head == b"" and answer.body_bytes < length:      # before a boundary
                continue
            if head == boundary + b"--":
                break
            self._expect(head == boundary, f"no boundary: {head[:80]!r}")
            text = ""
            while (line := (yield from self._line(answer))):
                name, _, value = line.decode("latin-1").partition(":")
                text = value.strip() if name.lower() == "content-range" else text
            part = self._told_range(answer, text)
            seen.append(part)
            yield from self._file_part(answer, *part)
        size = len(_bytes_of(self._path(answer)))
        for pair in filter(None, (_resolve(pair, size) for pair in answer.ask.ranges)):
            self._expect(any(begin <= pair[0] and pair[1] < end for begin, end in seen),
                         f"range {pair} is missing")

    def _line(self, answer):
        line = self._until(b"\r\n")
        answer.body_bytes += len(line) + 2
        if line.startswith(b"--"):
            answer.boundary_bytes += len(line)
        else:
            answer.other.update(line)
        yield len(line) + 2
        return line

    def _file_part(self, answer, begin, end):
        want = _bytes_of(self._path(answer))
        while begin < end:
            piece = self._piece(end - begin, answer.body_bytes, answer)
            if piece != want[begin:begin + len(piece)]:
                raise Wrong(f"{answer.ask}: a byte is wrong in {begin}-{begin + len(piece)}, at "
                            f"{begin + _first_difference(piece, want, begin)}")
            begin += len(piece)
            answer.body_bytes += len(piece)
            answer.file_bytes += len(piece)
            yield len(piece)

    def _chunks(self, answer):
        self._expect(answer.status >= 400, f"chunks, and the status is {answer.status}")
        while (count := int(self._until(b"\r\n"), 16)):
            yield from self._other(answer, answer.body_bytes + count)
            self._expect(self._until(b"\r\n") == b"", "a chunk does not end where it should")
        self._expect(self._until(b"\r\n") == b"", "chunks have a trailer")

    def _other(self, answer, length):
        while answer.body_bytes < length:
            piece = self._piece(length - answer.body_bytes, answer.body_bytes, answer)
            answer.other.update(piece)
            answer.body_bytes += len(piece)
            yield len(piece)

    def _piece(self, most, got, answer):
        if not self._have:
            self._have = self._receive(got, answer.headers.get("content-length"))
        piece, self._have = self._have[:most], self._have[most:]
        return piece

    def _receive(self, got, of):
        try:
            piece = self._socket.recv(READ_BYTES)
        except ConnectionResetError as error:
            raise Cut("reset", got, of) from error
        except TimeoutError as error:
            raise Wrong(f"no byte for {STUCK_AFTER_S} s at byte {got} of {of}") from error
        if not piece:
            raise Cut("fin", got, of)
        return piece

    @staticmethod
    def _expect(right, what):
        if not right:
            raise Wrong(what)


def _first_difference(piece, want, begin):
    return next(i for i, byte in enumerate(piece) if byte != want[begin + i])


def together(jobs, timeout_s=600):
    """Call all of these, each in a thread; their values in order. The first failure is raised."""
    values, errors = [None] * len(jobs), []

    def run(number, job):
        try:
            values[number] = job()
        except BaseException as error:      # handed to the caller below
            errors.append(error)
    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(jobs)]
    end = time.monotonic() + timeout_s
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, end - time.monotonic()))
        if thread.is_alive():
            raise LabError(f"not done after {timeout_s} s")
    if errors:
        raise errors[0]
    return values
