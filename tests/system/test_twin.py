# SPDX-License-Identifier: GPL-2.0-or-later
"""A VM's twin: made, joined to the guest's edge in every kind of network, changed, swept, removed.

The connections here end at listeners in the twin, so nothing has to be moved; tests/twin/driver.c
holds the twin. A guest is a namespace, or a tap that this test holds in a VM's place.
"""

import array
import concurrent.futures
import contextlib
import errno
import fcntl
import os
import random
import re
import signal
import socket
import struct
import subprocess
import time

import pytest
from wiring import PATIENCE_S, close_in_order, enter, exchange, socket_at, socket_in

import hylab
from hylab import wall
from hylab.net import Net
from hylab.offload import guest_mac

DRIVER = hylab.BUILD / "tests/twin/twin-driver"
PORT = 80
BYTES = 300_000
LOOK_S = 0.01
SIOCOUTQ = 0x5411
TUNSETIFF, IFF_TAP_NO_PI_VNET = 0x400454ca, 0x0002 | 0x1000 | 0x4000


class Refused(Exception):
    """The driver's answer was an error; .number is the errno."""

    def __init__(self, answer):
        super().__init__(answer)
        self.number = int(answer.split()[0])


class Twin:
    """A running driver with a twin."""

    def __init__(self, node, vm="web1", *options):
        self.process = node.popen([DRIVER, vm, *options], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        pid, number = self._answer()
        self.inside = f"/proc/{pid}/fd/{number}"
        for port in PORT, 81:
            self.ask(f"listen {port} 1")

    def _answer(self):
        word, _, rest = self.process.stdout.readline().partition(" ")
        if word.strip() != "ok":
            raise Refused(f"{word} {rest}".strip() or "5 the driver is gone")
        return rest.split()

    def ask(self, line):
        """Carry out a command; its answer's words."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self._answer()

    def nic(self, edge, mac, addresses=(), vlan=0):
        """Add a NIC."""
        return self.ask(f"nic {','.join((edge, mac, *addresses))} {vlan}")

    def addresses(self, nic, *addresses):
        """Change a NIC's addresses."""
        return self.ask(f"addresses {nic} {','.join(('x', '02:00:00:00:00:01', *addresses))}")

    def state(self, nic=0):
        """(edge's index or 0, MTU, index of the veth's end on the host)."""
        return tuple(map(int, self.ask(f"state {nic}")))

    def count(self, name, nic=0):
        """A counter of a NIC's splice."""
        return int(dict(word.split("=") for word in self.ask(f"counts {nic}"))[name])

    def run(self, command):
        """Run shell text in the twin's network; its output."""
        done = subprocess.run(["nsenter", f"--net={self.inside}", "--", "/bin/sh", "-ec", command],
                              capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def close(self):
        """Close the twin in order."""
        self.ask("close")
        self.process.wait(PATIENCE_S)

    def kill(self):
        """Let its owner die."""
        self.process.kill()
        self.process.wait()


def until(holds, patience_s=PATIENCE_S):
    """Wait for a state that nobody announces."""
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(LOOK_S)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@pytest.fixture(name="stack")
def _stack():
    wall.require()
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture(name="bridged")
def _bridged(stack):
    return stack.enter_context(Net.bridge_uplink(spaces=2))


def of_guest(net, number=0, vm="web1"):
    """A twin with one NIC, that of a guest of the network."""
    guest = net.guests[number]
    twin = Twin(net.host, vm)
    twin.nic(guest.interface, guest_mac(guest), (guest.v4, guest.v6))
    return twin


class Connection:
    """A connection from a node to a listener of a twin; .client and .server are its ends."""

    def __init__(self, stack, twin, node, address, port=PORT, reach=None):
        with socket_at(twin.inside, family_of(address), socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            listener.listen(1)
            reach = reach or (address, port)
            self.client = stack.enter_context(socket_in(node, family_of(reach[0]),
                                                        socket.SOCK_STREAM))
            self.client.connect(reach)
            self.server = stack.enter_context(listener.accept()[0])
        self.server.settimeout(PATIENCE_S)

    def check(self):
        """Bytes both ways at once."""
        exchange(self.client, self.server, BYTES)


def tcp_segments(node):
    """How many TCP segments a namespace's own TCP has received."""
    text = node.run(["cat", "/proc/net/snmp"]).stdout
    names, values = [line.split() for line in text.splitlines() if line.startswith("Tcp:")]
    return int(values[names.index("InSegs")])


def check_served(stack, twin, net, node=None, number=0, families=(4, 6)):
    """A node's connections to the guest's address end in the twin, and the guest sees none."""
    guest = net.guests[number]
    before = tcp_segments(guest.node)
    for family in families:
        address = guest.v4 if family == 4 else guest.v6
        connection = Connection(stack, twin, node or net.client, address,
                                reach=net.endpoint(guest, PORT, family) if not node else None)
        connection.check()
    assert twin.count("to-twin") > 0
    assert tcp_segments(guest.node) == before
    for name in ("drop-source", "drop-no-hop"):
        assert twin.count(name) == 0, name


@pytest.mark.parametrize("family", [4, 6, "mapped"])
def test_a_port_is_reset_but_for_what_was_moved_there(stack, bridged, family):
    """A module's connections end; those of the guest's that the worker has moved go on."""
    guest, twin = bridged.guests[0], of_guest(bridged)
    address = guest.v6 if family == 6 else guest.v4
    own = "0.0.0.0" if family == 4 else "::"
    with socket_at(twin.inside, family_of(own), socket.SOCK_STREAM) as listener:
        listener.bind((own, PORT))
        listener.listen(2)
        assert twin.ask(f"look {PORT}") == ["1", "0", "0"]
        moved, other = [stack.enter_context(socket_in(bridged.client, family_of(address),
                                                      socket.SOCK_STREAM)) for _ in range(2)]
        moved.connect((address, PORT))
        kept = stack.enter_context(listener.accept()[0])
        other.connect((address, PORT))
        assert twin.ask(f"look {PORT}") == ["1", "2", "0"]
        twin.ask(f"moved {moved.getsockname()[0]} {moved.getsockname()[1]} {PORT}")
        assert twin.ask(f"look {PORT}") == ["1", "1", "0"]
        assert twin.ask(f"reset {PORT}") == ["1"]
        with pytest.raises(ConnectionResetError):
            other.recv(1)
        kept.settimeout(PATIENCE_S)
        exchange(moved, kept, BYTES)
        assert twin.ask(f"reset {PORT}") == ["0"]


# -- every kind of network --

@pytest.mark.parametrize("build", [Net.bridge_uplink, Net.routed_tap, Net.nat_forward],
                         ids=["bridge", "routed", "nat"])
def test_a_client_outside(stack, build):
    net = stack.enter_context(build(spaces=1))
    check_served(stack, of_guest(net), net)


def test_a_bridge_without_an_address_of_the_host(stack, bridged):
    bridged.host.ip("addr flush dev br0")
    check_served(stack, of_guest(bridged), bridged)


@pytest.mark.parametrize("build", [Net.bridge_uplink, Net.routed_tap], ids=["bridge", "routed"])
def test_the_host_itself_as_client(stack, build):
    net = stack.enter_context(build(spaces=1))
    check_served(stack, of_guest(net), net, net.host)


@pytest.mark.parametrize("build", [Net.bridge_uplink, Net.routed_tap, Net.nat_forward],
                         ids=["bridge", "routed", "nat"])
def test_another_guest_of_the_same_host(stack, build):
    net = stack.enter_context(build(spaces=2))
    check_served(stack, of_guest(net), net, net.guests[1].node)


def test_from_twin_to_twin(stack, bridged):
    """The copy of one VM's client talks to the copy of another VM's server."""
    server, client = bridged.guests
    twin, other = of_guest(bridged, 0, "web1"), of_guest(bridged, 1, "web2")
    for address, source in ((server.v4, client.v4), (server.v6, client.v6)):
        # each has to have been spoken to by the other before: what shows the next hop
        Connection(stack, twin, client.node, address, 81).check()
        Connection(stack, other, server.node, source, 81).check()
        with socket_at(twin.inside, family_of(address), socket.SOCK_STREAM) as listener, \
                socket_at(other.inside, family_of(address), socket.SOCK_STREAM) as ours:
            listener.bind((address, PORT))
            listener.listen(1)
            ours.bind((source, 0))
            ours.connect((address, PORT))
            with listener.accept()[0] as theirs:
                theirs.settimeout(PATIENCE_S)
                exchange(ours, theirs, BYTES)


def test_a_macvtap(stack):
    """The guest's card is a macvtap on the host's uplink, beside the host's own address."""
    net = stack.enter_context(Net.routed_tap())
    address, mac = "10.99.0.77", "02:99:00:00:77:02"
    done = net.host.run(f"ip link add mt0 link up0 address {mac} type macvtap mode bridge && "
                        "ip link set mt0 up", check=False)
    if done.returncode:
        pytest.skip(f"macvtap: {done.stderr.strip()}")
    net.client.ip(f"neigh replace {address} lladdr {mac} dev client0 nud permanent")
    twin = Twin(net.host)
    twin.nic("mt0", mac, (address,))
    Connection(stack, twin, net.client, address).check()
    assert twin.count("to-twin") > 0
    twin.close()
    assert not filters(net.host)


def test_two_guests_with_one_address_and_one_tuple(stack, bridged):
    """The same address, port and client on two bridges of one host, at the same time."""
    first, client = bridged.guests[0], bridged.client
    net = stack.enter_context(Net.bridge_uplink(spaces=1))      # for its two namespaces only
    second, stranger = net.guests[0], net.client
    bridged.host.ip("link add br1 type bridge forward_delay 0 mcast_snooping 0", "link set br1 up")
    for node, end, there in ((second.node, "eth0", "twice1"), (stranger, "client0", "twice2")):
        node.ip(f"link del {end}")
        node.ip(f"link add {there} type veth peer name {end}",
                f"link set {there} netns {bridged.host.namespace}")
        bridged.host.ip(f"link set {there} master br1 up")
    second.node.ip(f"link set eth0 address {guest_mac(second)} up",
                   f"addr add {second.v4}/24 dev eth0")
    stranger.ip("link set client0 up", f"addr add {client.v4}/24 dev client0")
    twins = of_guest(bridged), Twin(bridged.host, "web2")
    twins[1].nic("twice1", guest_mac(second), (second.v4,))
    assert first.v4 == second.v4
    ends = []
    for twin, node in zip(twins, (client, stranger)):
        listener = stack.enter_context(socket_at(twin.inside, socket.AF_INET, socket.SOCK_STREAM))
        listener.bind((first.v4, PORT))
        listener.listen(1)
        end = stack.enter_context(socket_in(node, socket.AF_INET, socket.SOCK_STREAM))
        end.bind((client.v4, 4711))
        end.connect((first.v4, PORT))
        ends.append((end, stack.enter_context(listener.accept()[0])))
    for mine, theirs in ends + ends:
        assert mine.getsockname() == ends[0][0].getsockname()
        theirs.settimeout(PATIENCE_S)
        exchange(mine, theirs, BYTES)


def test_several_nics(stack):
    """Each address answers by its own NIC."""
    net = stack.enter_context(Net.routed_tap(spaces=2))
    twin = Twin(net.host)
    for guest in net.guests:
        twin.nic(guest.interface, guest_mac(guest), (guest.v4, guest.v6))
    for nic, guest in enumerate(net.guests):
        for address in (guest.v4, guest.v6):
            Connection(stack, twin, net.client, address).check()
        assert twin.count("to-twin", nic) > 0
        assert twin.count("drop-source", nic) == 0


def test_a_forward_rule_against_the_guest_stops_its_twin(stack):
    net = stack.enter_context(Net.routed_tap(spaces=1))
    guest = net.guests[0]
    connection = Connection(stack, of_guest(net), net.client, guest.v4)
    connection.check()
    net.host.run(["nft", "-f", "-"], stdin="table inet wall { counter stopped {}\n"
                 "chain through { type filter hook forward priority 0;\n"
                 f'iifname "{guest.interface}" counter name stopped drop\n}}\n}}\n')
    connection.server.sendall(b"through?")
    until(lambda: "packets 0" not in net.host.run("nft list counters").stdout)
    connection.client.setblocking(False)
    with pytest.raises(BlockingIOError):
        connection.client.recv(1)
    connection.client.settimeout(PATIENCE_S)
    net.host.run("nft delete table inet wall")
    assert connection.client.recv(8) == b"through?"


# -- taps, and edges that come and go --

class TapGuest:
    """What stands in a VM's place at a tap: it has the tap open, so that frames flow."""

    def __init__(self, net):
        self.net, self.guest, self.tap = net, net.guests[0], None
        for address, family in ((self.guest.v4, "-4"), (self.guest.v6, "-6")):
            net.client.run(f"ip {family} neigh replace {address} lladdr {self.guest.tap.mac} "
                           "dev client0 nud permanent")
        self.attach()

    def attach(self):
        """Open the tap as QEMU does."""
        with open("/proc/thread-self/ns/net", "rb") as home:
            enter(f"/run/netns/{self.net.host.namespace}")
            try:
                self.tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
                request = struct.pack("16sH22x", self.guest.interface.encode(), IFF_TAP_NO_PI_VNET)
                fcntl.ioctl(self.tap, TUNSETIFF, array.array("B", request))
            finally:
                enter(f"/proc/self/fd/{home.fileno()}")

    def recreate(self):
        """The VM restarts: the tap goes and comes back."""
        self.close()
        self.net.host.ip(f"link del {self.guest.interface}")
        self.make()

    def make(self):
        """The tap comes back."""
        name = self.guest.interface
        self.net.host.ip(f"tuntap add dev {name} mode tap vnet_hdr",
                         f"link set {name} master br0 up")
        self.attach()

    def tcp_frames(self):
        """How many TCP frames have come to the guest since it was last asked."""
        frames = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                frame = os.read(self.tap, 1 << 17)[10:]
                frames += frame[12:14] == b"\x08\x00" and frame[23] == socket.IPPROTO_TCP
        return frames

    def close(self):
        """As when the VM dies."""
        if self.tap is not None:
            os.close(self.tap)
        self.tap = None


@pytest.fixture(name="tapped")
def _tapped(stack):
    net = stack.enter_context(Net.bridge_uplink(vms=1))
    guest = TapGuest(net)
    stack.callback(guest.close)
    return guest


def of_tap(guest, *options):
    """A twin whose NIC hangs on the tap."""
    twin = Twin(guest.net.host, "web1", *options)
    twin.nic(guest.guest.interface, guest.guest.tap.mac, (guest.guest.v4, guest.guest.v6))
    return twin


def test_a_tap(stack, tapped):
    twin = of_tap(tapped)
    for address in (tapped.guest.v4, tapped.guest.v6):
        Connection(stack, twin, tapped.net.client, address).check()
    assert tapped.tcp_frames() == 0
    with socket_in(tapped.net.client, socket.AF_INET, socket.SOCK_STREAM) as knock:
        knock.setblocking(False)
        assert knock.connect_ex((tapped.guest.v4, 82)) == errno.EINPROGRESS
        until(tapped.tcp_frames)        # nobody listens there in the twin: the guest's affair


def test_the_tap_is_made_again_while_a_connection_lives(stack, tapped):
    twin = of_tap(tapped)
    connection = Connection(stack, twin, tapped.net.client, tapped.guest.v4)
    connection.check()
    before = twin.state()[0]
    tapped.recreate()
    until(lambda: twin.state()[0] not in (0, before))
    connection.check()


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("how", ["at once", "later", "veth"])
def test_a_download_goes_on_when_the_edge_comes_again(stack, tapped, family, how):
    """Its client only reads, and no guest is awake: nobody shows the next hop once more."""
    twin = of_tap(tapped)
    address = tapped.guest.v4 if family == 4 else tapped.guest.v6
    connection = Connection(stack, twin, tapped.net.client, address)
    sent = random.Random(family).randbytes(2 * BYTES)
    download(connection, sent[:BYTES])
    before = twin.state()
    if how == "veth":
        tapped.net.host.ip(f"link del {host_ends(tapped.net.host)[0]}")
    elif how == "later":
        tapped.close()
        tapped.net.host.ip(f"link del {tapped.guest.interface}")
        until(lambda: twin.state()[0] == 0)
        tapped.make()
    else:
        tapped.recreate()
    until(lambda: twin.state()[0] and twin.state()[::2] != before[::2])
    download(connection, sent[BYTES:])
    assert twin.count("drop-no-hop") == 0


def download(connection, data):
    """The client reads it from the twin, and has acknowledged all of it."""
    got = bytearray()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        sending = pool.submit(connection.server.sendall, data)
        while len(got) < len(data):
            more = connection.client.recv(len(data) - len(got))
            assert more, "an early end"
            got += more
        sending.result()
    assert got == data
    until(lambda: struct.unpack("i", fcntl.ioctl(connection.server, SIOCOUTQ, bytes(4)))[0] == 0)


def test_an_edge_that_goes_is_waited_for_and_told(tapped):
    twin = of_tap(tapped)
    tapped.close()
    tapped.net.host.ip(f"link del {tapped.guest.interface}")
    until(lambda: twin.state()[0] == 0)
    assert "is gone" in twin.process.stderr.readline() + twin.process.stderr.readline()


def test_an_edge_that_comes_late(stack, tapped):
    name = tapped.guest.interface
    tapped.close()
    tapped.net.host.ip(f"link set {name} name other0")
    twin = of_tap(tapped)
    assert twin.state()[0] == 0
    tapped.net.host.ip("link set other0 down", f"link set other0 name {name}",
                       f"link set {name} up")
    tapped.attach()
    until(lambda: twin.state()[0])
    Connection(stack, twin, tapped.net.client, tapped.guest.v4).check()


def test_an_edge_that_gets_another_name_is_left(tapped):
    name = tapped.guest.interface
    twin = of_tap(tapped)
    tapped.net.host.ip(f"link set {name} down", f"link set {name} name other0")
    until(lambda: twin.state()[0] == 0)
    assert not filters(tapped.net.host)


def test_without_a_loop_an_edge_has_to_be_there(tapped):
    twin = Twin(tapped.net.host, "web1", "alone")
    with pytest.raises(Refused) as refused:
        twin.nic("nosuch0", "02:99:00:00:01:02")
    assert refused.value.number == errno.ENODEV
    twin.nic(tapped.guest.interface, tapped.guest.tap.mac)


def twin_mtu(twin):
    return int(re.search(r"mtu (\d+)", twin.run("ip link show nic0")).group(1))


def test_the_mtu_follows_the_edges(stack, bridged):
    twin, guest = of_guest(bridged), bridged.guests[0]
    for mtu in (1400, 1000, 9000):      # below 1280 a kernel would throw IPv6 away
        bridged.host.ip(f"link set {guest.interface} mtu {mtu}")
        until(lambda mtu=mtu: twin.state()[1] == mtu)
        assert twin_mtu(twin) == max(mtu, 1280)
        for address in (guest.v4, guest.v6):
            Connection(stack, twin, bridged.client, address)
    Connection(stack, twin, bridged.client, guest.v4).check()


def test_the_veth_is_made_again_when_somebody_deletes_it(stack, bridged):
    twin, guest = of_guest(bridged), bridged.guests[0]
    connection = Connection(stack, twin, bridged.client, guest.v4)
    connection.check()
    before = twin.state()[2]
    bridged.host.ip(f"link del {host_ends(bridged.host)[0]}")
    until(lambda: twin.state()[2] not in (0, before))
    connection.check()


# -- addresses --

def test_addresses_change_while_in_use(stack, bridged):
    guest, client, more = bridged.guests[0], bridged.client, "10.99.50.77"
    guest.node.ip(f"addr add {more}/24 dev eth0")
    twin = of_guest(bridged)
    stays = Connection(stack, twin, client, guest.v4)
    twin.addresses(0, guest.v4, guest.v6, more)
    goes = Connection(stack, twin, client, more)
    goes.check()
    twin.addresses(0, guest.v4)
    stays.check()
    assert more not in twin.run("ip addr; ip rule") and guest.v6 not in twin.run("ip -6 addr")
    twin.addresses(0, more, guest.v4)
    goes.check()
    stays.check()


@pytest.mark.parametrize("address", [
    "0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1",
    "::", "::1", "ff02::1", "ff0e::1", "::ffff:10.0.0.1", "fe80::1"])
def test_addresses_a_guest_cannot_have(bridged, address):
    guest = bridged.guests[0]
    twin = of_guest(bridged)
    before = twin.run("ip -o addr; ip rule; ip -6 rule")
    with pytest.raises(Refused) as refused:
        twin.addresses(0, "10.1.1.1", address)
    assert refused.value.number == errno.EINVAL
    assert twin.run("ip -o addr; ip rule; ip -6 rule") == before
    assert guest.v4 in before


def test_too_many_addresses_and_those_of_another_nic(bridged):
    twin = of_guest(bridged)
    other = bridged.guests[1]
    twin.nic(other.interface, guest_mac(other), (other.v4,))
    many = [f"10.2.0.{number}" for number in range(1, 33)]
    for addresses, number in ((many, errno.ENOSPC), ([other.v4], errno.EEXIST)):
        with pytest.raises(Refused) as refused:
            twin.addresses(0, *addresses)
        assert refused.value.number == number
    twin.addresses(0, *many[:31])
    twin.addresses(0, *many[1:31], "10.2.0.99")


# -- which edges --

def test_edges_that_are_none(stack, bridged):
    """A bridge, lo, an ifb, a tun, what carries the default route, a veth of ours, no names."""
    host = bridged.host
    host.ip("link add ifb7 type ifb", "tuntap add dev tun7 mode tun",
            "link add up7 type veth peer name down7", "link set up7 up", "link set down7 up",
            "addr add 10.7.0.1/24 dev up7", "route add default via 10.7.0.2")
    ours = of_guest(bridged)
    twin = Twin(host, "web2")
    assert ours.state()[0]
    for edge in ("br0", "lo", "ifb7", "tun7", "up7", host_ends(host)[0], "a/b", "..", "a b",
                 "x" * 16):
        with pytest.raises(Refused) as refused:
            twin.nic(edge.replace(" ", "\t") if " " in edge else edge, "02:99:00:00:07:02")
        assert refused.value.number == errno.EINVAL, edge
    twin.nic("down7", "02:99:00:00:07:02")


def test_another_vms_edge(bridged):
    guest = bridged.guests[0]
    owner, thief = of_guest(bridged), Twin(bridged.host, "web2")
    with pytest.raises(Refused) as refused:
        thief.nic(guest.interface, guest_mac(guest))
    assert refused.value.number == errno.EBUSY
    assert "web1" in str(refused.value)
    assert len(host_ends(bridged.host)) == 1
    owner.close()
    thief.nic(guest.interface, guest_mac(guest))


# -- what the namespaces are --

def test_the_twins_own_network_is_quiet_and_strict(bridged):
    """Nothing of the host's routing is inherited, and nothing is sent that nobody asked for."""
    bridged.host.sysctl({"net/ipv4/tcp_timestamps": 0})
    twin = of_guest(bridged)
    for path, value in (("net/ipv4/ip_forward", "0"), ("net/ipv6/conf/all/forwarding", "0"),
                        ("net/ipv4/conf/nic0/rp_filter", "0"),
                        ("net/ipv4/tcp_max_tw_buckets", "16384"), ("net/ipv4/tcp_timestamps", "0")):
        assert twin.run(f"cat /proc/sys/{path}").strip() == value, path
    for path in ("tcp_rmem", "tcp_wmem"):
        assert int(twin.run(f"cat /proc/sys/net/ipv4/{path}").split()[2]) >= 12 << 20
    assert "fe80" not in twin.run("ip -6 addr")
    assert "NOARP" in twin.run("ip link show nic0")
    assert "inet6" not in bridged.host.run(f"ip addr show {host_ends(bridged.host)[0]}").stdout
    assert twin.count("drop-kind") == 0


def test_root_in_the_twin_is_nobody_outside(bridged):
    """All capabilities over the twin's network, none over the host's."""
    twin = of_guest(bridged)
    child = twin.ask("child")[0]
    inside = ["nsenter", "--target", child, "--user", "--net", "--"]
    done = subprocess.run([*inside, "ip", "link", "add", "br9", "type", "bridge"], check=False)
    assert done.returncode == 0
    done = subprocess.run([*inside, "nsenter", f"--net=/run/netns/{bridged.host.namespace}", "--",
                           "ip", "link", "del", "br0"], capture_output=True, text=True, check=False)
    assert "not permitted" in done.stderr
    os.kill(int(child), signal.SIGKILL)


# -- what is left --

def host_ends(node):
    """Names of the veth ends of twins in the host's namespace."""
    return re.findall(r"^\d+: (hytwin\d+)@", node.run("ip -o link").stdout, re.MULTILINE)


def filters(node):
    """All filters and clsact qdiscs of a namespace."""
    found = node.run("tc qdisc show | grep clsact || true").stdout.splitlines()
    for name in re.findall(r"^\d+: ([^:@]+)", node.run("ip -o link").stdout, re.MULTILINE):
        for where in ("ingress", "egress"):
            found += node.run(f"tc filter show dev {name} {where} 2>/dev/null || true"
                              ).stdout.splitlines()
    return found


def programs(node):
    """The splice's programs at a namespace's interfaces: by links, or as filters."""
    return (node.run([DRIVER, "links"]).stdout.splitlines() or
            [line for line in filters(node) if "hylics/" in line])


def everything(node):
    """What a twin could leave in the host's namespace."""
    ids = node.run(["ip", "netns", "list-id"]).stdout
    return (host_ends(node), filters(node) + programs(node),
            sorted(re.findall(r"nsid (\d+)", ids)))


def test_close_removes_links_filters_and_namespace(stack, bridged):
    before = everything(bridged.host)
    twin, other = of_guest(bridged), bridged.guests[1]
    twin.nic(other.interface, guest_mac(other), (other.v4,))
    connection = Connection(stack, twin, bridged.client, bridged.guests[0].v4)
    connection.check()
    assert len(host_ends(bridged.host)) == 2
    close_in_order(connection.client, connection.server)    # a connection holds its network
    twin.close()
    assert not host_ends(bridged.host)
    until(lambda: everything(bridged.host) == before)


def test_close_leaves_what_is_not_ours(bridged):
    edge = bridged.guests[0].interface
    bridged.host.run(f"tc qdisc add dev {edge} clsact && "
                     f"tc filter add dev {edge} ingress pref 7 protocol ip u32 match u32 0 0")
    before = filters(bridged.host)
    twin = of_guest(bridged)
    assert len(programs(bridged.host)) == 3
    twin.close()
    assert filters(bridged.host) == before
    assert not programs(bridged.host)


def sweep(node):
    """What keepers do first."""
    assert node.run([DRIVER, "sweep"]).stdout == ""


@pytest.mark.parametrize("orphan", [False, True], ids=["alone", "with a living worker"])
def test_sweep_after_kill(stack, bridged, orphan):
    before = everything(bridged.host)[:2]
    twin, living = of_guest(bridged), of_guest(bridged, 1, "web2")
    child = int(twin.ask("child")[0]) if orphan else None
    twin.kill()
    sweep(bridged.host)
    assert len(programs(bridged.host)) == 3
    assert len(host_ends(bridged.host)) == 1
    check_served(stack, living, bridged, number=1)
    if child:
        os.kill(child, signal.SIGKILL)
    again = of_guest(bridged)
    check_served(stack, again, bridged)
    for one in (again, living):
        one.close()
    assert everything(bridged.host)[:2] == before
