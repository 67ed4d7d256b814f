# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that connects out and sends a file, as one that uploads or answers from behind NAT.

outward.py send FILE ADDRESS PORT CONNECTIONS		in the guest, with $HYLICS_LIBRARY
outward.py receive FILE ADDRESS CONNECTIONS PIECES	elsewhere; prints its port, then its verdict

The receiver asks for each piece by offset and length, on a connection that the guest has opened,
and compares every byte of it before it asks for the next.
"""

import json
import random
import socket
import struct
import sys
import threading

PIECE = struct.Struct("!QQ")
LENGTHS = 3_500_000, 6_000_000      # of a piece; beyond what a connection sends before it goes home
CALL = 512 * 1024
READ = 1 << 18
PATIENCE_S = 60


def read_exactly(sock, count):
    """So many bytes; fewer at the stream's end."""
    whole = bytearray()
    while len(whole) < count:
        piece = sock.recv(min(READ, count - len(whole)))
        if not piece:
            break
        whole += piece
    return bytes(whole)


def send_pieces(file, address):
    """One connection of the guest's."""
    from guest_library import sendfile     # pylint: disable=import-outside-toplevel
    with socket.create_connection(address, timeout=PATIENCE_S) as sock:
        sock.settimeout(None)
        while asked := read_exactly(sock, PIECE.size):
            offset, left = PIECE.unpack(asked)
            while left:
                done = sendfile(sock.fileno(), file, offset, min(CALL, left))
                offset, left = offset + done, left - done


def receive(listener, content, pieces, verdict):
    """One connection: counts of pieces that were right and of those that were not."""
    sock, peer = listener.accept()
    chance = random.Random(len(verdict["peers"]))
    verdict["peers"].append(peer[0])
    try:
        with sock:
            sock.settimeout(PATIENCE_S)
            for _ in range(pieces):
                length = chance.randint(*LENGTHS)
                offset = chance.randrange(len(content) - length)
                sock.sendall(PIECE.pack(offset, length))
                right = read_exactly(sock, length) == content[offset:offset + length]
                verdict["right" if right else "wrong"] += 1
    except OSError as error:
        verdict["errors"].append(str(error))


def together(count, function, *arguments):
    """Run it so often at once."""
    threads = [threading.Thread(target=function, args=arguments) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main(verb, file, address, *rest):
    """Either side."""
    with open(file, "rb") as body:
        if verb == "send":
            port, connections = map(int, rest)
            together(connections, send_pieces, body.fileno(), (address, port))
            return
        content = body.read()
    connections, pieces = map(int, rest)
    verdict = {"right": 0, "wrong": 0, "errors": [], "peers": []}
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family, backlog=64) as listener:
        listener.settimeout(PATIENCE_S)
        print("port", listener.getsockname()[1], flush=True)
        together(connections, receive, listener, content, pieces, verdict)
    print(json.dumps(verdict), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
