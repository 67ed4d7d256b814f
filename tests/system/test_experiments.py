# SPDX-License-Identifier: GPL-2.0-or-later
"""test_experiments.py - the arithmetic of ping, wire and scale; no VM, no network."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "lab"))

from hylab import LabError, crowd, experiment, report   # noqa: E402
from hylab.experiment import Arm                        # noqa: E402
from hylab.experiments import ping, scale, wire         # noqa: E402


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
