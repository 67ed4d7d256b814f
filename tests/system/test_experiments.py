# SPDX-License-Identifier: GPL-2.0-or-later
"""test_experiments.py - the arithmetic of the experiments; no VM, no network."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "lab"))

from hylab import LabError, capture, crowd, experiment, paired, plot    # noqa: E402
from hylab import report, stages                                        # noqa: E402
from hylab.experiment import Arm                                        # noqa: E402
from hylab.experiments import breakeven, fs, handoff, hook              # noqa: E402
from hylab.experiments import ping, scale, wire                         # noqa: E402
from hylab.experiments import stages as one_move                        # noqa: E402


def test_frames_are_numbered_whole_and_right():
    frames = [wire.make_frame(number, wire.FRAME_BYTES) for number in range(300)]
    assert len(set(frames)) == 300 and {len(frame) for frame in frames} == {wire.FRAME_BYTES}
    for frame in frames:
        ip, udp = frame[14:34], frame[34:]
        assert wire.checksum(ip) == 0
        assert wire.checksum(ip[12:20] + bytes((0, 17)) + udp[4:6] + udp) == 0


def test_checksum_known_answers():
    assert wire.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220d      # RFC 1071
    assert wire.checksum(b"\x01") == 0xfeff


def flipped(frame, *bits):
    return (int.from_bytes(frame, "big") ^ sum(1 << bit for bit in bits)).to_bytes(
        len(frame), "big")


def test_judge_tells_every_fate_apart():
    frames = [wire.make_frame(number, wire.FRAME_BYTES) for number in range(8)]
    sent_ns = [number * 10**6 for number in range(8)]
    at = 20 * 10**6
    arrivals = [(at, frames[0]), (at, frames[2]), (at, frames[1]), (at, frames[2]),
                (at, flipped(frames[3], 5)), (at, flipped(frames[4], 7, 900)), (at, frames[7])]
    found = wire.judge(frames, sent_ns, arrivals)
    assert {name: found[name] for name in found if name != "delay_ms"} == {
        "sent_frames": [8], "lost_frames": [2], "doubled_frames": [1], "damaged_frames": [2],
        "one_bit_frames": [1], "overtaken_frames": [1]}
    assert found["delay_ms"] == [20, 18, 19, 13]


def test_damage_to_the_number_itself_is_still_one_bit():
    frames = [wire.make_frame(number, wire.FRAME_BYTES) for number in range(16)]
    low_bit_of_number = (wire.FRAME_BYTES - wire.HEADERS - len(wire.MARK) - 4) * 8
    assert wire.original_of(flipped(frames[6], low_bit_of_number), frames) == 6
    assert wire.original_of(flipped(frames[6], low_bit_of_number, 3), frames) is None


def wire_arm(name, params, **counts):
    samples = {**{seen: [0, 0] for seen, _ in wire.EFFECTS.values()}, "one_bit_frames": [0, 0],
               "sent_frames": [500, 500], **counts}
    return {"name": name, "params": params, "samples": samples,
            "per_repeat": {metric: [1, 1] for metric in samples}}


def test_promised_share_is_held_against_its_interval():
    kept = wire.share_row(wire_arm("loss5", {"loss_pct": 5}, lost_frames=[30, 25]), "loss")
    assert (kept["observed"], kept["inside"], kept["stray"]) == (5.5, True, 0)
    assert kept["interval"] == pytest.approx((4.17, 7.10), abs=0.01)     # R: binom.test(55, 1000)
    broken = wire.share_row(wire_arm("loss5", {"loss_pct": 5}, lost_frames=[40, 40],
                                     doubled_frames=[0, 2]), "loss")
    assert (broken["inside"], broken["stray"]) == (False, 2)
    clean = wire.share_row(wire_arm("clean", {"loss_pct": 0}, lost_frames=[0, 1]), "loss")
    assert not clean["inside"]


def test_damage_in_more_than_one_bit_is_not_what_was_promised():
    row = wire.share_row(wire_arm("corrupt", {"corrupt_pct": 3}, damaged_frames=[15, 15],
                                  one_bit_frames=[15, 13]), "corrupt")
    assert (row["inside"], row["stray"]) == (True, 2)


def test_wire_report_has_promises_delays_and_rate():
    result = {"experiment": "wire", "commit": "none", "started": "2026-01-01T00:00:00Z",
              "machine": {"cpus": 2, "kernel": "6.1", "qemu": "none"},
              "accelerator": "namespaces", "notes": []}
    result["arms"] = [
        wire_arm("loss1", {"loss_pct": 1}, lost_frames=[50, 50]),
        wire_arm("jitter", {"delay_ms": 20, "jitter_ms": 2}, delay_ms=[17.9, 20, 22, 22.5]),
        wire_arm("rate50", {"rate_mbps": 50}, rate_mbps=[49.9, 52]),
    ]
    text = report.render(result, wire.EXPERIMENT)
    assert "0 of 1 promised shares lie" in text
    assert "| loss1 | loss 1 % | 10.000 % | 8.211 – 12.029 % | **no** | 100 of 1,000 | 0 |" in text
    assert "evenly: p10 18.4, p90 21.6 | 1 of 4 | 17.90 |" in text
    assert "| rate50 | 50 Mbit/s | 50.950 | 49.900 – 52.000 | **no** |" in text


def test_wire_counters_that_differ_are_told():
    measured = {seen: [3] for seen, _ in wire.EFFECTS.values()}
    counted = {"lost": 3, "duplicated": 3, "corrupted": 4, "reordered": 3, "missed": 0}
    assert wire.counters_agree(Arm("loss1", ""), measured, counted) == (
        False, "corrupted 4, seen 3")
    assert wire.counters_agree(Arm("loss1", ""), measured, {**counted, "corrupted": 3})[0]
    with pytest.raises(LabError, match="missed 2 frames"):
        wire.counters_agree(Arm("loss1", ""), measured, {**counted, "missed": 2})


def test_rate_leaves_the_first_frame_out():
    assert wire.rate_mbps([(0, b"x" * 100), (10**6, b"x" * 125), (2 * 10**6, b"x" * 125)]) == 1


def test_wire_seeds_differ_between_arms_and_repeats():
    seeds = {wire.EXPERIMENT.wire_seed(experiment.Context(False, seed, "/"), arm, repeat)
             for seed in range(3) for arm in wire.EXPERIMENT.arms for repeat in range(10)}
    assert len(seeds) == 3 * 10 * len(wire.EXPERIMENT.arms)


def test_worker_output_becomes_metrics():
    assert ping.samples({"rtt_us": [1.5, 2], "hello_ms": 3.25}) == {"rtt_us": [1.5, 2],
                                                                   "hello_ms": [3.25]}
    soaked = ping.samples({"rtt_us": [1], "hello_ms": 1, "soak": {"bytes": 10**6, "seconds": 2}})
    assert soaked["soak_mbps"] == [4]


def test_failed_worker_is_told_with_both_sides_words():
    guest = ping.Guest("unix:/nowhere", lambda: "agent's last word\n")
    with ping.started(["/bin/sh", "-c", "echo worker said no >&2; exit 1"]) as process:
        with pytest.raises(LabError, match="ended with 1: worker said no; .*agent's last word"):
            ping.finish(process, guest, 60)


# --- scale ---------------------------------------------------------------------------------------

def test_crowd_asks_and_compares_as_hylics_talk_does():
    asked = crowd.request(5, 4096, 16384)
    assert len(asked) == 72 and asked[:16].hex() == "54414c4b010000000500000000000000"
    assert len(crowd.head_of(5)) == crowd.HEAD_BYTES
    assert crowd.head_of(5)[:8].hex() == "00a7d8350d398930" and crowd.head_of(5) != crowd.head_of(6)


@pytest.mark.parametrize("most, skipped", [(18199, {"c9000"}), (18200, set()), (-1, set())])
def test_scale_skips_what_descriptors_do_not_allow(monkeypatch, most, skipped):
    monkeypatch.setattr(scale.resource, "getrlimit", lambda _: (1024, most))
    arms = scale.EXPERIMENT.arms
    assert {arm.name for arm in arms if scale.EXPERIMENT.skip(arm)} == skipped


# --- stages --------------------------------------------------------------------------------------

def test_buckets_are_those_of_the_c_code():
    # common/hist.c: eight to an octave, each value its own below 16
    assert [stages.width(low) for low in (0, 1, 8, 15, 16, 18, 1024, 1152, 15360, 16384)] == [
        1, 1, 1, 1, 2, 2, 128, 128, 1024, 2048]


def test_samples_lie_in_their_bucket_and_are_as_many():
    assert stages.samples_us({"16384": 1, "1024": 2}) == [1.056, 1.12, 17.408]
    assert stages.samples_us({}) == []
    many = stages.samples_us({"2048": 100})
    assert len(many) == 100 and 2.048 <= min(many) and max(many) < 2.304


def test_what_came_since():
    now = {"agent": {"freeze": {"8": 3, "16": 1}}, "worker": {"live": {"9": 2}}}
    before = {"agent": {"freeze": {"8": 1, "16": 1}}}
    assert stages.since(now, before) == {"agent": {"freeze": [0.008, 0.009]},
                                         "worker": {"live": [0.009, 0.01]}}


def test_calls_and_answers_belong_together_or_it_is_told():
    assert one_move.pair_up([1000, 5000], [3000, 5500]) == [2.0, 0.5]
    for calls, left in (([1000], []), ([1000, 2000], [900, 2500]), ([1000, 2000], [2100, 2500])):
        with pytest.raises(LabError):
            one_move.pair_up(calls, left)


def segment(port, payload, options=0, fragment=0, protocol=6):
    """A frame with IPv4 and TCP headers, and how much the IP header says is in it."""
    tcp = (8080).to_bytes(2, "big") + port.to_bytes(2, "big") + bytes(8) + bytes(
        [(5 + options) << 4]) + bytes(7 + 4 * options)
    total = 20 + len(tcp) + payload
    ip = bytes([0x45, 0]) + total.to_bytes(2, "big") + bytes(2) + fragment.to_bytes(2, "big") + \
        bytes([64, protocol]) + bytes(10)
    return bytes(12) + b"\x08\x00" + ip + tcp


def test_payload_is_what_the_headers_leave():
    assert capture.payload_of(segment(40000, 0)) == (40000, 0)
    assert capture.payload_of(segment(40001, 1448, options=3)) == (40001, 1448)


def passes(frame, port):
    """What the kernel's filter returns, carried out by hand."""
    code, at, value, index = capture.port_filter(port), 0, 0, 0
    while True:
        what, yes, no, k = code[at]
        at += 1
        if what == capture.RETURN:
            return k
        if what == capture.LD_HALF:
            value = int.from_bytes(frame[k:k + 2], "big")
        elif what == capture.LD_HALF_INDEXED:
            value = int.from_bytes(frame[index + k:index + k + 2], "big")
        elif what == capture.LD_BYTE:
            value = frame[k]
        elif what == capture.LDX_IP_LENGTH:
            index = (frame[k] & 15) * 4
        else:
            at += yes if (value == k if what == capture.IF_EQUAL else value & k) else no


