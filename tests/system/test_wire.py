# SPDX-License-Identifier: GPL-2.0-or-later
"""The wire between two namespaces: what it promised is what it did, by the byte and the frame."""

import contextlib
import json
import os
import pathlib
import random
import re
import signal
import socket
import struct
import time

import pytest
from moving import wait_for
from wiring import (MACS, PATIENCE_S, PROGRAM, Place, balanced, close_in_order, exchange, packets,
                    received_packets, socket_in)

from hylab import net as lab_net

README = pathlib.Path(__file__).resolve().parents[2] / "lab" / "wire" / "README.md"
UDP, DIRECTION_A = 3, 0     # numbers of lab/wire/frame.h and fate.h


@pytest.fixture(name="place")
def _place(wall, tmp_path):
    assert wall
    with lab_net.Net.routed_tap(wire=True) as net:
        place = Place(net, tmp_path)
        try:
            yield place
        finally:
            place.close()


def numbered(place, options, count):
    """Send numbered datagrams through a fresh wire; (numbers in order of arrival, statistics)."""
    with place.wire(*options) as wire:
        client, host = place.udp()
        for number in range(count):
            client.send(struct.pack(">I", number) + b"datagram")
        stats = wire.stats()
        host.setblocking(False)
        numbers = []
        with contextlib.suppress(BlockingIOError):
            while True:
                numbers.append(struct.unpack_from(">I", host.recv(100))[0])
        client.close()
        host.close()
        return numbers, stats


# What lab/wire/fate.c computes, written a second time.
MASK, STEP = (1 << 64) - 1, 0x9e3779b97f4a7c15
LOSS, REORDER, DUPLICATE, CORRUPT = range(4)


def mix(word):
    """The output function of splitmix64."""
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9 & MASK
    word = (word ^ word >> 27) * 0x94d049bb133111eb & MASK
    return word ^ word >> 31


def happens(seed, number, draw, percent):
    """Whether the draw of a datagram from side a comes true."""
    start = mix(mix(seed + STEP & MASK) + ((DIRECTION_A << 8 | UDP) + 1) * STEP & MASK)
    word = mix(start + (number * 8 + draw + 1) * STEP & MASK)
    return (word >> 32) * 10 ** 9 >> 32 < percent * 10 ** 7


def foretell(seed, count):
    """With SCRIPTED_CHANCES: (the numbers the host gets, in order; how many are still late)."""
    arrived, late = [], []

    def passes(number):
        arrived.append(number)
        for entry in late:
            entry[1] -= 1
        arrived.extend(entry[0] for entry in late if entry[1] == 0)
        late[:] = [entry for entry in late if entry[1] > 0]

    for number in range(count):
        if happens(seed, number, LOSS, 5):
            continue
        # The host's kernel drops a datagram with a flipped bit: nobody sees it.
        shown = None if happens(seed, number, CORRUPT, 2) else number
        if happens(seed, number, REORDER, 2):
            late.append([shown, 4])
        else:
            passes(shown)
        if happens(seed, number, DUPLICATE, 1):
            passes(shown)
    return [number for number in arrived if number is not None], len(late)


SCRIPTED_CHANCES = ("--loss", "a:5%", "--reorder", "a:2%", "--duplicate", "a:1%", "--corrupt",
                    "a:2%", "--reorder-gap", "4", "--reorder-bound", "60s")


