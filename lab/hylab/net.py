# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks in namespaces of their own: client - host - guests; routed, NATed, bridged, macvtap.

    with Net.routed_tap(vms=1) as net:
        with Vm(Spec(taps=(net.guests[0].tap,), node=net.host)) as vm: ...

A guest is a tap in the host's namespace for a VM to use, or (spaces=N) a namespace with a veth
whose host end sits where the tap would. Addresses; n is the number of the guest, from 1:

    client - host, routed and NAT   10.99.0.0/24    fd99::/64          host .1, client .2
    routed guest n                  10.99.n.0/24    fd99:0:0:n::/64    host .1, guest .2
    NAT guests                      10.99.100.0/24  fd99:0:0:100::/64  host .1, guest .(10+n)
    bridged or macvtap, client too  10.99.50.0/24   fd99:0:0:50::/64   host .1, client .2,
                                                                       guest .(10+n)

Nothing here touches an interface outside these namespaces.
"""

import contextlib
import dataclasses
import itertools
import os
import pathlib
import signal
import stat
import subprocess
import sys

from hylab import LabError, MissingRight, wall
from hylab.vm import Tap

RUN_TIMEOUT_S = 60
GUESTS_MAX = 9
LINE_BURST, LINE_LATENCY = "256k", "20ms"
_numbers = itertools.count(1)

_SYSCTLS = {"net/ipv6/conf/all/accept_dad": 0, "net/ipv6/conf/default/accept_dad": 0}
_FORWARDING = {"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1}


@dataclasses.dataclass(frozen=True)
class Subnet:
    """An IPv4 and an IPv6 subnet, the same host numbers in both."""
    number: int

    def v4(self, host):
        """IPv4 address of a host number."""
        return f"10.99.{self.number}.{host}"

    def v6(self, host):
        """IPv6 address of a host number."""
        return f"fd99:0:0:{self.number}::{host}" if self.number else f"fd99::{host}"

    def with_prefix(self, host):
        """Both addresses with their prefix lengths."""
        return f"{self.v4(host)}/24", f"{self.v6(host)}/64"


OUTSIDE, NATED, BRIDGED = Subnet(0), Subnet(100), Subnet(50)


class Node:
    """One network namespace and what was started in it."""

    def __init__(self, namespace, name):
        self.namespace = namespace
        self.name = name
        self.v4 = self.v6 = None
        self._running = []

    def prefix(self):
        """Words before a command. Not `ip netns exec`: that hides later mounts from the command."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}", "--"]

    def run(self, command, timeout_s=RUN_TIMEOUT_S, check=True, stdin=None):
        """Run a list of words, or shell text, to its end; CompletedProcess with text output."""
        try:
            done = subprocess.run(self._argv(command), capture_output=True, text=True,
                                  timeout=timeout_s, input=stdin, check=False)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{self.name}: '{command}' took more than {timeout_s} s") from error
        if check and done.returncode:
            raise LabError(f"{self.name}: '{command}' ended with {done.returncode}: "
                           f"{done.stderr.strip() or done.stdout.strip()}")
        return done

    def popen(self, command, **options):
        """Start a command in a session of its own; killed with its children when the net ends."""
        process = subprocess.Popen(self._argv(command), start_new_session=True, **options)
        self._running.append(process)
        return process

    def ip(self, *lines):
        """Run lines of `ip` commands in the namespace, in one process."""
        _ip_batch(lines, ["-n", self.namespace])

    def sysctl(self, values):
        """Set {path below /proc/sys: value} in the namespace, in one process."""
        self.run("".join(f"echo {value} > /proc/sys/{path}\n" for path, value in values.items()))

    def close(self):
        """Kill what popen() started."""
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()

    def _argv(self, command):
        words = ["/bin/sh", "-ec", command] if isinstance(command, str) else command
        return [*self.prefix(), *map(str, words)]


@dataclasses.dataclass
class Guest:
    """A guest's place in the network: `tap` for a VM, or `node`, a namespace."""
    number: int
    interface: str      # the host's end
    v4: str
    v6: str
    tap: Tap = None
    node: Node = None


