# SPDX-License-Identifier: GPL-2.0-or-later
"""An unchanged server: answers every request for a path with the file, by os.sendfile().

Run as: /usr/bin/python3 preload_server.py DIRECTORY PORT [REQUESTS]
With REQUESTS it ends by itself after so many.
"""

import os
import pathlib
import socket
import sys


def answer(client, directory, request):
    """One response; false at the end of the connection."""
    name = request.split()[1].decode().lstrip("/")
    with open(directory / name, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        offset = 0
        while offset < size:
            offset += os.sendfile(client.fileno(), file.fileno(), offset, size - offset)


def main(directory, port, requests=0):
    """Serves one connection after the other."""
    left = int(requests) or -1
    with socket.create_server(("", int(port))) as listener:
        print("ready", flush=True)
        while left:
            client, _ = listener.accept()
            with client:
                while left:
                    request = client.recv(65536)
                    if not request:
                        break
                    answer(client, pathlib.Path(directory), request)
                    left -= 1


if __name__ == "__main__":
    main(*sys.argv[1:])