def test_clean_wire_carries_everything(place):
    place.quiet()
    before = received_packets(place.host, "up0"), received_packets(place.client, "client0")
    with place.wire() as wire:
        client, host = place.tcp()
        exchange(client, host, 8 << 20)
        close_in_order(client, host)
        stats = wire.stats()
        after = received_packets(place.host, "up0"), received_packets(place.client, "client0")
        code, last, err = wire.end()
    assert (code, err) == (0, "")
    assert last == stats
    for side, start, end in zip((stats["a"], stats["b"]), before, after):
        assert side["frames_in"] == side["frames_out"] == end - start
        assert side["bytes_in"] == side["bytes_out"]
        assert side["super_frames"] > 0 and side["unfinished"] > 0
        assert side["tcp_bytes"] >= 8 << 20
        assert (side["tcp_syn"], side["tcp_rst"]) == (1, 0)
        for name in ("lost", "duplicated", "reordered", "corrupted", "delayed", "queue_full",
                     "pool_full", "unsent", "missed", "refused", "malformed", "waiting"):
            assert side[name] == 0, name


def test_bad_wire_still_carries_the_right_bytes(place):
    place.quiet()
    dropped = place.directory / "dropped.pcapng"
    before = received_packets(place.host, "up0")
    with place.wire("--loss", "1%", "--reorder", "0.5%", "--duplicate", "0.1%", "--delay", "20ms",
                    "--jitter", "5ms", "--seed", "11", "--pcap-dropped", dropped) as wire:
        client, host = place.tcp()
        exchange(client, host, 1 << 20)
        close_in_order(client, host)
        stats = wire.stats()
        after = received_packets(place.host, "up0")
        assert wire.end()[0] == 0
    for side in stats["a"], stats["b"]:
        assert balanced(side)
        assert side["lost"] > 0 and side["frames_out"] > 0
        assert side["frames_out"] - side["frames_in"] == side["duplicated"] - side["lost"]
        assert side["delayed"] == side["frames_out"]
    assert stats["a"]["frames_out"] == after - before
    reasons = [(side, comment) for side, _, comment in packets(dropped)]
    assert reasons.count((0, "lost")) == stats["a"]["lost"]
    assert reasons.count((1, "lost")) == stats["b"]["lost"]
    assert len(reasons) == stats["a"]["lost"] + stats["b"]["lost"]


def test_fates_are_those_foretold_and_the_same_again(place):
    place.quiet()
    # None may be late at the end, or it would wait for its bound.
    count = next(n for n in range(2000, 2100) if foretell(42, n)[1] == foretell(43, n)[1] == 0)
    for seed in 42, 42, 43:
        numbers, stats = numbered(place, (*SCRIPTED_CHANCES, "--seed", seed), count)
        assert numbers == foretell(seed, count)[0]
        side = stats["a"]
        for name, draw, percent in (("lost", LOSS, 5), ("reordered", REORDER, 2),
                                    ("duplicated", DUPLICATE, 1)):
            survivors = [n for n in range(count) if draw == LOSS or not happens(seed, n, LOSS, 5)]
            assert side[name] == sum(happens(seed, n, draw, percent) for n in survivors), name
        assert side["corrupted"] > 0 and balanced(side)
        assert stats["b"]["frames_in"] == 0
    assert foretell(42, count)[0] != foretell(43, count)[0]


def test_third_data_segment_is_dropped_and_comes_again(place):
    with place.wire("-e", "rule third: drop dir=a tcp=data nth=3") as wire:
        client, host = place.tcp()
        exchange(client, host, 100000)
        wire.do("wait rule third")
        close_in_order(client, host)
        stats = wire.stats()
    assert [(rule["name"], rule["fired"]) for rule in stats["rules"]] == [("third", 1)]
    assert stats["a"]["scripted"] == 1
    assert stats["a"]["tcp_retransmissions"] >= 1
    assert balanced(stats["a"])


def test_one_ack_is_dropped_inside_each_freeze(place):
    rule = "rule ack after mark freeze until mark thaw: drop dir=b tcp=ack count=1"
    with place.wire("-e", rule) as wire:
        client, host = place.tcp()
        for turn in range(1, 4):
            exchange(client, host, 1000)
            wire.do("mark freeze")
            exchange(client, host, 50000)
            wire.do(f"wait rule ack {turn}")
            wire.do("mark thaw")
        exchange(client, host, 50000)
        stats = wire.stats()
    assert stats["rules"][0]["fired"] == stats["b"]["scripted"] == 3
    assert stats["marks"] == {"freeze": 3, "thaw": 3}