def test_filter_passes_segments_from_the_port_alone():
    assert passes(segment(40000, 5), 8080) == capture.SNAP_BYTES
    assert not passes(segment(40000, 5), 8081)
    assert not passes(segment(40000, 5, fragment=7), 8080)
    assert not passes(segment(40000, 5, protocol=17), 8080)
    assert not passes(bytes(12) + b"\x86\xdd" + bytes(60), 8080)


def test_findings_of_a_move():
    assert one_move.call_findings({}) == [] and one_move.wake_findings({}) == []
    said = one_move.call_findings({"call_to_wire_us": [100.0, 150.0, 200.0],
                                   "agent_kernel_us": [30.0], "worker_kernel_us": [50.0]})
    assert "p50 150 µs" in said[0] and "30 + 50 = 80 µs" in said[1]
    assert one_move.wake_findings({"wakes_per_move": [5, 6, 7]}) == [
        "wake-ups for a move: median 6, from 5 to 7; at most 6 (promised) in 2 of 3"]


# --- one against another -------------------------------------------------------------------------

def arms_of(name, **medians):
    """A result in which each arm has one sample for each repeat."""
    return {"accelerator": "namespaces", "seed": 1, "experiment": "x", "notes": [],
            "commit": "none", "started": "2026-01-01T00:00:00Z",
            "machine": {"cpus": 2, "kernel": "6.1", "qemu": "none"},
            "arms": [{"name": arm.replace("_", "-"), "params": {}, "samples": {name: values},
                      "per_repeat": {name: [1] * len(values)}} for arm, values in medians.items()]}


