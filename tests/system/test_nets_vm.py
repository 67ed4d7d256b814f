# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections that move in every kind of network, with a real VM behind real taps. One boot.

The VM has a NIC in each of them at the same time (hylab/lans.py), and tells its addresses itself.
HYLICS_LONG=1: fifteen times the requests.
"""

import contextlib
import hashlib
import json
import subprocess
import sys

import outward
import pytest
from moving import LONG, wait_for
from test_move import good, silent_about_resets

from hylab import wall
from hylab.channel import Process
from hylab.lans import PORT, Lans, OffloadLans
from hylab.offload import LIBRARY, TALK
from hylab.offload_vm import Job, Machine
from hylab.servers import KINDS, Site

FILE_BYTES = 8 << 20
CONNECTIONS = 12
REQUESTS = 30 if LONG else 2
# Answers that a connection goes home in, and away again for the next one.
HOME_AFTER = "3M"
ANSWERS = ("--bytes", "3500K-8M", "--slice", "512K", "--tail", "0-2K", "--upload", "0-2K",
           "--stuck-after", "20s")
MIDDLE = (*ANSWERS, "--connections", str(CONNECTIONS), "--requests", str(REQUESTS))
HALF = (*ANSWERS, "--connections", str(CONNECTIONS // 2), "--requests", "2")
SLOWLY = ("--connections", "4", "--bytes", "8M", "--slice", "512K", "--read-rate", "6M",
          "--stuck-after", "20s")
NARROW = 1300


@pytest.fixture(name="machine", scope="module")
def _machine():
    wall.require()
    with Machine(build=Lans) as machine:
        machine.net.configure(machine.vm)
        yield machine


@pytest.fixture(name="offload", scope="module")
def _offload(machine):
    with OffloadLans(machine, worker=("--home-after", HOME_AFTER)) as offload:
        offload.serve(PORT, offload.file("body", FILE_BYTES), "hylics", "--nonblock")
        yield offload


def ask(offload, lan, family=4, node=None, where=None, options=MIDDLE):
    """Ask from the client of a network; its verdict, and how the counters have changed."""
    before = offload.counts()
    with offload.watch(node=lan.client) as seen:
        said = good(offload.ask(PORT, offload.share / "body", *options, node=node or lan.client,
                                where=where or lan.where(PORT, family), timeout_s=300))
    silent_about_resets(seen)
    return said, grown(offload, before)


def grown(offload, before):
    """How the worker's counters have changed."""
    now = offload.settled()
    return {name: now[name] - before[name]
            for name in ("moved", "homed", "home_failed", "reset_by_us", "faults")}