def test_a_mark_stands_behind_all_that_came_before_it(place):
    place.quiet()
    with place.wire("-e", "after mark now: drop dir=a proto=udp") as wire:
        client, _ = place.udp()
        # Far more than is taken in one turn: the command is read before the last of them.
        os.kill(wire.process.pid, signal.SIGSTOP)
        os.waitpid(wire.process.pid, os.WUNTRACED)
        for _ in range(5000):
            client.send(b"before")
        wire.control.write("mark now\n")
        os.kill(wire.process.pid, signal.SIGCONT)
        assert wire.control.readline() == "ok\n"
        client.send(b"after")
        stats = wire.stats()["a"]
    assert (stats["frames_in"], stats["frames_out"], stats["scripted"]) == (5001, 5000, 1)


def test_held_datagrams_wait_for_their_mark(place):
    with place.wire("-e", "hold until mark go dir=a proto=udp len=4", "-e",
                    "mark seen dir=a proto=udp len=5") as wire:
        client, host = place.udp()
        for word in b"held", b"HELD", b"other":
            client.send(word)
        wire.do("wait mark seen")
        assert host.recv(10) == b"other"
        assert json.loads(wire.ask("stats"))["a"]["waiting"] == 2
        wire.do("mark go")
        assert [host.recv(10), host.recv(10)] == [b"held", b"HELD"]
        assert wire.stats()["a"]["held"] == 2


def test_a_frame_can_release_what_was_held(place):
    with place.wire("-e", "hold until mark key proto=udp len=4", "-e",
                    "mark key proto=udp len=5") as wire:
        client, host = place.udp()
        client.send(b"held")
        client.send(b"the k")
        assert [host.recv(10), host.recv(10)] == [b"the k", b"held"]
        wire.do("wait mark key")


def test_normal_close_has_a_fin_each_way_and_no_reset(place):
    with place.wire() as wire:
        client, host = place.tcp()
        exchange(client, host, 1000)
        close_in_order(client, host)
        stats = wire.stats()
    for side in stats["a"], stats["b"]:
        assert side["tcp_rst"] == 0
        assert 1 <= side["tcp_fin"] <= 1 + side["tcp_retransmissions"]


def unacknowledged(sock):
    """Segments in flight: tcpi_unacked."""
    return struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 24)[0]


def test_linger_reset_is_counted(place):
    with place.wire() as wire:
        client, host = place.tcp()
        exchange(client, host, 1000)
        # what is still under way would be answered by a second one
        wait_for(lambda: not any(map(unacknowledged, (client, host))), "all is acknowledged")
        wire.do("wait empty")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        with pytest.raises(ConnectionResetError):
            host.recv(1)
        stats = wire.stats()
    assert stats["a"]["tcp_rst"] == 1
    assert stats["a"]["tcp_fin"] == stats["b"]["tcp_fin"] == 0


def test_injected_reset_ends_the_connection(place):
    with place.wire("-e", "rule cut: reset dir=b tcp=data count=1") as wire:
        client, host = place.tcp()
        host.sendall(b"never arrives")
        with pytest.raises(ConnectionResetError):
            client.recv(100)
        stats = wire.stats()
    assert (stats["b"]["injected"], stats["b"]["scripted"]) == (1, 1)
    assert balanced(stats["b"])


def test_delay_is_kept_and_so_is_the_order(place):
    place.quiet()
    with place.wire("--delay", "a:50ms", "--jitter", "a:20ms") as wire:
        client, host = place.udp()
        sent = {}
        for number in range(200):
            sent[number] = time.monotonic()
            client.send(struct.pack(">I", number))
        for number in range(200):
            assert struct.unpack(">I", host.recv(100))[0] == number
            assert time.monotonic() - sent[number] >= 0.030
        assert wire.stats()["a"]["delayed"] == 200