def test_a_ratio_is_over_pairs():
    result = arms_of("throughput_mbps", ours=[9, 18, 36] * 2, theirs=[10, 20, 40] * 2)
    found = paired.ratio(result, "throughput_mbps", "ours", "theirs")
    assert found["pairs"] == 6
    assert (found["ratio"], found["low"], found["high"]) == pytest.approx((0.9, 0.9, 0.9))
    assert paired.ratio(result, "throughput_mbps", "ours", "nobody") is None
    assert paired.row(result, "throughput_mbps", "ours", "nobody") == []
    assert paired.row(result, "throughput_mbps", "ours", "theirs", least=0.85) == [
        ("ours / theirs", "0.900 (0.900 – 0.900)", 6, "at least 0.85", "met")]


@pytest.mark.parametrize("low, high, bound, said", [
    (0.91, 1.1, {"least": 0.9}, "met"), (0.9, 1.1, {"least": 0.9}, "met"),
    (0.8, 0.89, {"least": 0.9}, "**not met**"), (0.85, 0.95, {"least": 0.9}, "open"),
    (0.001, 0.009, {"most": 0.01}, "met"), (0.02, 0.03, {"most": 0.01}, "**not met**"),
    (0.005, 0.03, {"most": 0.01}, "open: the"),
])
def test_a_promise_is_met_by_the_whole_interval_or_not(low, high, bound, said):
    assert paired.verdict({"low": low, "high": high, "pairs": 6}, **bound).startswith(said)
    assert paired.verdict({"low": low, "high": high, "pairs": 5}, **bound) == \
        "open: 5 pairs are too few"


