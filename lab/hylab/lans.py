# SPDX-License-Identifier: GPL-2.0-or-later
"""A VM with a NIC in each kind of network that people have, and a client at the other end of each.

    with Machine(build=Lans) as machine:
        machine.net.configure(machine.vm)
        lan = machine.net["nat"]

    far0 - near0        client0 - upN
    far   /   client            /   the host's namespace, one for all

    kind      between upN and the guest's NIC
    bridge    a bridge whose port upN is; the host may have an address on it, or none
    nat       as libvirt's default network: a bridge without uplink, masquerade, forwarded ports
    routed    nothing: the host routes
    macvtap   the macvtap sits on upN; the host has no address there
    bare      as routed, and the keeper is told nothing of this NIC

Lan n has its client's subnet 10.99.(10+n).0/24, the guest's 10.99.(30+n).0/24 unless that is the
same, and behind the client, over a hop of its own, 10.99.(60+n).0/24; with IPv6 the same numbers.
"""

import collections
import contextlib
import itertools
import json
import os
import stat
import subprocess

from hylab import LabError, wall
from hylab.exchange import GUEST_DIRECTORY
from hylab.net import Guest, Node, Subnet
from hylab.offload import AGENT_STATS, guest_mac
from hylab.offload_vm import OffloadVm
from hylab.vm import Tap