def test_corrupted_datagrams_fail_the_receivers_checksum(place):
    place.quiet()
    with place.wire("--corrupt", "a:100%") as wire:
        client, host = place.udp()
        for _ in range(50):
            client.send(b"to be spoilt")
        assert wire.stats()["a"]["corrupted"] == 50
        wire.do("set corrupt 0%")
        client.send(b"whole")
        assert host.recv(100) == b"whole"
    lines = [line.split() for line in place.host.run("cat /proc/net/snmp").stdout.splitlines()]
    names, values = [line for line in lines if line[0] == "Udp:"]
    assert dict(zip(names, values))["InCsumErrors"] == "50"


def test_rate_limit_takes_its_time_and_drops_at_the_tail(place):
    place.quiet()
    # 1000 bytes of payload and 42 of headers at 833.6 kbit/s: 10 ms each
    with place.wire("--rate", "a:833.6kbit", "--queue", "a:20") as wire:
        client, host = place.udp()
        begin = time.monotonic()
        for _ in range(100):
            client.send(bytes(1000))
        stats = wire.stats()
        assert time.monotonic() - begin >= 0.200
        assert stats["a"]["queue_full"] + stats["a"]["frames_out"] == 100
        assert 20 <= stats["a"]["frames_out"] < 100
        for _ in range(stats["a"]["frames_out"]):
            assert len(host.recv(2000)) == 1000


def test_ip6(place):
    with place.wire() as wire:
        client, host = place.tcp(place.host.v6)
        exchange(client, host, 1 << 20)
        close_in_order(client, host)
        client, host = place.udp(place.host.v6)
        client.send(b"datagram")
        assert host.recv(100) == b"datagram"
        stats = wire.stats()
    assert stats["a"]["super_frames"] > 0
    assert stats["a"]["refused"] == stats["b"]["refused"] == 0


