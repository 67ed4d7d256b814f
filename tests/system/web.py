# SPDX-License-Identifier: GPL-2.0-or-later
"""A small HTTP server that sends files with hylics_sendfile(); for tests with real clients.

web.py DIRECTORY: serves its files on a port of its choice, which it says; GET, HEAD, one range, a
thread per connection.
"""

import http.server
import os
import pathlib
import re
import socket
import sys

from guest_library import sendfile


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection. The header goes before the body, as plain bytes."""

    protocol_version = "HTTP/1.1"
    server_version = "web"

    def do_GET(self):
        """Header and body."""
        self._answer(True)

    def do_HEAD(self):
        """The header of the same answer."""
        self._answer(False)

    def _answer(self, with_body):
        path = self.server.directory / pathlib.PurePath(self.path).name
        try:
            fd = os.open(path, os.O_RDONLY)
        except OSError:
            self.send_error(404)
            return
        try:
            begin, end = self._head(os.fstat(fd).st_size)
            while with_body and begin < end:
                done = sendfile(self.connection.fileno(), fd, begin, end - begin)
                assert done, "a file has less than it had"
                begin += done
        finally:
            os.close(fd)

    def _head(self, size):
        """Say what comes; its begin and end."""
        begin, end = 0, size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked:
            begin, end = int(asked[1]), min(int(asked[2] or size) + 1, size)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{size}")
        self.send_header("Content-Length", str(end - begin))
        self.end_headers()
        return begin, end

    def log_message(self, *_):
        """Nobody reads it."""


class Server(http.server.ThreadingHTTPServer):
    """Both families."""

    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 64     # clients that begin at once wait for no second SYN

    def handle_error(self, request, client_address):
        """A client that goes away is no news; anything else ends the server."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)
            os._exit(1)


def main():
    """Until it is killed."""
    server = Server(("::", 0), Handler)
    server.directory = pathlib.Path(sys.argv[1])
    print("port", server.server_address[1], flush=True)
    server.serve_forever()


main()
