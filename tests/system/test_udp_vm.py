# SPDX-License-Identifier: GPL-2.0-or-later
"""Files as datagrams from a real VM: behind a tap, asked for over virtio-serial. One boot."""

import pytest

from hylab import rtp, wall
from hylab.offload_vm import Machine, OffloadVm

PORT = 5004
MBPS = 20
FILE_BYTES = 8 << 20


@pytest.fixture(name="offload", scope="module")
def _offload():
    wall.require()
    with Machine() as machine, OffloadVm(machine) as offload:
        yield offload


def damaged(node):
    """Datagrams that the client's kernel did not take: wrong checksums among them."""
    lines = node.run(["cat", "/proc/net/snmp"]).stdout.splitlines()
    names, values = [line.split()[1:] for line in lines if line.startswith("Udp:")]
    counts = dict(zip(names, map(int, values)))
    return counts["InErrors"] + counts["InCsumErrors"]


@pytest.mark.parametrize("mode", rtp.MODES)
def test_a_stream_comes_whole(offload, mode):
    file = offload.file("body", FILE_BYTES)
    before = offload.settled()
    with rtp.Listener(offload.net.client, PORT) as listener, \
            rtp.stream(offload, file, listener, mode, MBPS):
        listener.wait_more()
        if mode == "hylics":
            offload.wait_counts(lambda now: now["cast_bytes"] - before["cast_bytes"]
                                >= rtp.MORE_BYTES // 2)
    assert damaged(offload.net.client) == 0
    if mode == "plain":
        assert offload.settled()["casts"] == before["casts"]


def test_a_program_that_is_gone_sends_no_more(offload):
    file = offload.file("body", FILE_BYTES)
    before = offload.settled()
    with rtp.Listener(offload.net.client, PORT) as listener, \
            rtp.stream(offload, file, listener, "hylics", 1):
        offload.wait_counts(lambda now: now["casts"] > before["casts"])
    # at 1 Mbit/s a cast of 5 s would go on, and its bytes be counted
    ended = offload.settled()
    assert offload.settled()["cast_bytes"] == ended["cast_bytes"]
