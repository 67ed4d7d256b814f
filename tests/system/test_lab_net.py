# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's networks: who reaches whom, seen from which address; no VM."""

import subprocess
import sys

import pytest

from hylab import LabError
from hylab.net import Net

pytestmark = pytest.mark.usefixtures("wall")

TELL_PEER = """
import socket, sys
address, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.create_server((address, port), family=family) as server:
    print("listening", flush=True)
    peer, seen = server.accept()
    peer.sendall(seen[0].encode())
"""
ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20) as connection:
    print(connection.recv(100).decode())
"""
REFUSED = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=0.3)
except OSError:
    sys.exit(0)
sys.exit(1)
"""


def serve(node, address, port):
    """A server in the node that tells its one client the address it sees."""
    server = node.popen([sys.executable, "-c", TELL_PEER, address, port],
                        stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "listening\n"


def ask(node, address, port):
    """Which address a server sees this node come from."""
    return node.run([sys.executable, "-c", ASK, address, port]).stdout.strip()


def own(node, family):
    """A node's address."""
    return node.v4 if family == 4 else node.v6


def of(guest, family):
    """A guest's address."""
    return guest.v4 if family == 4 else guest.v6


@pytest.fixture(name="routed", scope="module")
def _routed(wall):
    with Net.routed_tap(spaces=2, vms=1) as net:
        yield net


@pytest.fixture(name="nat", scope="module")
def _nat(wall):
    with Net.nat_forward(spaces=2, ports=(80, 5201)) as net:
        yield net


@pytest.fixture(name="bridged", scope="module")
def _bridged(wall):
    with Net.bridge_uplink(spaces=2) as net:
        yield net


@pytest.fixture(name="macvtap", scope="module")
def _macvtap(wall):
    with Net.macvtap(spaces=2) as net:
        yield net


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("topology", ["routed", "bridged", "macvtap"])
def test_client_and_guest_see_each_other(request, topology, family):
    net = request.getfixturevalue(topology)
    guest = net.guests[-1]
    serve(guest.node, of(guest, family), 80)
    assert ask(net.client, *net.endpoint(guest, 80, family)) == own(net.client, family)
    serve(net.client, own(net.client, family), 80)
    assert ask(guest.node, own(net.client, family), 80) == of(guest, family)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("topology", ["routed", "bridged", "nat", "macvtap"])
def test_guests_reach_each_other(request, topology, family):
    first, second = request.getfixturevalue(topology).guests[-2:]
    serve(second.node, of(second, family), 81)
    assert ask(first.node, of(second, family), 81) == of(first, family)


@pytest.mark.parametrize("family", [4, 6])
def test_nat_forwards_ports_to_each_guest(nat, family):
    for guest in nat.guests:
        serve(guest.node, of(guest, family), 80)
        address, port = nat.endpoint(guest, 80, family)
        assert (address, port) == (own(nat.host, family), 10000 * guest.number + 80)
        assert ask(nat.client, address, port) == own(nat.client, family)


@pytest.mark.parametrize("family", [4, 6])
def test_nat_hides_guests_behind_the_host(nat, family):
    serve(nat.client, own(nat.client, family), 80)
    assert ask(nat.guests[0].node, own(nat.client, family), 80) == own(nat.host, family)


def test_nat_lets_nobody_in_past_the_forwards(nat):
    guest = nat.guests[0]
    serve(guest.node, guest.v4, 82)
    nat.client.ip(f"route add {guest.v4} via {nat.host.v4}")
    try:
        nat.client.run([sys.executable, "-c", REFUSED, guest.v4, 82])
    finally:
        nat.client.ip(f"route del {guest.v4}")
    assert ask(nat.host, guest.v4, 82) == "10.99.100.1"


def test_every_guest_has_the_documented_addresses(routed, bridged, nat):
    assert [(guest.v4, guest.v6) for guest in routed.guests[:2]] == [
        ("10.99.1.2", "fd99:0:0:1::2"), ("10.99.2.2", "fd99:0:0:2::2")]
    assert (bridged.guests[0].v4, bridged.client.v4) == ("10.99.50.11", "10.99.50.2")
    assert (nat.guests[1].v6, nat.client.v6) == ("fd99:0:0:100::12", "fd99::2")


def test_a_tap_is_ready_for_a_vm(routed):
    tap = routed.guests[0].tap
    assert routed.guests[0].node is None
    assert "tun type tap" in routed.host.run(["ip", "-d", "link", "show", tap.interface]).stdout
    assert tap.addresses == (("10.99.1.2/24", "10.99.1.1"), ("fd99:0:0:1::2/64", "fd99:0:0:1::1"))


def test_the_wires_gap_is_the_only_way():
    with Net.routed_tap(spaces=1, wire=True) as net:
        guest = net.guests[0]
        serve(guest.node, guest.v4, 80)
        net.client.run([sys.executable, "-c", REFUSED, guest.v4, 80])
        left, right = net.wire_ends
        net.wire.ip("link add joint type bridge forward_delay 0", "link set joint up",
                    f"link set {left} master joint", f"link set {right} master joint")
        assert ask(net.client, guest.v4, 80) == net.client.v4


def test_a_failed_command_says_where_and_why(routed):
    with pytest.raises(LabError, match="client.*ended with 3: bad thing"):
        routed.client.run("echo bad thing >&2; exit 3")
    with pytest.raises(LabError, match="Cannot find device"):
        routed.client.ip("link set nosuch up")


def test_too_many_guests_and_ports_are_refused():
    with pytest.raises(LabError, match="9 at most"):
        Net.routed_tap(vms=5, spaces=5)
    with pytest.raises(LabError, match="cannot be forwarded"):
        Net.nat_forward(spaces=1, ports=(10000,))


def _namespaces_and_links():
    return subprocess.run("ip netns list; ip -o link; cat /proc/mounts; ls /run/hylab", shell=True,
                          capture_output=True, text=True, check=True).stdout


def test_nothing_is_left_behind():
    before = _namespaces_and_links()
    with Net.bridge_uplink(vms=1, spaces=1, wire=True) as net:
        sleeper = net.guests[1].node.popen(["/bin/sh", "-c", "sleep 1000 & sleep 1000"])
        assert _namespaces_and_links() != before
    assert sleeper.returncode is not None
    assert _namespaces_and_links() == before


def test_nothing_is_left_of_a_macvtap():
    before = _namespaces_and_links()
    with Net.macvtap(spaces=1):
        assert _namespaces_and_links() != before
    assert _namespaces_and_links() == before


def test_a_topology_that_fails_half_way_leaves_nothing(monkeypatch):
    before = _namespaces_and_links()
    monkeypatch.setattr(Net, "_nat_rules", lambda self: "nonsense")
    with pytest.raises(LabError, match="host"):
        Net.nat_forward(spaces=1)
    assert _namespaces_and_links() == before
