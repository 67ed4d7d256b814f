# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections that move in every kind of network, and what the network's own rules do to them.

The guests are namespaces whose edge is a veth where a VM's tap would be, or a macvtap.
"""

import contextlib
import random
import subprocess

import pytest
from moving import LONG, wait_for

from hylab import wall
from hylab.channel import Process
from hylab.net import Net
from hylab.offload import AGENT_STATS, Offload, guest_mac

PORT = 8080
FILE_BYTES = 8 << 20
TWO = ("--connections", "2", "--requests", "2", "--head", "100", "--bytes", "1M", "--tail", "50",
       "--upload", "10K", "--upload-when", "during", "--stuck-after", "20s")


@pytest.fixture(name="stack")
def _stack():
    wall.require()
    with contextlib.ExitStack() as stack:
        yield stack


def offload_in(stack, net, guest=None, **options):
    """Offload for a guest, and its file."""
    offload = stack.enter_context(Offload(net, guest or net.guests[0], **options))
    file = offload.share / "body"
    file.write_bytes(random.Random(1).randbytes(FILE_BYTES))
    return offload, file


def moves_well(offload, file, port=PORT, family=4, **options):
    """Answers come moved, every byte right, no RST on the wire to the usual client."""
    before = offload.counts()["moved"]
    with offload.watch() as seen:
        verdict = offload.ask(port, file, *TWO, family=family, **options)
    assert verdict["good"], verdict
    offload.wait_counts(lambda counts: counts["moved"] >= before + 2)
    assert seen["in"]["rst"] == seen["out"]["rst"] == 0


@pytest.mark.parametrize("family", [4, 6])
def test_bridge_whose_host_has_no_address(stack, family):
    net = stack.enter_context(Net.bridge_uplink(spaces=1))
    net.host.ip("addr flush dev br0")
    net.host.sysctl({"net/ipv4/ip_forward": 0, "net/ipv6/conf/br0/disable_ipv6": 1})
    offload, file = offload_in(stack, net)
    offload.serve(PORT, file, "hylics", "--nonblock")
    moves_well(offload, file, family=family)


@pytest.mark.parametrize("build", [Net.bridge_uplink, Net.routed_tap, Net.nat_forward])
@pytest.mark.parametrize("family", [4, 6] if LONG else [4])
def test_the_host_itself_as_client(stack, build, family):
    net = stack.enter_context(build(spaces=1))
    offload, file = offload_in(stack, net)
    offload.serve(PORT, file, "hylics", "--nonblock")
    guest = net.guests[0]
    where = f"{guest.v4}:{PORT}" if family == 4 else f"[{guest.v6}]:{PORT}"
    moves_well(offload, file, node=net.host, where=where)


@pytest.mark.parametrize("build", [Net.bridge_uplink, Net.routed_tap, Net.nat_forward])
def test_guest_to_guest_both_with_offload(stack, build):
    net = stack.enter_context(build(spaces=2))
    both = [offload_in(stack, net, guest) for guest in net.guests]
    for offload, file in both:
        offload.serve(PORT, file, "hylics", "--nonblock")
    for (offload, file), other in zip(both, reversed(net.guests)):
        moves_well(offload, file, node=other.node, where=f"{offload.guest.v4}:{PORT}")


@pytest.mark.parametrize("family", [4, 6])
def test_forwarded_port(stack, family):
    net = stack.enter_context(Net.nat_forward(spaces=1))
    offload, file = offload_in(stack, net)
    offload.serve(80, file, "hylics", "--nonblock")
    moves_well(offload, file, port=80, family=family)


@pytest.mark.parametrize("family", [4, 6])
def test_the_guest_itself_as_client(stack, family):
    """Its frames do not pass the NIC: the copy would speak to nobody."""
    net = stack.enter_context(Net.routed_tap(spaces=1))
    offload, file = offload_in(stack, net)
    offload.serve(PORT, file, "hylics", "--nonblock")
    verdict = offload.ask(PORT, file, *TWO, family=family, node=net.guests[0].node)
    assert verdict["good"], verdict
    wait_for(lambda: offload.counts(AGENT_STATS)["refused"] == {"no-twin": 2}, "two refusals")
    assert offload.counts()["moved"] == 0


@pytest.mark.parametrize("family", [4, 6])
def test_a_port_that_the_guest_redirects(stack, family):
    net = stack.enter_context(Net.bridge_uplink(spaces=1))
    guest = net.guests[0]
    guest.node.run(["nft", "-f", "-"],
                   stdin="table inet port {\nchain in {\ntype nat hook prerouting priority "
                   f"dstnat;\ntcp dport {PORT + 1} redirect to :{PORT}\n}}\n}}\n")
    offload, file = offload_in(stack, net)
    offload.serve(PORT, file, "hylics", "--nonblock")
    verdict = offload.ask(PORT + 1, file, *TWO, family=family)
    assert verdict["good"], verdict
    wait_for(lambda: offload.counts(AGENT_STATS)["refused"] == {"guest-nat": 2}, "two refusals")
    assert offload.counts()["moved"] == 0


def test_operators_rule_stops_the_copy_too(stack):
    """A FORWARD rule against the guest, set in the middle of a transfer and taken back."""
    net = stack.enter_context(Net.routed_tap(spaces=1))
    offload, file = offload_in(stack, net)
    offload.serve(PORT, file, "hylics", "--nonblock")
    with offload.asking(PORT, file, "--connections", "2", "--bytes", "8M", "--read-rate",
                        "8M") as client:
        offload.wait_counts(lambda counts: counts["moved"] == 2)
        net.host.run(["nft", "-f", "-"],
                     stdin="table ip stop {\nchain f {\ntype filter hook forward "
                     f"priority 0;\nip saddr {net.guests[0].v4} counter drop\n}}\n}}\n")
        wait_for(lambda: "packets 0 " not in net.host.run(
            ["nft", "list", "table", "ip", "stop"]).stdout, "a dropped frame of the copy")
        net.host.run(["nft", "delete", "table", "ip", "stop"])
        assert client.verdict()["good"]
    assert offload.counts()["homed"] == 0


def test_same_addresses_twice(stack):
    """Two networks that know nothing of each other, the same guest, the same client and port."""
    both = []
    for _ in range(2):
        net = stack.enter_context(Net.bridge_uplink(spaces=1))
        net.client.sysctl({"net/ipv4/ip_local_port_range": "40000 40001"})
        offload, file = offload_in(stack, net)
        offload.serve(PORT, file, "hylics", "--nonblock")
        both.append((offload, file))
    assert both[0][0].guest.v4 == both[1][0].guest.v4
    with contextlib.ExitStack() as running:
        clients = [running.enter_context(offload.asking(PORT, file, "--bytes", "8M", "--read-rate",
                                                        "16M")) for offload, file in both]
        for client in clients:
            assert client.verdict()["good"]
    for offload, _ in both:
        offload.wait_counts(lambda counts: counts["moved"] == 1)


SPOOF = """
import socket, struct
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sock.bind(("{interface}", 0))
for mac, address in {frames}:
    ends = socket.inet_aton(address) + socket.inet_aton("{to}")
    words = struct.unpack(">10H", bytes.fromhex("450000280000400040060000") + ends)
    total = sum(words) % 65535 ^ 65535
    ip = bytes.fromhex("45000028000040004006") + struct.pack(">H", total) + ends \\
        + bytes.fromhex("1f901f9000000001000000005002040000000000")
    sock.send(bytes.fromhex("{gateway}") + bytes.fromhex(mac) + bytes.fromhex("0800") + ip)