def test_handoff_holds_bulk_to_its_promises_and_nothing_else():
    result = arms_of("throughput_mbps", hylics_64m_x1=[95] * 6, plain_64m_x1=[100] * 6,
                     host_64m_x1=[100] * 6, hylics_1m_x1=[1, 1], host_1m_x1=[9, 9])
    assert handoff.EXPERIMENT.findings(result) == [
        "`throughput_mbps` hylics-64m-x1 / host-64m-x1: 0.950 (0.950 – 0.950), promised at least"
        " 0.9: met",
        "`throughput_mbps` hylics-64m-x1 / plain-64m-x1: 0.950 (0.950 – 0.950), promised at least"
        " 0.97: **not met**"]
    assert len(handoff.EXPERIMENT.rows(result)) == 3
    assert "hylics-1m-x1 / host-1m-x1 | 0.111" in report.render(result, handoff.EXPERIMENT)


def test_hook_counts_bulk_by_byte_and_small_answers_by_answer():
    verdict = {"bytes": 2 * 10**9, "bytes_per_second": 10**9, "requests_done": 1000,
               "response": {"us": [5]}}
    assert hook.Hook.measured("bulk-x1", verdict, 1.0, 3.0) == {
        "throughput_mbps": [8000], "cpu_s_per_gb": [0.5], "machine_cpu_s_per_gb": [1.5]}
    assert hook.Hook.measured("small-x1", verdict, 1.0, 3.0) == {
        "answers_per_s": [500], "response_us": [5], "cpu_us_per_answer": [1000],
        "machine_cpu_us_per_answer": [3000]}
    result = arms_of("answers_per_s", hooked_small_x1=[97] * 6, bare_small_x1=[100] * 6)
    assert "promised at least 0.98: **not met**" in hook.EXPERIMENT.findings(result)[0]


# --- breakeven -----------------------------------------------------------------------------------