KINDS = ("bridge", "nat", "routed", "macvtap", "bare")
PORT = 8080             # it and the nine behind it are forwarded to the guest behind NAT
HOST, CLIENT, GUEST = 1, 2, 11
FORWARDS = {"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1}
_numbers = itertools.count(1)


class Lan:
    """One network of the guest."""

    def __init__(self, number, kind, client, far):
        self.kind, self.client, self.far = kind, client, far
        self.outer = Subnet(10 + number)
        self.inner = self.outer if kind in ("bridge", "macvtap") else Subnet(30 + number)
        self.beyond = Subnet(60 + number)
        self.nic, self.up = f"eth{number - 1}", f"up{number}"
        self.guest = Guest(number, f"guest{number}", self.inner.v4(GUEST), self.inner.v6(GUEST))
        # the interface that has the host's address on the guest's side
        self.edge = {"bridge": "br0", "nat": "virbr0"}.get(kind, self.guest.interface)

    def address(self, family=4):
        """Where client and far reach the guest; behind NAT only its forwarded ports."""
        subnet, number = (self.outer, HOST) if self.kind == "nat" else (self.inner, GUEST)
        return subnet.v4(number) if family == 4 else subnet.v6(number)

    def where(self, port=PORT, family=4):
        """ADDRESS:PORT, as in a URL."""
        address = self.address(family)
        return f"{address}:{port}" if family == 4 else f"[{address}]:{port}"

    def client_address(self, family=4):
        """What the guest connects to."""
        return self.outer.v4(CLIENT) if family == 4 else self.outer.v6(CLIENT)

    def guest_settings(self):
        """Lines of `ip` for the guest."""
        for address in self.inner.with_prefix(GUEST):
            yield f"addr add {address} dev {self.nic}" + (" nodad" if ":" in address else "")
        neighbour = CLIENT if self.inner is self.outer else HOST
        for gateway in self.inner.v4(neighbour), self.inner.v6(neighbour):
            family = 6 if ":" in gateway else 4
            for subnet in (self.outer, self.beyond):
                if self.kind == "nat":      # it has the default route, as most guests do
                    yield f"route replace default via {gateway} dev {self.nic}"
                elif subnet is not self.inner:
                    yield f"route replace {_range(subnet, family)} via {gateway} dev {self.nic}"


def _range(subnet, family):
    return f"{subnet.v4(0)}/24" if family == 4 else f"{subnet.v6(0)}/64"


class Lans:
    """The networks, for Machine(build=Lans)."""

    def __init__(self, vms=1, kinds=KINDS):
        if vms != 1:
            raise LabError("all these networks are those of one guest")
        self._tag = f"hyl{next(_numbers)}"
        self._closing = contextlib.ExitStack()
        try:
            self.host = self._node("host")
            self.host.sysctl(FORWARDS)
            self.lans = [self._lan(number, kind) for number, kind in enumerate(kinds, 1)]
            self.host.run(["nft", "-f", "-"], stdin=self._rules())
        except BaseException:
            self._closing.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._closing.close()

    def __getitem__(self, kind):
        return next(lan for lan in self.lans if lan.kind == kind)

    @property
    def guests(self):
        """One for each NIC."""
        return [lan.guest for lan in self.lans]

    @property
    def client(self):
        """Of the first network."""
        return self.lans[0].client

    def endpoint(self, guest, port, family=4):
        """(address, port) at which the client of the guest's NIC reaches a port."""
        return self.lans[guest.number - 1].address(family), port

    def configure(self, vm):
        """Addresses and routes in the guest."""
        lines = "\n".join(line for lan in self.lans for line in lan.guest_settings())
        done = vm.run(f"ip -batch - <<'END'\n{lines}\nEND\n")
        if done.code:
            raise LabError(f"the guest's addresses: {done.stderr}")

    def _node(self, name):
        namespace = f"{self._tag}-{name}"
        subprocess.run(["ip", "netns", "add", namespace], check=True, timeout=30)
        self._closing.callback(subprocess.run, ["ip", "netns", "del", namespace], check=False,
                               timeout=30)
        node = Node(namespace, name)
        self._closing.callback(node.close)
        node.sysctl({"net/ipv6/conf/all/accept_dad": 0, "net/ipv6/conf/default/accept_dad": 0})
        node.ip("link set lo up")
        return node

    def _lan(self, number, kind):
        client, far = self._node(f"client{number}"), self._node(f"far{number}")
        lan = Lan(number, kind, client, far)
        client.sysctl(FORWARDS)
        self._link(self.host, lan.up, client, "client0")
        self._link(client, "near0", far, "far0")
        self._addresses(client, "near0", lan.beyond, HOST)
        self._addresses(far, "far0", lan.beyond, CLIENT)
        self._addresses(client, "client0", lan.outer, CLIENT)
        far.ip(*(f"route add default via {via}" for via in (lan.beyond.v4(1), lan.beyond.v6(1))))
        getattr(self, f"_make_{kind}")(lan)
        return lan

    def _link(self, node, name, peer, peers_name):
        node.ip(f"link add {name} type veth peer name {peers_name} netns {peer.namespace}",
                f"link set {name} up")
        # gone at once, while its namespace goes some time after its deletion
        self._closing.callback(node.run, ["ip", "link", "del", name], check=False)
        peer.ip(f"link set {peers_name} up")

    @staticmethod
    def _addresses(node, interface, subnet, number):
        v4, v6 = subnet.with_prefix(number)
        node.ip(f"addr add {v4} dev {interface}", f"addr add {v6} dev {interface} nodad")

    def _tap(self, lan):
        name = lan.guest.interface
        self.host.ip(f"tuntap add dev {name} mode tap vnet_hdr", f"link set {name} up")
        self._closing.callback(self.host.run, ["ip", "link", "del", name], check=False)
        lan.guest.tap = Tap(name, guest_mac(lan.guest))

    def _bridge(self, name):
        self.host.ip(f"link add {name} type bridge forward_delay 0 mcast_snooping 0",
                     f"link set {name} up")

    def _routes(self, lan):
        """The host is the client's way, and knows what is behind the client."""
        self._addresses(self.host, lan.up, lan.outer, HOST)
        for family, via, back in ((4, lan.outer.v4(HOST), lan.outer.v4(CLIENT)),
                                  (6, lan.outer.v6(HOST), lan.outer.v6(CLIENT))):
            lan.client.ip(f"route add default via {via}")
            self.host.ip(f"route add {_range(lan.beyond, family)} via {back}")

    def _make_bridge(self, lan):
        self._bridge(lan.edge)
        self._tap(lan)
        self.host.ip(f"link set {lan.up} master {lan.edge}",
                     f"link set {lan.guest.interface} master {lan.edge}")
        self._addresses(self.host, lan.edge, lan.outer, HOST)

    def _make_nat(self, lan):
        self._bridge(lan.edge)
        self._tap(lan)
        self.host.ip(f"link set {lan.guest.interface} master {lan.edge}")
        self._addresses(self.host, lan.edge, lan.inner, HOST)
        self._routes(lan)

    def _make_routed(self, lan):
        self._tap(lan)
        self._addresses(self.host, lan.edge, lan.inner, HOST)
        self._routes(lan)

    _make_bare = _make_routed

    def _make_macvtap(self, lan):
        name, mac = lan.guest.interface, guest_mac(lan.guest)
        # nobody tells it the groups the guest is in, which IPv6 needs to be found
        self.host.ip(f"link add {name} link {lan.up} address {mac} type macvtap mode bridge",
                     f"link set {name} allmulticast on up")
        self._closing.callback(self.host.run, ["ip", "link", "del", name], check=False)
        lan.guest.tap = Tap(name, mac, device=str(self._queue(name)))

    def _queue(self, name):
        """The device of a macvtap; its name in /dev may be that of another namespace's."""
        place = wall.RUN / f"{self._tag}-devices"
        place.mkdir()
        self._closing.callback(place.rmdir)
        wall.mount_tmpfs(place, 1 << 16, self._closing)
        numbers = self.host.run(["unshare", "--mount", "sh", "-ec", "mount -t sysfs sysfs /sys && "
                                 f"cat /sys/class/net/{name}/tap*/dev"]).stdout
        os.mknod(place / name, 0o600 | stat.S_IFCHR, os.makedev(*map(int, numbers.split(":"))))
        return place / name

    def _rules(self):
        """What libvirt makes for <forward mode='nat'> with IPv6, and forwarded ports."""
        lan = self["nat"]
        inside4, inside6 = _range(lan.inner, 4), _range(lan.inner, 6)
        return f"""table inet nat {{
            chain pre {{ type nat hook prerouting priority dstnat;
                iifname "{lan.up}" tcp dport {PORT}-{PORT + 9} dnat ip to {lan.guest.v4}
                iifname "{lan.up}" tcp dport {PORT}-{PORT + 9} dnat ip6 to {lan.guest.v6}
            }}
            chain post {{ type nat hook postrouting priority srcnat;
                ip saddr {inside4} ip daddr 224.0.0.0/24 return
                ip saddr {inside4} ip daddr != {inside4} meta l4proto tcp masquerade to :1024-65535
                ip saddr {inside4} ip daddr != {inside4} masquerade
                ip6 saddr {inside6} ip6 daddr != {inside6} meta l4proto tcp \
                    masquerade to :1024-65535
                ip6 saddr {inside6} ip6 daddr != {inside6} masquerade
            }}
            chain forward {{ type filter hook forward priority filter;
                ct status dnat accept
                oifname "virbr0" ct state established,related accept
                iifname "virbr0" ip saddr {inside4} accept
                iifname "virbr0" ip6 saddr {inside6} accept
                oifname "virbr0" reject
                iifname "virbr0" reject
            }}
        }}
        """


class OffloadLans(OffloadVm):
    """Offload for all NICs but the bare one; the guest tells its addresses itself."""

    def refused(self):
        """{reason: how often} of what the agent has not even offered."""
        text = (self.machine.vm.exchange_directory / AGENT_STATS).read_text(encoding="utf-8")
        return collections.Counter(json.loads(text)["refused"])

    def _shown_in_guest(self):
        return "--stats", f"{GUEST_DIRECTORY}/{AGENT_STATS}"

    @property
    def nics(self):
        """For the keeper."""
        return [f"{lan.guest.interface},{guest_mac(lan.guest)}" for lan in self.net.lans
                if lan.kind != "bare"]