print("sent")
"""


def test_twin_cannot_speak_as_somebody_else(stack):
    """Whoever has taken over the worker sends frames by hand: with wrong addresses none leaves.

    The client's own interface is watched; frames with the guest's addresses do arrive there, which
    shows that the others would have been seen. (The MAC is the guest's whatever the twin says.)
    """
    net = stack.enter_context(Net.bridge_uplink(spaces=1))
    offload, file = offload_in(stack, net)
    offload.serve(PORT, file, "hylics", "--nonblock")
    moves_well(offload, file)       # the twin has learnt where the client is
    guest, worker = net.guests[0], offload.pids("keeper")[1]
    inside = ["nsenter", f"--user=/proc/{worker}/ns/user", f"--net=/proc/{worker}/ns/net",
              "--preserve-credentials", "--"]
    mac = guest_mac(guest).replace(":", "")
    frames = [("029900000099", "10.99.50.99"), (mac, "10.99.50.99"), (mac, net.host.v4),
              (mac, guest.v4)]
    look = stack.enter_context(Process([*net.client.prefix(), "/usr/bin/python3", "-Bc", LOOK]))
    look.wait_output("ready")
    done = subprocess.run([*inside, "/usr/bin/python3", "-Bc", SPOOF.format(
        interface="nic0", frames=frames, to=net.client.v4,
        gateway="029900000002")], capture_output=True, text=True, check=False, timeout=30)
    assert done.stdout.strip() == "sent", done.stderr
    look.wait_output(f"{mac} {guest.v4}")       # the last of them, and so none before it


LOOK = """
import socket
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
sock.bind(("client0", 0))
sock.settimeout(10)
print("ready", flush=True)
while True:
    frame, where = sock.recvfrom(65536)
    if where[2] != 4 and frame[34:38] == bytes.fromhex("1f901f90"):
        print(frame[6:12].hex(), socket.inet_ntoa(frame[26:30]), flush=True)
"""


@pytest.mark.parametrize("family", [4, 6])
def test_guest_behind_a_macvtap(stack, family):
    """To the host, and home again in the middle of an answer."""
    net = stack.enter_context(Net.macvtap(spaces=1))
    offload, file = offload_in(stack, net, worker=("--home-after", "512K"))
    offload.serve(PORT, file, "hylics", "--nonblock")
    moves_well(offload, file, family=family)
    offload.wait_counts(lambda counts: counts["homed"] >= 2 and
                        counts["bytes_file"] >= 2 * (512 << 10))


def test_guests_behind_two_macvtaps_talk_to_each_other(stack):
    """What the copy sends goes from one macvtap to the other, without the wire between."""
    net = stack.enter_context(Net.macvtap(spaces=2))
    offload, file = offload_in(stack, net)
    offload.serve(PORT, file, "hylics", "--nonblock")
    moves_well(offload, file, node=net.guests[1].node, where=f"{net.guests[0].v4}:{PORT}")