def test_break_even_is_where_a_curve_goes_below_one_for_good():
    assert breakeven.crossing([(1024, 4), (4096, 0.25)]) == pytest.approx(2048)
    assert breakeven.crossing([(1, 0.5), (2, 1.5), (4, 2), (8, 0.5)]) == pytest.approx(32**.5)
    assert breakeven.crossing([(1, 0.9), (2, 0.5)]) == 0
    assert breakeven.crossing([(1, 0.9), (2, 1.1)]) is None
    assert breakeven.crossing([]) is None


def test_break_even_is_sure_where_no_interval_reaches_one():
    points = [(1, {"high": 0.8}), (2, {"high": 1.0}), (4, {"high": 0.9}), (8, {"high": 0.7})]
    assert breakeven.sure_from(points) == 4
    assert breakeven.sure_from(points[:2]) is None
    assert breakeven.sure_from([(1, {"high": None})]) is None


def test_break_even_report_and_picture(tmp_path):
    result = arms_of("response_us", hylics_64k_new=[30, 33], plain_64k_new=[10, 10],
                     hylics_1m_new=[50, 52], plain_1m_new=[100, 100])
    assert breakeven.EXPERIMENT.findings(result) == [
        "Request to last byte, connection a new one for each: break-even lies at about 367K,"
        " sure from 1M on"]
    assert "| 64K, new | 3.15 (3.00 – 3.30) |" in report.render(result, breakeven.EXPERIMENT)
    (name, script), = breakeven.EXPERIMENT.pictures(result)
    assert name == "ratio_response_us.svg"
    plot.render(script, tmp_path / name)
    assert "64K" in (tmp_path / name).read_text()


def test_sizes_in_words():
    assert [plot.size_label(size) for size in (100, 1024, 1536, 1 << 20, 3 << 20)] == [
        "100", "1K", "1536", "1M", "3M"]


# --- fs ------------------------------------------------------------------------------------------

SYSBENCH_SAYS = """
File operations:
    reads/s:                      0.00
    writes/s:                     4136.48
    fsyncs/s:                     %s

Throughput:
    read, MiB/s:                  0.00
    written, MiB/s:               %s

General statistics:
    total time:                          0.0039s
    total number of events:              %d
"""


def test_speed_is_what_sysbench_says_in_mb():
    assert fs.sysbench_speed(SYSBENCH_SAYS % ("258.53", "100.00", 16), "written", 16) == 104.858


@pytest.mark.parametrize("said, counted, wrong", [
    (("258.53", "100.00", 15), "written", "did not do its 16"),
    (("0.00", "100.00", 16), "written", "without fsync"),
    (("258.53", "100.00", 16), "read", "nothing read"),
])
def test_what_sysbench_did_not_do_is_no_sample(said, counted, wrong):
    with pytest.raises(LabError, match=wrong):
        fs.sysbench_speed(SYSBENCH_SAYS % said, counted, 16)
    with pytest.raises(LabError, match="did not do"):
        fs.sysbench_speed("", counted, 16)


def test_speed_is_what_dd_says():
    said = "1+0 records in\n%s copied, %s s, 28.9 MB/s\n"
    assert fs.dd_speed(said % ("16777216 bytes (17 MB, 16 MiB)", "0.5"), 16 << 20) == 33.554
    assert fs.dd_speed(said % ("8192 bytes (8.2 kB, 8.0 KiB)", "8.192e-05"), 8192) == 100
    with pytest.raises(LabError, match="did not write 9000 bytes"):
        fs.dd_speed(said % ("8192 bytes (8.2 kB, 8.0 KiB)", "1"), 9000)


def test_a_guest_reads_no_byte_twice_and_fewer_when_quick():
    for way in fs.WAYS.values():
        for size in fs.SIZES:
            count = fs.operations(size, False, way)
            assert fs.operations(size, True, way) < count
            assert way.type == "host" or count * size <= fs.FILE_BYTES


def test_shares_have_hylicsds_cache_modes_and_virtiofsds_its_words():
    source = pathlib.Path(__file__).resolve().parents[2] / "hylicsd"
    assert f"source=%s,cache=%s,{fs.VIRTIOFSD_OPTIONS}\"" in (source / "virtiofs.c").read_text()
    modes = [way.cache for way in fs.WAYS.values() if way.type == "virtiofs" and not way.of]
    words = ", ".join(f'"{mode}"' for mode in modes)
    assert f"record_cache_words[] = {{ {words}, NULL }}" in (source / "record.c").read_text()


