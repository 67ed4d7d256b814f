# SPDX-License-Identifier: GPL-2.0-or-later
"""Files sent as datagrams by the host, in namespaces: each datagram, whoever dies meanwhile.

The guest's program calls hylics_sendfile(); at the other end each datagram is held against the
file, its size and the guest's address. UDP promises nothing, but these networks lose nothing.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from moving import PATIENCE_S, wait_for
from test_drain import NAME, Operated

from hylab import BUILD, wall
from hylab.hylicsd import Hylicsd
from hylab.net import Net
from hylab.offload import AGENT_STATS, Offload, wire

CASTER = BUILD / "tests/udp/udp-caster"
CATCHER = pathlib.Path(__file__).with_name("catcher.py")
BYTES, RATE = 1400, 4_000_000
FILE_BYTES = 2 << 20
LONG = 16 << 20                 # 4 s: what is to happen in the middle happens there
FEW = 100_000                   # bytes; of a file of any length no more leave through the guest


@pytest.fixture(name="stack")
def _stack():
    wall.require()
    with contextlib.ExitStack() as stack:
        yield stack


class Talker:
    """A program that answers each line with a line."""

    def __init__(self, stack, argv, **options):
        self.process = subprocess.Popen([*map(str, argv)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, **options)
        stack.callback(self._end)
        self.first = self.process.stdout.readline()

    def _end(self):
        self.process.kill()
        self.process.communicate()

    def order(self, *words):
        """Begin something."""
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def answer(self):
        """How the oldest order ended."""
        return json.loads(self.process.stdout.readline())

    def do(self, *words):
        """Both."""
        self.order(*words)
        return self.answer()


class Scene:
    """A guest with a program that sends, a client that catches."""

    def __init__(self, stack, offload, size=FILE_BYTES, family=4, node=None, bytes_each=BYTES,
                 rate=RATE):
        self.offload, self.size = offload, size
        self.guest = offload.guest
        self.file = offload.file("body", size)
        node = node or offload.net.client
        address = node.v6 if family == 6 else node.v4
        self.catcher = Talker(stack, [*node.prefix(), sys.executable, "-B", CATCHER, address,
                                      self.file, bytes_each])
        self.caster = Talker(stack, [*self.guest.node.prefix(), CASTER, address,
                                     self.catcher.first.strip()],
                             env={**os.environ, **offload.environment})
        port = json.loads(self.caster.first)["port"]
        self.source = f"{self.guest.v6 if family == 6 else self.guest.v4} {port}"
        assert self.caster.do("datagrams", bytes_each, rate)["n"] == 0

    def begin(self, path=None, offset=0, count=None):
        """A call that is under way."""
        self.caster.order("send", path or self.file, offset, count or self.size)

    def send(self, **what):
        """A call, to its end."""
        self.begin(**what)
        return self.caster.answer()

    def caught(self):
        """So far; nothing of it wrong."""
        told = self.catcher.do("tell")
        assert not told["wrong"], told
        return told

    def all_caught(self, source=None):
        """Every byte has come, all from the guest's own address and port."""
        told = wait_for(lambda: (lambda now: now["bytes"] == self.size and now)(self.caught()),
                        f"all {self.size} bytes, not {self.caught()}")
        assert list(told["sources"]) == [source or self.source], told
        return told

    def counts(self):
        """The worker's."""
        return self.offload.counts()

    def wait_cast(self, more=FEW):
        """Until the host has sent something more."""
        before = self.counts()["cast_bytes"]
        self.offload.wait_counts(lambda counts: counts["cast_bytes"] >= before + more)

    def tx_bytes(self):
        """That left through the guest's NIC."""
        links = json.loads(self.guest.node.run(["ip", "-s", "-j", "link"]).stdout)
        return sum(link["stats64"]["tx"]["bytes"] for link in links)