def _ip_batch(lines, options=()):
    if not lines:
        return
    done = subprocess.run(["ip", *options, "-batch", "-"], input="\n".join(lines) + "\n",
                          capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False)
    if done.returncode:
        said = f"ip {' '.join(options)}: {done.stderr.strip()}"
        if "ermission denied" in said or "not permitted" in said:
            raise MissingRight(f"{said} (taps take access to /dev/net/tun)")
        raise LabError(said)


class Net:
    """A topology; everything goes at close(), or at the end of `with`."""

    def __init__(self, vms, spaces, wire):
        if vms + spaces > GUESTS_MAX:
            raise LabError(f"{vms + spaces} guests asked for, {GUESTS_MAX} at most")
        self._tag = f"hy{next(_numbers)}"
        self._closing = contextlib.ExitStack()
        self._forwarded = {}
        self.guests = []
        self._vms = vms
        self._names = ["client", "host"] + (["wire"] if wire else []) \
            + [f"guest{number}" for number in range(vms + 1, vms + spaces + 1)]
        self.nodes = {}
        try:
            self._make_nodes()
            self._make_uplink()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @classmethod
    def routed_tap(cls, vms=0, spaces=0, wire=False):
        """Each guest on a routed link of its own."""
        return cls(vms, spaces, wire)._finish(cls._routed)

    @classmethod
    def nat_forward(cls, vms=0, spaces=0, wire=False, ports=(80, 5201)):
        """As libvirt's default network: bridge, masquerade, and these TCP ports forwarded."""
        return cls(vms, spaces, wire)._finish(lambda net: net._nat(ports))

    @classmethod
    def bridge_uplink(cls, vms=0, spaces=0, wire=False):
        """Client and guests on one bridge, whose uplink is a port of it."""
        return cls(vms, spaces, wire)._finish(cls._bridge)

    @classmethod
    def macvtap(cls, spaces=0):
        """Guests on macvtaps of the uplink; they and the host do not reach each other."""
        return cls(0, spaces, False)._finish(cls._macvtap)

    @property
    def client(self):
        """The node of the clients."""
        return self.nodes["client"]

    @property
    def host(self):
        """The node where taps are, and QEMU must run."""
        return self.nodes["host"]

    @property
    def wire(self):
        """The node between client and host, if asked for: a gap to be bridged between wire_ends."""
        return self.nodes.get("wire")

    @property
    def wire_ends(self):
        """Interfaces in the wire's node: towards the client, towards the host."""
        return "w0", "w1"

    def endpoint(self, guest, port, family=4):
        """(address, port) at which the client reaches a port of a guest."""
        if (guest.number, port) in self._forwarded:
            address = OUTSIDE.v4(1) if family == 4 else OUTSIDE.v6(1)
            return address, self._forwarded[guest.number, port]
        return (guest.v4 if family == 4 else guest.v6), port

    def limit_line(self, mbps):
        """What leaves the host towards the clients, whoever sends it, does so at this rate."""
        self.host.run(["tc", "qdisc", "add", "dev", "up0", "root", "tbf", "rate", f"{mbps}mbit",
                       "burst", LINE_BURST, "latency", LINE_LATENCY])

    def close(self):
        """Kill what runs in the nodes, remove interfaces and namespaces."""
        self._closing.close()

    def _finish(self, build):
        try:
            build(self)
        except BaseException:
            self.close()
            raise
        return self

    def _make_nodes(self):
        names = {name: f"{self._tag}-{name}" for name in self._names}
        self._closing.callback(self._remove_nodes)
        _ip_batch([f"netns add {namespace}" for namespace in names.values()])
        for name, namespace in names.items():
            node = self.nodes[name] = Node(namespace, name)
            self._closing.callback(node.close)
            node.sysctl({**_SYSCTLS, **(_FORWARDING if name == "host" else {})})
            node.ip("link set lo up")

    def _remove_nodes(self):
        """A namespace goes some time after its deletion; its interfaces are deleted now."""
        ends = {"client": ["client0"], "host": ["up0"]}
        for name, node in self.nodes.items():
            links = ends.get(name, [])
            if name == "host":
                links = [*links, *(guest.interface for guest in self.guests)]
            _try_ip([f"link del {link}" for link in links], ["-n", node.namespace])
        _try_ip([f"netns del {node.namespace}" for node in self.nodes.values()])

    def _make_uplink(self):
        """client0 in the client, up0 in the host: one veth, or two with the gap between them."""
        client, host = self.client.namespace, self.host.namespace
        if self.wire:
            gap = self.wire.namespace
            _ip_batch([f"link add client0 netns {client} type veth peer name w0 netns {gap}",
                       f"link add w1 netns {gap} type veth peer name up0 netns {host}"])
            self.wire.ip("link set w0 up", "link set w1 up")
        else:
            _ip_batch([f"link add client0 netns {client} type veth peer name up0 netns {host}"])
        self.client.ip("link set client0 address 02:99:00:00:00:02 up")
        self.host.ip("link set up0 address 02:99:00:00:00:01 up")

    def _add_guest(self, number, subnet, host_number):
        """The guest's interface at the host (up, without address) and its side of the addresses."""
        return self._make_guest(number, subnet, host_number, self._add_veth)

    def _make_guest(self, number, subnet, host_number, add_space):
        mac = f"02:99:00:00:{number:02x}:02"
        settings = tuple(zip(subnet.with_prefix(host_number), (subnet.v4(1), subnet.v6(1))))
        guest = Guest(number, f"guest{number}", subnet.v4(host_number), subnet.v6(host_number))
        self.guests.append(guest)
        if number <= self._vms:
            self.host.ip(f"tuntap add dev {guest.interface} mode tap vnet_hdr",
                         f"link set {guest.interface} up")
            guest.tap = Tap(guest.interface, mac, settings)
            return guest
        guest.node = node = self.nodes[f"guest{number}"]
        add_space(guest, mac)
        self.host.ip(f"link set {guest.interface} up")
        node.ip(f"link set eth0 address {mac} up", *_address_lines("eth0", settings))
        node.v4, node.v6 = guest.v4, guest.v6
        return guest

    def _add_veth(self, guest, _mac):
        _ip_batch([f"link add {guest.interface} netns {self.host.namespace} type veth "
                   f"peer name eth0 netns {guest.node.namespace}"])

    def _add_macvtap(self, guest, mac):
        """A macvtap with the guest's MAC, and a tap in the guest that is its other end."""
        # nobody tells it the groups the guest is in, which IPv6 needs to be found
        self.host.ip(f"link add {guest.interface} link up0 address {mac} type macvtap mode bridge",
                     f"link set {guest.interface} allmulticast on")
        guest.node.ip("tuntap add dev eth0 mode tap vnet_hdr")
        script = pathlib.Path(__file__).with_name("macvtap.py")
        carrier = guest.node.popen([sys.executable, "-B", script, self._queue_of(guest), "eth0"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if carrier.stdout.readline() != "ready\n":
            raise LabError(f"{guest.interface}: {carrier.communicate()[1]}")

    def _queue_of(self, guest):
        """The device of a macvtap; its name in /dev may be that of another namespace's."""
        numbers = self.host.run(["unshare", "--mount", "sh", "-ec", "mount -t sysfs sysfs /sys && "
                                 f"cat /sys/class/net/{guest.interface}/tap*/dev"]).stdout
        try:
            path = self._devices() / guest.interface
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(*map(int, numbers.split(":"))))
        except PermissionError as error:
            raise MissingRight("a macvtap's device cannot be made here") from error
        return path

    def _devices(self):
        """A place for devices: those in the wall's own tmpfs cannot be opened."""
        place = wall.RUN / f"{self._tag}-devices"
        if not place.exists():
            place.mkdir()
            self._closing.callback(place.rmdir)
            wall.mount_tmpfs(place, 1 << 16, self._closing)
        return place

    def _numbers(self):
        spaces = sum(name.startswith("guest") for name in self._names)
        return range(1, self._vms + spaces + 1)

    def _connect_client(self, subnet, host_interface):
        """Addresses of host and client on the subnet they share."""
        settings = [(address, "") for address in subnet.with_prefix(2)]
        self.client.ip(*_address_lines("client0", settings))
        self.host.ip(*_address_lines(host_interface,
                                     [(address, "") for address in subnet.with_prefix(1)]))
        self.client.v4, self.client.v6 = subnet.v4(2), subnet.v6(2)
        self.host.v4, self.host.v6 = subnet.v4(1), subnet.v6(1)

    def _routed(self):
        self._connect_client(OUTSIDE, "up0")
        self.client.ip(*_default_routes(OUTSIDE, "client0"))
        for number in self._numbers():
            subnet = Subnet(number)
            guest = self._add_guest(number, subnet, 2)
            self.host.ip(*_address_lines(guest.interface, [(address, "") for address
                                                           in subnet.with_prefix(1)]))

    def _nat(self, ports):
        self._connect_client(OUTSIDE, "up0")
        self._add_bridge()
        self.host.ip(*_address_lines("br0", [(a, "") for a in NATED.with_prefix(1)]))
        for number in self._numbers():
            guest = self._add_guest(number, NATED, 10 + number)
            self.host.ip(f"link set {guest.interface} master br0")
        # A guest's port P is the host's port 10000 x number + P, while that fits.
        for guest in self.guests:
            for port in ports:
                self._forwarded[guest.number, port] = _forwarded_port(guest.number, port)
        self.host.run(["nft", "-f", "-"], stdin=self._nat_rules())

    def _bridge(self):
        self._add_bridge()
        self.host.ip("link set up0 master br0")
        self._connect_client(BRIDGED, "br0")
        for number in self._numbers():
            guest = self._add_guest(number, BRIDGED, 10 + number)
            self.host.ip(f"link set {guest.interface} master br0")

    def _macvtap(self):
        made = self.host.run("ip link add probe0 link up0 type macvtap mode bridge && "
                             "ip link del probe0", check=False)
        if made.returncode:
            raise MissingRight(f"no macvtap in this kernel: {made.stderr.strip()}")
        self._connect_client(BRIDGED, "up0")
        for number in self._numbers():
            self._make_guest(number, BRIDGED, 10 + number, self._add_macvtap)

    def _add_bridge(self):
        """No forwarding delay and no snooping: a bridge that forwards from the first frame on."""
        self.host.ip("link add br0 address 02:99:00:00:00:fe type bridge forward_delay 0 "
                     "mcast_snooping 0", "link set br0 up")

    def _nat_rules(self):
        forwards = "\n".join(
            f'iifname "up0" tcp dport {outer} dnat ip to {self.guests[number - 1].v4}:{port}\n'
            f'iifname "up0" tcp dport {outer} dnat ip6 to [{self.guests[number - 1].v6}]:{port}'
            for (number, port), outer in self._forwarded.items())
        return ("table inet lab {\n"
                "chain in { type nat hook prerouting priority dstnat;\n" + forwards + "\n}\n"
                "chain out { type nat hook postrouting priority srcnat;\n"
                'oifname "up0" masquerade\n}\n'
                "chain through { type filter hook forward priority filter; policy drop;\n"
                "ct state established,related accept\nct status dnat accept\n"
                'iifname "br0" accept\n}\n}\n')


def _forwarded_port(number, port):
    outer = 10000 * number + port
    if port >= 10000 or outer > 65535:
        raise LabError(f"port {port} of guest {number} cannot be forwarded: ports below 10000 "
                       "of guests 1 to 5 can, 6 up to port 5535")
    return outer


def _address_lines(interface, settings):
    """`ip` lines for ((address with prefix, gateway or ""), ...)."""
    for address, gateway in settings:
        family, nodad = ("-6", " nodad") if ":" in address else ("-4", "")
        yield f"addr add {address} dev {interface}{nodad}"
        if gateway:
            yield f"route add default via {gateway} dev {interface}"


def _default_routes(subnet, interface):
    return [f"route add default via {gateway} dev {interface}"
            for gateway in (subnet.v4(1), subnet.v6(1))]


def _try_ip(lines, options=()):
    """For removal: go on after what is gone already."""
    subprocess.run(["ip", *options, "-force", "-batch", "-"], input="\n".join(lines) + "\n",
                   capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False)