def fs_result(speeds):
    """A result with six samples of each test for each (way, size)."""
    return {"accelerator": "tcg", "seed": 1, "experiment": "fs", "notes": [], "commit": "none",
            "started": "2026-01-01T00:00:00Z",
            "machine": {"cpus": 2, "kernel": "6.1", "qemu": "7.2"},
            "arms": [{"name": fs.arm_name(way, size),
                      "params": {"way": way, "block_bytes": size, "accelerator":
                                 "namespaces" if way.startswith("host") else "tcg"},
                      "samples": {test: [speed * share for share in (0.99, 1, 1.01) * 2]
                                  for test in fs.TESTS},
                      "per_repeat": {test: [1] * 6 for test in fs.TESTS}}
                     for (way, size), speed in speeds.items()]}


def test_fs_report_holds_the_share_against_the_disks(tmp_path):
    small, large = 4096, 1 << 20
    result = fs_result({("blk", small): 10, ("blk", large): 100, ("virtiofs-auto", small): 30,
                        ("virtiofs-auto", large): 80, ("virtiofs-auto-busy", small): 15,
                        ("host", small): 1000, ("host", large): 4000, ("host-busy", small): 1000})
    assert fs.EXPERIMENT.findings(result)[0] == (
        "Sequential reading, virtiofs-auto / blk: 0.800 (1M) to 3.00 (4K);"
        " ahead at 1, behind at 1, open at 0 of 2 sizes")
    assert fs.EXPERIMENT.findings(result)[-2:] == [
        "While the guest's CPU works virtiofs-auto keeps 0.500 of its speed (geometric mean over"
        " 5 ratios)",
        "While the guest's CPU works host keeps 1.00 of its speed (geometric mean over 5 ratios)"]
    text = report.render(result, fs.EXPERIMENT)
    assert "|  | 4K | 1M |" in text
    assert "| virtiofs-auto | 30.0 (29.7 – 30.3) | 80.0 (79.2 – 80.8) |" in text
    assert "| Writing with dd: virtiofs-auto / blk | 3.00 (3.00 – 3.00) | 0.800 (0.800" in text
    assert "| Random writing: host-busy / host | 1.00 (1.00 – 1.00) |  |" in text
    assert "random reading / blk: largest at 4K" in text
    assert "| gigabits per second | 8.00 to 32.0 Gbit/s (medians) |" in text
    pictures = dict(fs.EXPERIMENT.pictures(result))
    assert sorted(pictures) == sorted(
        ["host_read.svg", "host_write.svg", *map(fs.picture_name, fs.TESTS)])
    assert all(f"]({name})" in text for name in pictures)
    for name, script in pictures.items():
        plot.render(script, tmp_path / name)
    drawn = (tmp_path / "host_write.svg").read_text()
    assert "Writing with dd, the guest works" in drawn and "namespaces" in drawn


def test_ahead_is_a_whole_interval_above_one():
    found = {size: {"low": low, "high": high, "pairs": 6}
             for size, (low, high) in enumerate([(1.1, 3), (0.9, 2.5), (0.5, 0.9), (1.01, 1.2)])}
    assert fs.ahead_words(found) == "ahead at 2, behind at 1, open at 1 of 4 sizes"


def test_fs_report_of_the_host_alone_names_no_other_picture():
    text = report.render(fs_result({("host", 4096): 10}), fs.EXPERIMENT)
    assert "](host_read.svg)" in text and "](by_size_" not in text
    assert "The share against the virtual disk" not in text


def test_fs_with_one_repeat_says_nothing_it_cannot():
    result = fs_result({("blk", 4096): 10, ("virtiofs-auto", 4096): 30})
    for arm in result["arms"]:
        arm["samples"] = {test: samples[:1] for test, samples in arm["samples"].items()}
        arm["per_repeat"] = {test: [1] for test in arm["samples"]}
    assert fs.EXPERIMENT.findings(result)[0].endswith("3.00 (4K); pairs: 1, too few to tell")
    assert "| blk | 9.90 |" in report.render(result, fs.EXPERIMENT)
