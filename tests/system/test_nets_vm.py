# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections that move in every kind of network, with a real VM behind real taps. One boot.

The VM has a NIC in each of them at the same time (hylab/lans.py), and tells its addresses itself.
HYLICS_LONG=1: ten times the requests.
"""

import contextlib
import json
import sys

import outward
import pytest
from moving import LONG, wait_for
from test_move import good, silent_about_resets

from hylab import wall
from hylab.channel import Process
from hylab.lans import PORT, Lans, OffloadLans
from hylab.offload import LIBRARY
from hylab.offload_vm import Job, Machine

FILE_BYTES = 8 << 20
CONNECTIONS = 12
REQUESTS = 30 if LONG else 3
# Answers that a connection goes home in, and away again for the next one.
HOME_AFTER = "3M"
MIDDLE = ("--connections", CONNECTIONS, "--requests", REQUESTS, "--bytes", "3500K-8M", "--slice",
          "512K", "--tail", "0-2K", "--upload", "0-2K", "--stuck-after", "20s")
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


def moved_and_home(more, least=CONNECTIONS * REQUESTS):
    """Each request has moved its connection, and most came home in the middle of it."""
    assert more["moved"] >= least * 3 // 4, more
    assert more["homed"] >= least // 2, more
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


@pytest.mark.parametrize("kind, family", [("nat", 4), ("nat", 6), ("bridge", 4), ("routed", 6),
                                          ("macvtap", 4)])
def test_the_guest_connects_out_and_sends(machine, offload, kind, family):
    lan, before = machine.net[kind], offload.counts()
    address, file = lan.client_address(family), offload.share / "body"
    library = LIBRARY / "libhylics.so.0"
    script = [sys.executable, "-B", outward.__file__]
    environment = [f"{name}={value}" for name, value in offload.environment.items()]
    with contextlib.ExitStack() as stack:
        seen = stack.enter_context(offload.watch(node=lan.client))
        receiver = stack.enter_context(Process([*lan.client.prefix(), *script, "receive", str(file),
                                                address, str(CONNECTIONS), str(REQUESTS)]))
        port = receiver.wait_output("port").split()[-1]
        sender = stack.enter_context(Job(machine.vm, [
            "env", *environment, f"HYLICS_LIBRARY={library}", *script, "send",
            offload.in_guest(file), address, port, CONNECTIONS]))
        said = json.loads(receiver.wait_output("{"))
        assert sender.wait_end() == 0, sender.log
    assert said["right"] == CONNECTIONS * REQUESTS, said
    assert not said["wrong"] and not said["errors"], said
    outside = lan.outer if kind == "nat" else lan.inner
    number = 1 if kind == "nat" else 11
    assert set(said["peers"]) == {outside.v4(number) if family == 4 else outside.v6(number)}
    silent_about_resets(seen)
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
                good(offload.ask(PORT, offload.share / "body", *MIDDLE, node=lan.far,
                                 where=lan.where(PORT, family)))
            finally:
                lan.client.ip("link set near0 mtu 1500")
    silent_about_resets(seen)
    assert grown(offload, before)["reset_by_us"] == 0


@pytest.mark.parametrize("kind", ["bridge", "nat", "routed", "macvtap"])
def test_the_mtu_of_the_guests_network_changes(machine, offload, kind):
    """At the host and in the guest, while the connections are away, and back again."""
    lan, host, vm = machine.net[kind], machine.net.host, machine.vm
    before = offload.counts()

    def set_mtu(mtu):
        vm.run(f"ip link set {lan.nic} mtu {mtu}")
        host.ip(f"link set {lan.guest.interface} mtu {mtu}")

    with offload.watch(node=lan.client) as seen:
        with offload.asking(PORT, offload.share / "body", *SLOWLY, node=lan.client,
                            where=lan.where()) as client:
            offload.wait_counts(lambda counts: counts["moved"] >= before["moved"] + 4)
            set_mtu(NARROW)
            set_mtu(1500)
            set_mtu(NARROW)
            good(client.verdict())
        good(offload.ask(PORT, offload.share / "body", *MIDDLE, node=lan.client, where=lan.where()))
        set_mtu(1500)
    silent_about_resets(seen)
    moved_and_home(grown(offload, before))


def test_all_nics_at_once_and_one_without_a_twin(machine, offload):
    file, before = offload.share / "body", offload.counts()
    with contextlib.ExitStack() as stack:
        watches = [stack.enter_context(offload.watch(node=lan.client)) for lan in machine.net.lans]
        clients = [stack.enter_context(offload.asking(
            PORT, file, *map(str, MIDDLE), node=lan.client, where=lan.where()))
            for lan in machine.net.lans]
        for client in clients:
            good(client.verdict())
    for seen in watches:
        silent_about_resets(seen)
    moved_and_home(grown(offload, before), 4 * CONNECTIONS * REQUESTS)
    refused = wait_for(lambda: offload.counts()["refused"]["no-twin"], "a refusal")
    assert refused >= CONNECTIONS
