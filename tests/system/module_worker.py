# SPDX-License-Identifier: GPL-2.0-or-later
"""In a worker's place behind hylics-keeper: hands on what a test says, and what the keeper does.

Started by hylics-keeper, with the path of the test's socket and the link's descriptor. A packet is
the message's type and its bytes, either way.
"""

import select
import signal
import socket
import struct
import sys

END, OTHER = 2, 5
HEADER = struct.Struct("<II")
PACKET_MAX = 4096


def hand_on(link, test):
    """One packet of whoever has said something; False: one of them is gone."""
    for sock in select.select([link, test], [], [])[0]:
        packet = sock.recv(PACKET_MAX)
        if not packet:
            return False
        if sock is test:
            link.send(HEADER.pack(OTHER, packet[0]) + packet[1:])
        elif HEADER.unpack_from(packet)[0] == OTHER:
            test.send(bytes([packet[4]]) + packet[HEADER.size:])
    return True


def main():
    """Until the test has gone, the keeper, or SIGTERM comes."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    options = dict(word.split("=", 1) for word in sys.argv[2:])
    link = socket.socket(fileno=int(options["--link"]))
    while HEADER.unpack_from(link.recv(PACKET_MAX))[0] != END:
        pass
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as test:
        test.connect(sys.argv[1])
        while hand_on(link, test):
            pass


if __name__ == "__main__":
    main()