def internet_sum(data):
    """The one's complement sum of 16-bit words; 0xffff over what holds a right checksum."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def tagged_frame(place, payload):
    """A TCP segment with two tags whose checksum is that of the pseudo header only."""
    ends = socket.inet_aton(place.client.v4) + socket.inet_aton(place.host.v4)
    length = 20 + len(payload)
    pseudo = internet_sum(ends + struct.pack(">HH", socket.IPPROTO_TCP, length))
    tcp = struct.pack(">HHIIBBHHH", 4000, 80, 1000, 1, 5 << 4, 0x18, 500, pseudo, 0)
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + length, 7, 0x4000, 64, socket.IPPROTO_TCP, 0)
    checksum = 0xffff - internet_sum(header + ends)
    macs = bytes.fromhex((MACS["up0"] + MACS["client0"]).replace(":", ""))
    tags = b"\x88\xa8\x00\x07\x81\x00\x00\x08\x08\x00"
    return macs + tags + header[:10] + struct.pack(">H", checksum) + ends + tcp + payload


def tcp_checksum_right(frame):
    """Of a frame with two tags."""
    pseudo = frame[34:42] + struct.pack(">HH", socket.IPPROTO_TCP, len(frame) - 42)
    return internet_sum(pseudo + frame[42:]) == 0xffff


def test_tags_stay_and_what_is_within_them_is_cut_and_finished(place):
    place.quiet()
    record = place.directory / "passed.pcapng"
    payload = random.Random(3).randbytes(2500)
    large, small = tagged_frame(place, payload), tagged_frame(place, payload[:100])
    with place.wire("--pcap", record) as wire:
        with socket_in(place.client, socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.setsockopt(263, 15, 1)     # SOL_PACKET, PACKET_VNET_HDR: what precedes a frame
            sock.bind(("client0", 0))
            # flags, kind TCPv4, length of headers, segments of 1000 bytes, where the checksum is
            sock.send(struct.pack("BBHHHH", 1, 1, 62, 1000, 42, 16) + large)
            sock.send(struct.pack("BBHHHH", 1, 0, 0, 0, 42, 16) + small)
            sock.send(bytes(10) + small)
        stats = wire.stats()["a"]
    got = [frame for _, frame, _ in packets(record)]
    assert (stats["super_frames"], stats["unfinished"], stats["frames_in"]) == (1, 1, 5)
    assert [len(frame) for frame in got] == [1062, 1062, 562, 162, 162]
    assert b"".join(frame[62:] for frame in got[:3]) == payload
    assert [tcp_checksum_right(frame) for frame in got] == [True] * 4 + [False]
    assert got[4] == small
    for number, frame in enumerate(got[:3]):
        assert frame[:22] == large[:22]
        assert internet_sum(frame[22:42]) == 0xffff
        assert struct.unpack_from(">I", frame, 46)[0] == 1000 + 1000 * number


def test_taps(place):
    gap = place.net.wire
    gap.ip("tuntap add dev ta mode tap", "tuntap add dev tb mode tap")
    with place.wire(ends=("--tap-a", "ta", "--tap-b", "tb")) as wire:
        gap.ip(f"link set ta netns /run/netns/{place.client.namespace}",
               f"link set tb netns /run/netns/{place.host.namespace}")
        place.client.ip("addr add 10.8.0.2/24 dev ta", "link set ta up")
        place.host.ip("addr add 10.8.0.1/24 dev tb", "link set tb up")
        client, host = place.tcp("10.8.0.1")
        exchange(client, host, 1 << 20)
        close_in_order(client, host)
        stats = wire.stats()
    assert stats["a"]["tcp_bytes"] >= 1 << 20 and stats["b"]["tcp_bytes"] >= 1 << 20
    assert stats["a"]["super_frames"] == stats["a"]["unfinished"] == 0
    assert balanced(stats["a"]) and balanced(stats["b"])


def test_record_holds_what_passed(place):
    place.quiet()
    passed, dropped = place.directory / "passed.pcapng", place.directory / "dropped.pcapng"
    with place.wire("--pcap", passed, "--pcap-dropped", dropped, "-e",
                    "drop proto=udp len=3") as wire:
        client, host = place.udp()
        for word in b"one", b"three", b"seven":
            client.send(word)
        assert [host.recv(9), host.recv(9)] == [b"three", b"seven"]
        stats = wire.stats()
    shown = [(side, frame[42:47]) for side, frame, comment in packets(passed) if not comment]
    assert shown == [(0, b"three"), (0, b"seven")]
    assert [(side, frame[42:45], comment) for side, frame, comment in packets(dropped)] \
        == [(0, b"one", "dropped by a rule")]
    assert stats["a"]["frames_out"] == 2


def test_wrong_commands_are_answered_and_change_nothing(place):
    with place.wire() as wire:
        for line in ("jump", "mark", "mark A", "mark a b", "set loss", "set loss 1", "set lost 1%",
                     "wait", "wait rule nobody", "wait mark x y", "add drip", "add", "stats now",
                     "x" * 500):
            assert wire.ask(line).startswith("error: "), line
        stats = wire.stats()
        assert stats["rules"] == []
        assert stats["marks"] == {}
        wire.do("add rule late: drop proto=udp")
        assert wire.stats()["rules"][0]["name"] == "late"
        with wire.connect() as other:
            other.write("x" * 2000 + "\n")
            with contextlib.suppress(ConnectionResetError):
                assert other.read() == ""
        wire.do("quit")
        assert wire.process.wait(PATIENCE_S) == 0


def test_a_wait_is_answered_also_when_its_asker_has_said_all(place):
    with place.wire() as wire:
        with socket.socket(socket.AF_UNIX) as asker:
            asker.settimeout(PATIENCE_S)
            asker.connect(wire.path)
            asker.sendall(b"wait mark later\n")
            asker.shutdown(socket.SHUT_WR)
            wire.do("mark later")
            assert asker.recv(100) == b"ok\n"
            assert asker.recv(100) == b""


def test_usr1_writes_statistics_and_the_wire_goes_on(place):
    path = place.directory / "stats.json"
    with place.wire("--stats", path) as wire:
        client, host = place.udp()
        client.send(b"one")
        assert host.recv(9) == b"one"
        os.kill(wire.process.pid, signal.SIGUSR1)
        deadline = time.monotonic() + PATIENCE_S
        while not path.exists():
            assert time.monotonic() < deadline
            wire.do("wait empty")
        assert json.loads(path.read_text(encoding="utf-8"))["a"]["frames_out"] >= 1
        client.send(b"two")
        assert host.recv(9) == b"two"
        assert wire.end(signal.SIGINT)[0] == 0
    assert json.loads(path.read_text(encoding="utf-8"))["a"]["frames_out"] >= 2


def test_a_vanished_interface_ends_the_wire(place):
    with place.wire() as wire:
        place.client.ip("link del client0")
        out, err = wire.process.communicate(timeout=PATIENCE_S)
        assert wire.process.returncode == 3
    assert "'w0' is gone" in err
    assert json.loads(out)["version"] == 1


def test_a_killed_wire_leaves_nothing_in_the_way(place):
    with place.wire() as wire:
        os.kill(wire.process.pid, signal.SIGKILL)
        wire.process.wait()
        assert os.path.exists(wire.path)
    with place.wire() as wire:
        client, host = place.udp()
        client.send(b"again")
        assert host.recv(9) == b"again"
        assert place.net.wire.run([PROGRAM, "--a", "w0", "--b", "w1", "--control", wire.path],
                                  check=False).returncode == 1
        assert wire.end()[0] == 0
    assert not os.path.exists(wire.path)


@pytest.mark.parametrize(("options", "code", "words"), [
    (("--a", "w0"), 2, "side b"),
    (("--a", "w0", "--tap-a", "w0", "--b", "w1"), 2, "side a"),
    (("--a", "w0", "--b", "w0"), 2, "both sides"),
    (("--a", "w0", "--b", "w1", "--loss", "1"), 2, "percentage"),
    (("--a", "w0", "--b", "w1", "--delay", "c:1ms"), 2, "delay"),
    (("--a", "w0", "--b", "w1", "-e", "drip"), 2, "'drip'"),
    (("--a", "w0", "--b", "w1", "--script", "/nonexistent"), 2, "/nonexistent"),
    (("--a", "w0", "--b", "nothing"), 3, "nothing"),
    (("--a", "w0", "--b", "name-that-is-much-too-long"), 3, "name-that"),
    (("--tap-a", "w0", "--b", "w1"), 1, "tap 'w0'"),
    (("--a", "w0", "--b", "w1", "--pcap", "/nonexistent/x"), 1, "/nonexistent/x"),
])
def test_wrong_use_is_told(place, options, code, words):
    if "--tap-a" in options and not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("taps take access to /dev/net/tun")
    done = place.net.wire.run([PROGRAM, *options], check=False)
    assert done.returncode == code
    assert words in done.stderr
    assert done.stdout == ""


def test_script_errors_name_their_line(place):
    script = place.directory / "script"
    script.write_text("# two rules\ndrop tcp=syn\ndrop dir=c\n", encoding="utf-8")
    done = place.net.wire.run([PROGRAM, "--a", "w0", "--b", "w1", "--script", script], check=False)
    assert done.returncode == 2
    assert f"script '{script}': rule line 3: 'dir=c': want a or b" in done.stderr


def test_every_counter_is_told_of(place):
    told = re.findall(r"^\| `([a-z_0-9]+)` \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    with place.wire() as wire:
        side = wire.stats()["a"]
    assert [name for name in told if name in side] == list(side)