def moved_and_home(more, least=CONNECTIONS * REQUESTS // 2):
    """Every connection has moved, in the long form often again; most came home within answers.

    An answer that begins right behind a way home may be served in the guest: how many are is the
    machine's to say.
    """
    assert more["moved"] >= least, more
    assert more["homed"] >= least * 3 // 4, more
    assert more["reset_by_us"] == more["faults"] == 0, more


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("kind", ["bridge", "nat", "routed", "macvtap"])
def test_clients_of_the_guest(machine, offload, kind, family):
    """Behind NAT they come through a forwarded port."""
    _, more = ask(offload, machine.net[kind], family)
    moved_and_home(more)


@pytest.mark.parametrize("family", [4, 6])
def test_a_bridge_without_an_address_of_the_host(machine, offload, family):
    lan, host = machine.net["bridge"], machine.net.host
    host.ip(f"addr flush dev {lan.edge}")
    try:
        moved_and_home(ask(offload, lan, family)[1])
    finally:
        for address in lan.outer.with_prefix(1):
            host.ip(f"addr add {address} dev {lan.edge}")


def send_out(machine, offload, lan, family=4, to=None):
    """The guest connects to the network's client, by another address if told; the client's view."""
    address, file = lan.client_address(family), offload.share / "body"
    script = [sys.executable, "-B", outward.__file__]
    environment = [f"{name}={value}" for name, value in offload.environment.items()]
    with contextlib.ExitStack() as stack:
        seen = stack.enter_context(offload.watch(node=lan.client))
        receiver = stack.enter_context(Process([*lan.client.prefix(), *script, "receive", str(file),
                                                address, str(CONNECTIONS), str(REQUESTS)]))
        port = receiver.wait_output("port").split()[-1]
        sender = stack.enter_context(Job(machine.vm, [
            "env", *environment, f"HYLICS_LIBRARY={LIBRARY / 'libhylics.so.0'}", *script, "send",
            offload.in_guest(file), to or address, port, CONNECTIONS]))
        said = json.loads(receiver.wait_output("{"))
        assert sender.wait_end() == 0, sender.log
    assert said["right"] == CONNECTIONS * REQUESTS, said
    assert not said["wrong"] and not said["errors"], said
    silent_about_resets(seen)
    return said


@pytest.mark.parametrize("kind, family", [("nat", 4), ("nat", 6), ("bridge", 4), ("routed", 6),
                                          ("macvtap", 4)])
def test_the_guest_connects_out_and_sends(machine, offload, kind, family):
    """Behind NAT it is seen with the host's address."""
    lan, before = machine.net[kind], offload.counts()
    said = send_out(machine, offload, lan, family)
    subnet, number = (lan.outer, 1) if kind == "nat" else (lan.inner, 11)
    assert set(said["peers"]) == {subnet.v4(number) if family == 4 else subnet.v6(number)}
    moved_and_home(grown(offload, before))


def too_big(node, family):
    """How often a router has told a sender that its packets are too big."""
    if family == 6:
        lines = node.run("cat /proc/net/snmp6").stdout.splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Icmp6OutPktTooBigs"))
    names, values = [line.split() for line in node.run("cat /proc/net/snmp").stdout.splitlines()
                     if line.startswith("Icmp:")]
    return int(values[names.index("OutDestUnreachs")])


@pytest.mark.parametrize("kind, family", [("bridge", 4), ("bridge", 6), ("routed", 4),
                                          ("routed", 6), ("nat", 4), ("macvtap", 4)])
def test_a_hop_becomes_narrower_behind_the_host(machine, offload, kind, family):
    """Its router says so, and the copies' segments become shorter; those at home, too."""
    lan = machine.net[kind]
    told, before = too_big(lan.client, family), offload.counts()
    with offload.watch(node=lan.far, interface="far0") as seen:
        with offload.asking(PORT, offload.share / "body", *SLOWLY, node=lan.far,
                            where=lan.where(PORT, family)) as client:
            offload.wait_counts(lambda counts: counts["moved"] >= before["moved"] + 4)
            lan.client.ip(f"link set near0 mtu {NARROW}")
            try:
                good(client.verdict())
                assert too_big(lan.client, family) > told
                with offload.watch(node=lan.far, interface="far0") as later:
                    good(offload.ask(PORT, offload.share / "body", *HALF, node=lan.far,
                                     where=lan.where(PORT, family)))
            finally:
                lan.client.ip("link set near0 mtu 1500")
    silent_about_resets(seen)
    assert seen["in"]["fragments"] == 0
    assert later["in"]["payload_bytes"] < NARROW * later["in"]["segments"]
    assert grown(offload, before)["reset_by_us"] == 0


@pytest.mark.parametrize("kind", ["bridge", "nat", "routed", "macvtap"])
def test_the_mtu_of_the_guests_network_changes(machine, offload, kind):
    """At the host and in the guest, while the connections are away, and back again."""
    lan, host, vm = machine.net[kind], machine.net.host, machine.vm
    before = offload.counts()

    def set_mtu(mtu):
        vm.run(f"ip link set {lan.nic} mtu {mtu}")
        host.ip(f"link set {lan.guest.interface} mtu {mtu}")

    with contextlib.ExitStack() as stack:
        seen = stack.enter_context(offload.watch(node=lan.client))
        client = stack.enter_context(offload.asking(PORT, offload.share / "body", *SLOWLY,
                                                    node=lan.client, where=lan.where()))
        offload.wait_counts(lambda counts: counts["moved"] >= before["moved"] + 4)
        stack.callback(set_mtu, 1500)
        for mtu in (NARROW, 1500, NARROW):
            set_mtu(mtu)
        good(client.verdict())
        good(offload.ask(PORT, offload.share / "body", *HALF, node=lan.client, where=lan.where()))
    silent_about_resets(seen)
    moved_and_home(grown(offload, before), 4 + CONNECTIONS // 2)


def test_all_nics_at_once_and_one_without_a_twin(machine, offload):
    file, before = offload.share / "body", offload.counts()
    with contextlib.ExitStack() as stack:
        watches = [stack.enter_context(offload.watch(node=lan.client)) for lan in machine.net.lans]
        clients = [stack.enter_context(offload.asking(
            PORT, file, *HALF, node=lan.client, where=lan.where()))
            for lan in machine.net.lans]
        for client in clients:
            good(client.verdict())
    for seen in watches:
        silent_about_resets(seen)
    moved_and_home(grown(offload, before), 4 * CONNECTIONS // 2)
    refused = wait_for(lambda: offload.counts()["refused"]["no-twin"], "a refusal")
    assert refused >= CONNECTIONS // 2


def test_lighttpd_that_nobody_changed(machine, offload):
    """Under `hylics-guest run`, asked by curl from every network at the same time."""
    if KINDS["lighttpd"].missing():
        pytest.skip(KINDS["lighttpd"].missing())
    site, before, asked = Site(offload), offload.counts(), 3
    site.file("film", FILE_BYTES)
    server = site.start("lighttpd", PORT + 1, "hylics")
    try:
        curls = [lan.client.popen(
            ["sh", "-c", f"curl -gsS {' '.join([url] * asked)} | sha256sum"],
            stdout=subprocess.PIPE, text=True)
            for lan in machine.net.lans for family in (4, 6)
            for url in [f"http://{lan.where(PORT + 1, family)}/film"]]
        whole = hashlib.sha256((site.root / "film").read_bytes() * asked).hexdigest()
        for curl in curls:
            assert curl.communicate(timeout=120)[0].split()[0] == whole
    finally:
        server.stop()
    assert grown(offload, before)["moved"] >= 2 * 4


# Docker's way: a container behind a veth, published by DNAT; a port of the guest's redirected; an
# address that is a service's, and that of the bridge's client instead.
CONTAINER = """
ip netns add box
ip link add in0 type veth peer name box0 netns box
ip addr add 172.17.0.1/24 dev in0
ip link set in0 up
ip -n box -batch - <<'END'
link set lo up
addr add 172.17.0.2/24 dev box0
link set box0 up
route add default via 172.17.0.1
END
echo 1 > /proc/sys/net/ipv4/ip_forward
nft -f - <<'END'
table ip box {
chain pre { type nat hook prerouting priority dstnat;
fib daddr type local tcp dport 9090 dnat to 172.17.0.2:80
fib daddr type local tcp dport 9091 redirect to :8080
}
chain out { type nat hook output priority -100;
ip daddr 10.99.99.1 dnat to 10.99.11.2
}
chain post { type nat hook postrouting priority srcnat;
ip saddr 172.17.0.0/24 oifname != "in0" masquerade
}
}
END
"""
SHORT = ("--connections", CONNECTIONS, "--requests", "2", "--bytes", "1M-2M", "--slice", "512K",
         "--tail", "0-2K", "--upload", "0-2K", "--stuck-after", "20s")


@pytest.fixture(name="container", scope="module")
def _container(machine):
    done = machine.vm.run(CONTAINER)
    assert done.code == 0, done.stderr


def stays(offload, reason, asking):
    """A question whose connections stay in the guest for this reason, as the agent finds."""
    before, refused = offload.counts(), offload.refused()
    asking()
    assert grown(offload, before)["moved"] == 0
    assert offload.counts()["refused"] == before["refused"]
    wait_for(lambda: offload.refused()[reason] >= refused[reason] + CONNECTIONS, reason)


def ask_in_guest(offload, machine, where, space=""):
    """Ask from the guest itself, or one of its network namespaces."""
    argv = [*(["ip", "netns", "exec", space] if space else []), TALK, "client", "--connect", where,
            "--file", offload.in_guest(offload.share / "body"), *SHORT]
    with Job(machine.vm, argv) as client:
        client.wait_end()
        good(json.loads(client.output))


@pytest.mark.usefixtures("container")
def test_a_server_in_a_container(machine, offload):
    """Its address is none of the guest's NICs."""
    lan = machine.net["bridge"]
    argv = ["env", *(f"{name}={value}" for name, value in offload.environment.items()),
            "ip", "netns", "exec", "box", TALK, "server", "--listen", "0.0.0.0:80", "--file",
            offload.in_guest(offload.share / "body"), "--mode", "hylics", "--nonblock"]
    with Job(machine.vm, argv) as server:
        server.wait_output("ready")
        stays(offload, "guest-nat", lambda: ask(offload, lan, where=f"{lan.guest.v4}:9090",
                                                options=SHORT))


@pytest.mark.usefixtures("container")
def test_a_port_that_the_guest_redirects(machine, offload):
    """Its address is a NIC's, but on the network the connection has another port."""
    lan = machine.net["bridge"]
    stays(offload, "guest-nat", lambda: ask(offload, lan, where=f"{lan.guest.v4}:9091",
                                            options=SHORT))


@pytest.mark.usefixtures("container")
def test_an_address_that_the_guest_translates_on_its_way_out(machine, offload):
    """The program sees another peer than the network does."""
    stays(offload, "guest-nat",
          lambda: send_out(machine, offload, machine.net["bridge"], to="10.99.99.1"))


@pytest.mark.usefixtures("container")
@pytest.mark.parametrize("space, where", [
    ("", "{lan.guest.v4}"), ("", "[{lan.guest.v6}]"), ("box", "{lan.guest.v4}")],
    ids=["itself-v4", "itself-v6", "container"])
def test_clients_in_the_guest(machine, offload, space, where):
    """They reach the NIC's address without the NIC."""
    at = where.format(lan=machine.net["bridge"]) + f":{PORT}"
    stays(offload, "no-twin", lambda: ask_in_guest(offload, machine, at, space))


def test_a_vlan_of_the_guest(machine, offload):
    """Its interface has the NIC's MAC. The client is in the guest, at the end of another tap."""
    lan, other = machine.net["bridge"], machine.net["bare"]
    machine.net.host.ip(f"link set {other.guest.interface} master {lan.edge}")
    done = machine.vm.run(f"""
ip link add link {lan.nic} name {lan.nic}.5 type vlan id 5
ip link add br5 type bridge
ip link set {lan.nic}.5 master br5 up
ip addr add 10.99.5.11/24 dev br5
ip link set br5 up
ip netns add tagged
ip link set {other.nic} netns tagged
ip -n tagged link add link {other.nic} name {other.nic}.5 type vlan id 5
ip -n tagged addr add 10.99.5.2/24 dev {other.nic}.5
ip -n tagged link set {other.nic} up
ip -n tagged link set {other.nic}.5 up
""")
    assert done.code == 0, done.stderr
    stays(offload, "no-twin", lambda: ask_in_guest(offload, machine, f"10.99.5.11:{PORT}",
                                                   "tagged"))


@pytest.mark.parametrize("family", [4, 6])
def test_a_guest_that_drops_what_its_tracking_calls_invalid(machine, offload, family):
    """As ufw and firewalld do: a connection that comes home has gone on without the guest."""
    lan, vm = machine.net["routed"], machine.vm
    done = vm.run("nft 'add table inet wall; add chain inet wall in { type filter hook input "
                  "priority 0; }; add rule inet wall in ct state invalid counter drop'")
    assert done.code == 0, done.stderr
    try:
        moved_and_home(ask(offload, lan, family)[1])
    finally:
        vm.run("nft delete table inet wall")