def start(stack, build=Net.bridge_uplink, size=FILE_BYTES, family=4, bytes_each=BYTES, rate=RATE,
          **options):
    """All of it."""
    net = stack.enter_context(build(spaces=1))
    offload = stack.enter_context(Offload(net, net.guests[0], **options))
    return Scene(stack, offload, size, family, bytes_each=bytes_each, rate=rate)


def all_sent(scene, answer):
    """The call's answer is the whole file."""
    assert (answer["n"], answer["at"]) == (scene.size, scene.size), answer


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("build", [Net.bridge_uplink, Net.routed_tap, Net.macvtap],
                         ids=["bridge", "routed", "macvtap"])
def test_datagrams_come_from_the_host_as_the_guests(stack, build, family):
    scene = start(stack, build, family=family)
    before = scene.tx_bytes()
    answer = scene.send()
    all_sent(scene, answer)
    assert answer["why"] == "moved"
    told = scene.all_caught()
    assert told["datagrams"] == -(-scene.size // BYTES) and told["twice"] == 0
    assert scene.tx_bytes() - before < FEW
    scene.offload.wait_counts(lambda counts: counts["cast_bytes"] == scene.size - BYTES and
                              counts["casts"] == 1 and counts["files"] == 0)


def test_behind_nat(stack):
    net = stack.enter_context(Net.nat_forward(spaces=1))
    scene = Scene(stack, stack.enter_context(Offload(net, net.guests[0])))
    all_sent(scene, scene.send())
    told = wait_for(lambda: (lambda now: now["bytes"] == scene.size and now)(scene.caught()),
                    "all bytes")
    (source,) = told["sources"]     # the host's, one for what the guest and the host have sent
    assert source.split()[0] == net.host.v4 and scene.counts()["cast_bytes"] > 0


@pytest.mark.parametrize("family", [4, 6])
def test_answers_reach_the_program(stack, family):
    scene = start(stack, size=LONG, family=family)
    scene.begin()
    scene.wait_cast()
    scene.catcher.do("answer", "first")
    scene.catcher.do("answer", "second")
    all_sent(scene, scene.caster.answer())
    assert [scene.caster.do("hear")["heard"] for _ in range(2)] == ["first", "second"]
    scene.all_caught()


def test_the_rate_is_kept(stack):
    """Never faster; how much slower is the machine's affair."""
    scene = start(stack)
    began = time.monotonic()
    for part in range(4):           # calls share the pace
        scene.send(offset=part * BYTES * 300, count=BYTES * 300)
    assert time.monotonic() - began >= (4 * 300 * BYTES - RATE * 0.03) / RATE


def test_threads_share_the_rate(stack):
    """Of one socket one thread's part is cast at a time."""
    size = 2 * 700 * BYTES
    scene = start(stack, size=size)
    began = time.monotonic()
    assert scene.caster.do("two", scene.file, size)["n"] == size
    assert time.monotonic() - began >= (size - RATE * 0.03) / RATE
    scene.all_caught()
    assert scene.counts()["casts"] == 2


def test_over_a_wire(stack):
    """Frames as bytes: each datagram is one, its checksum is there."""
    net = stack.enter_context(Net.bridge_uplink(spaces=1, wire=True))
    offload = stack.enter_context(Offload(net, net.guests[0]))
    stack.enter_context(wire(net, offload.directory))
    scene = Scene(stack, offload)
    all_sent(scene, scene.send())
    scene.all_caught()
    assert scene.counts()["casts"] == 1


def test_position_offset_and_end_of_file(stack):
    scene = start(stack)
    begun = (1 << 20) // BYTES * BYTES
    answer = scene.send(offset=begun, count=10 * scene.size)
    assert (answer["n"], answer["at"]) == (scene.size - begun, scene.size)
    assert scene.caught()["first"] == begun
    all_sent(scene, scene.send(offset=-1, count=10 * scene.size))
    scene.all_caught()
    assert scene.send(offset=scene.size)["n"] == 0
    assert scene.counts()["casts"] == 2


@pytest.mark.parametrize("who", ["agent", "worker"])
def test_whoever_is_killed_nothing_is_left_out(stack, who):
    scene = start(stack, size=LONG)
    scene.begin()
    scene.wait_cast()
    scene.offload.kill_child(who)
    all_sent(scene, scene.caster.answer())
    scene.all_caught()
    # and the next one is the successor's
    wait_for(lambda: scene.offload.status()["channel"] == "up", "a session")

    def is_cast():
        return scene.send()["why"] == "moved"

    wait_for(is_cast, "a cast")


def test_the_host_is_asked_again_after_a_loss(stack):
    """Within the same call: the first cast is the dead worker's, the next its successor's."""
    scene = start(stack, size=LONG, rate=2_000_000)
    scene.begin()
    scene.wait_cast()
    scene.offload.kill_child("worker")
    scene.offload.wait_counts(lambda counts: counts["casts"] >= 2)
    all_sent(scene, scene.caster.answer())
    scene.all_caught()


def test_an_agent_that_sleeps_stops_nobody(stack):
    scene = start(stack, size=LONG)
    scene.begin()
    scene.wait_cast()
    _, agent = scene.offload.pids("agent")
    os.kill(agent, signal.SIGSTOP)
    all_sent(scene, scene.caster.answer())
    os.kill(agent, signal.SIGCONT)
    scene.all_caught()


def test_the_keeper_is_killed(stack):
    scene = start(stack, size=LONG)
    scene.begin()
    scene.wait_cast()
    scene.offload.keeper.kill()
    all_sent(scene, scene.caster.answer())
    scene.all_caught()


def test_a_file_that_gets_shorter(stack):
    scene = start(stack, size=LONG)
    scene.begin()
    scene.wait_cast()
    os.truncate(scene.file, 1 << 20)
    answer = scene.caster.answer()
    assert answer["errno"] == 0 and 0 < answer["n"] < LONG
    scene.offload.wait_counts(lambda counts: counts["files"] == 0)


def test_a_program_that_dies_stops_its_cast(stack):
    scene = start(stack, size=LONG, rate=1_000_000)
    scene.begin()
    scene.wait_cast()
    scene.caster.process.kill()
    # the file stays open for the host as long as somebody sends from it
    scene.offload.wait_counts(lambda counts: counts["files"] == 0)
    assert scene.counts()["cast_bytes"] < LONG // 2


def test_a_signal_ends_the_call(stack):
    scene = start(stack, size=LONG, rate=1_000_000)
    scene.begin()
    scene.wait_cast()
    scene.caster.process.send_signal(signal.SIGUSR1)
    answer = scene.caster.answer()
    assert 0 < answer["n"] == answer["at"] < LONG
    scene.offload.wait_counts(lambda counts: counts["files"] == 0)
    # what had left was told, but for the last 100 ms
    assert scene.counts()["cast_bytes"] - answer["n"] < 1_000_000


def test_an_icmp_error_is_the_programs(stack):
    scene = start(stack, size=LONG, rate=1_000_000)
    scene.begin()
    scene.wait_cast()
    scene.catcher.process.kill()
    assert 0 < scene.caster.answer()["n"] < LONG
    wait_for(lambda: os.strerror(scene.send()["errno"]) == "Connection refused", "the error")


def refused(scene, why):
    """Plainly, with every datagram right."""
    before = scene.counts()["cast_bytes"]
    answer = scene.send()
    all_sent(scene, answer)
    assert answer["why"] == why
    scene.all_caught()
    assert scene.counts()["cast_bytes"] == before


def test_not_on_the_share(stack):
    scene = start(stack)
    elsewhere = scene.offload.directory / "elsewhere"
    elsewhere.write_bytes(scene.file.read_bytes())
    scene.file = elsewhere
    refused(scene, "not-on-share")


def test_too_long_for_the_path(stack):
    """The guest's kernel cuts them, as ever."""
    refused(start(stack, bytes_each=4096), "datagram-size")


def test_too_long_for_the_twin(stack):
    """Only the host knows; it says so, and is asked no more for a while."""
    scene = start(stack)
    scene.offload.net.host.ip(f"link set {scene.guest.interface} mtu 1300")
    scene.guest.node.ip("link set eth0 mtu 1500")
    answer = scene.send(count=200 * BYTES)
    assert answer["n"] == 200 * BYTES and answer["why"] == "datagram-size"
    scene.offload.wait_counts(lambda counts: counts["casts_refused"] == 1)
    assert scene.counts()["casts"] == 0


def test_the_guest_translates(stack):
    scene = start(stack)
    scene.guest.node.run("nft add table ip t && nft 'add chain ip t post { type nat hook "
                         "postrouting priority 100; }' && nft add rule ip t post udp dport != 1 "
                         "masquerade to :40000-40010")
    answer = scene.send()
    all_sent(scene, answer)
    assert answer["why"] == "guest-nat"
    assert scene.counts()["cast_bytes"] == 0


def test_to_the_guest_itself(stack):
    net = stack.enter_context(Net.bridge_uplink(spaces=1))
    offload = stack.enter_context(Offload(net, net.guests[0]))
    node = net.guests[0].node
    node.v4 = node.v4 or net.guests[0].v4
    refused(Scene(stack, offload, node=node), "no-twin")


def test_without_anything_of_hylics(stack):
    scene = start(stack)
    scene.offload.close_programs()
    answer = scene.send()
    all_sent(scene, answer)
    assert answer["why"] == "no-agent"
    scene.all_caught()


def test_not_blocking(stack):
    """What is due now, else EAGAIN; nothing by the host."""
    scene = start(stack)
    scene.caster.do("nonblock", 1)
    sent = again = 0
    while sent < scene.size:
        answer = scene.send(offset=sent)
        again += answer["errno"] == 11
        assert answer["n"] > 0 or answer["errno"] == 11, answer
        sent += max(answer["n"], 0)
    assert again and scene.counts()["casts"] == 0
    scene.all_caught()


def test_forgotten_it_is_sendfile_again(stack):
    scene = start(stack)
    assert scene.caster.do("datagrams", 0, 0)["n"] == 0
    assert scene.send(count=1000)["n"] == 1000
    assert scene.counts()["casts"] == 0


def test_many_at_once(stack):
    """More than there may be: the others are plain, and each gets all of its file."""
    net = stack.enter_context(Net.bridge_uplink(spaces=1))
    offload = stack.enter_context(Offload(net, net.guests[0]))
    scenes = [Scene(stack, offload, rate=200_000, size=256 << 10) for _ in range(50)]
    for scene in scenes:
        scene.begin()
    answers = [scene.caster.answer() for scene in scenes]
    for scene, answer in zip(scenes, answers):
        all_sent(scene, answer)
        scene.all_caught()
    assert offload.counts(AGENT_STATS)["refused"]["limit-connections"] >= 2
    assert offload.counts()["casts"] >= 48


@pytest.mark.parametrize("words, reason", [(("drain", NAME), "draining"),
                                           (("offload", NAME, "off"), "off-by-operator")])
def test_drained(stack, words, reason):
    net = stack.enter_context(Net.bridge_uplink(spaces=1))
    host = Hylicsd(node=net.host)
    host.start()
    stack.callback(host.close)
    offload = stack.enter_context(Operated(net, host))
    scene = Scene(stack, offload, size=LONG)
    scene.begin()
    scene.wait_cast()
    host.json("vm", *words)
    sent = scene.counts()["cast_bytes"]
    all_sent(scene, scene.caster.answer())
    scene.all_caught()
    assert scene.counts()["cast_bytes"] == sent < LONG
    assert offload.why(reason) >= 1
    host.json("vm", "offload", NAME, "on")
    wait_for(lambda: scene.send(count=200 * BYTES)["why"] == "moved", "a cast")


def test_patience_is_what_it_says():
    """A call of this file's length ends before anybody here gives up."""
    assert LONG / 1_000_000 < PATIENCE_S
