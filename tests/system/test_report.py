# SPDX-License-Identifier: GPL-2.0-or-later
"""test_report.py - statistics, reports, pictures, how an experiment is run; no VM, no network."""

import contextlib
import copy
import io
import itertools
import json
import math
import os
import pathlib
import signal
import sys
import xml.etree.ElementTree
from fractions import Fraction

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "lab"))

from hylab import LabError, experiment, plot, report, stats     # noqa: E402
from hylab.experiment import Arm, Experiment, Metric            # noqa: E402


# --- statistics ---------------------------------------------------------------------------------

@pytest.mark.parametrize("samples, p, wanted", [
    ([7], 0.5, 7), ([7], 0, 7), ([7], 1, 7),
    ([3, 1, 2], 0.5, 2), ([4, 1, 3, 2], 0.5, 2.5),
    ([1, 2, 3, 4], 0.25, 1.75), ([1, 2, 3, 4], 0.9, 3.7),     # R: quantile(1:4, c(.25, .9))
    (list(range(11)), 0.1, 1), ([5, 5, 5, 5], 0.99, 5), ([10, 20], 0.99, 19.9),
])
def test_quantile_is_the_stated_definition(samples, p, wanted):
    assert stats.quantile(samples, p) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("samples, p", [([], 0.5), ([1], -0.1), ([1], 1.1)])
def test_quantile_refuses(samples, p):
    with pytest.raises(ValueError):
        stats.quantile(samples, p)


def test_quantile_leaves_its_input_as_it_was():
    samples = [3, 1, 2]
    stats.quantile(samples, 0.5)
    assert samples == [3, 1, 2]


def test_geometric_mean():
    assert stats.geometric_mean([1, 4]) == pytest.approx(2)
    assert stats.geometric_mean([2, 8, 4]) == pytest.approx(4)
    with pytest.raises(ValueError):
        stats.geometric_mean([1, 0])


def test_paired_ratios_leave_out_what_has_no_partner():
    assert stats.paired_ratios([2, None, 6, 8, 5], [1, 1, None, 0]) == [2]


def brute_force_interval(values, level):
    """All n ** n resamples, one after the other: the definition without its short cut."""
    means = sorted(sum(chosen) / len(values)
                   for chosen in itertools.product(values, repeat=len(values)))
    tail = math.ceil(Fraction(str(round((1 - level) / 2, 9))) * len(means))
    return means[tail - 1], means[-tail]


@pytest.mark.parametrize("values", [
    [1.0, 2.0], [1.0, 5.0, 6.0], [3.0, 1.0, 4.0, 1.5], [2.0, 7.0, 1.0, 8.0, 2.5],
])
@pytest.mark.parametrize("level", [0.95, 0.8])
def test_bootstrap_is_exact_for_few_values(values, level):
    assert stats.bootstrap_mean(values, level) == pytest.approx(brute_force_interval(values, level))


def test_bootstrap_known_answers():
    # 27 resamples of 0, 0, 3: mean 0 in 8, 1 in 12, 2 in 6, 3 in 1 of them (3.7 %, over 2.5 %)
    assert stats.bootstrap_mean([0, 0, 3]) == (0, 3)
    assert stats.bootstrap_mean([0, 0, 3], level=0.9) == (0, 2)
    assert stats.bootstrap_mean([4]) == (4, 4)


def test_bootstrap_has_no_chance_in_it_up_to_the_limit_and_a_seed_above():
    few = [float(i * i % 7) for i in range(stats.EXACT_VALUES_MAX)]
    assert stats.bootstrap_mean(few, seed=1) == stats.bootstrap_mean(few, seed=2)
    many = [float(i * i % 23) + i / 10 for i in range(stats.EXACT_VALUES_MAX + 3)]
    assert stats.bootstrap_mean(many, seed=1) == stats.bootstrap_mean(many, seed=1)
    assert stats.bootstrap_mean(many, seed=1) != stats.bootstrap_mean(many, seed=2)


def test_drawn_bootstrap_agrees_with_the_exact_one(monkeypatch):
    values = [2.0, 7.0, 1.0, 8.0, 2.5, 4.0, 3.0]
    exact = stats.bootstrap_mean(values)
    monkeypatch.setattr(stats, "EXACT_VALUES_MAX", 0)
    assert stats.bootstrap_mean(values, seed=5) == pytest.approx(exact, abs=0.25)


def test_compare():
    found = stats.compare([2, 4, 8], [1, 2, 4])
    assert found == {"ratio": pytest.approx(2), "low": pytest.approx(2), "high": pytest.approx(2),
                     "pairs": 3}
    one = stats.compare([3, None], [2, 2])
    assert one == {"ratio": pytest.approx(1.5), "low": None, "high": None, "pairs": 1}
    assert stats.compare([None], [1]) is None


def test_compare_is_the_same_both_ways_round():
    a, b = [3, 5, 4, 7], [2, 2, 5, 3]
    there, back = stats.compare(a, b), stats.compare(b, a)
    assert there["ratio"] == pytest.approx(1 / back["ratio"])
    assert there["low"] == pytest.approx(1 / back["high"])
    assert there["low"] < there["ratio"] < there["high"]


def test_best_coverage():
    assert [stats.best_coverage(n) for n in (1, 3, 5)] == [0, 0.75, 0.9375]
    assert stats.best_coverage(6) > 0.95


@pytest.mark.parametrize("n, k, p", [
    (20, 3, 0.1), (20, 0, 0.4), (20, 19, 0.5), (200, 100, 0.3), (200, 20, 0.9), (1, 0, 0.5),
])
def test_binomial_tails(n, k, p):
    share = Fraction(p)
    exact = sum(math.comb(n, i) * share ** i * (1 - share) ** (n - i) for i in range(k + 1))
    assert stats.binomial_at_most(n, k, p) == pytest.approx(float(exact), rel=1e-9, abs=1e-15)
    assert stats.binomial_at_least(n, k + 1, p) == pytest.approx(float(1 - exact), rel=1e-9,
                                                                 abs=1e-15)


@pytest.mark.parametrize("n, k, low, high", [      # R: binom.test(k, n)$conf.int
    (10, 0, 0.0, 0.3084971), (10, 5, 0.1870860, 0.8129140), (10, 10, 0.6915029, 1.0),
    (100, 3, 0.006229972, 0.08517605), (20000, 1000, 0.04702009, 0.05311157),
])
def test_binomial_interval_known_answers(n, k, low, high):
    assert stats.binomial_interval(n, k) == pytest.approx((low, high), abs=1e-6)


def test_binomial_interval_refuses():
    for n, k in ((0, 0), (5, 6), (5, -1)):
        with pytest.raises(ValueError):
            stats.binomial_interval(n, k)


# --- a made-up experiment -----------------------------------------------------------------------

class Race(Experiment):
    """Two arms and one that this machine never has; what an arm does comes from the test."""
    name = "race"
    summary = "a made-up race"
    takes = "no time"
    paper = "the hare's own account."
    paper_figures = {("hare", "lap_s"): "3 s (Aesop)"}
    arms = (Arm("tortoise", "slow", {"shell": "yes"}), Arm("hare", "fast"),
            Arm("eagle", "flies"))
    metrics = (Metric("lap_s", "Time of a lap", better="lower", picture="dots"),
               Metric("step_us", "Time of a step", picture="cdf"))
    baseline = "tortoise"
    repeats, quick_repeats = 4, 2
    reading = ("Nobody was harmed.",)

    def __init__(self, behaviour=None):
        self.behaviour = behaviour or (lambda ctx, arm, repeat: None)
        self.seen = []

    def skip(self, arm):
        return "no wings here" if arm.name == "eagle" else None

    def run_arm(self, ctx, arm, repeat):
        self.seen.append((repeat, arm.name))
        self.behaviour(ctx, arm, repeat)
        lap = {"tortoise": 10.0, "hare": 5.0}[arm.name] * (1 + repeat / 10)
        return {"lap_s": [lap], "step_us": [lap + i / 100 for i in range(150)]}


def run_race(tmp_path, *options, race=None):
    race = race or Race()
    out = tmp_path / "out"
    status = experiment.main(["run", "race", "--out", str(out), *options], {"race": race})
    return status, out, race


@pytest.fixture(name="result")
def fixture_result(tmp_path, capsys):
    run_race(tmp_path)
    capsys.readouterr()
    return report.load(tmp_path / "out")


# --- the run ------------------------------------------------------------------------------------

def test_run_writes_what_the_contract_says(tmp_path):
    status, out, _ = run_race(tmp_path, "--seed", "3")
    assert status == 0
    raw = json.loads((out / "result.json").read_text())
    for key in ("version", "experiment", "commit", "started", "machine", "accelerator", "arms",
                "notes"):
        assert key in raw
    assert (raw["version"], raw["experiment"], raw["partial"]) == (1, "race", False)
    assert {"cpus", "kernel", "qemu"} <= set(raw["machine"])
    assert raw["arms"][0]["name"] == "tortoise" and raw["arms"][0]["params"] == {"shell": "yes"}
    assert raw["arms"][0]["samples"]["lap_s"] == pytest.approx([10, 11, 12, 13])
    assert raw["command"].endswith("run race --out " + str(out) + " --seed 3")
    assert sorted(p.name for p in out.iterdir()) == ["lap_s.svg", "report.md", "result.json",
                                                     "step_us.svg"]


def test_skipped_arm_is_listed_with_its_reason(result):
    eagle = result["arms"][2]
    assert eagle["skipped"] == "no wings here" and eagle["samples"] == {}
    assert "arm eagle skipped: no wings here" in result["notes"]
    assert "**skipped**: no wings here" in report.render(result, Race())


def test_nothing_to_run_is_skipped(tmp_path):
    status, out, race = run_race(tmp_path, "--arms", "eagle")
    assert status == 77 and race.seen == []
    assert not report.load(out)["partial"]


def test_arms_are_interleaved_and_seeded(tmp_path):
    _, _, race = run_race(tmp_path)
    for repeat in range(4):
        assert sorted(n for r, n in race.seen if r == repeat) == ["hare", "tortoise"]
    firsts = [race.seen[2 * repeat][1] for repeat in range(2)]
    assert firsts[0] != firsts[1]


def test_order_is_balanced_keeps_groups_together_and_follows_the_seed():
    arms = [Arm("a", ""), Arm("b1", "", group="b"), Arm("b2", "", group="b"), Arm("c", "")]
    orders = [experiment.arm_order(arms, repeat, 1) for repeat in range(3)]
    assert {order[0][0].group_name for order in orders} == {"a", "b", "c"}
    for order in orders:
        assert sorted(len(group) for group in order) == [1, 1, 2]
    inner = [next(g for g in order if len(g) == 2)[0].name for order in orders]
    assert set(inner) == {"b1", "b2"}
    assert orders[0] == experiment.arm_order(arms, 0, 1)
    assert any(experiment.arm_order(arms, 0, seed) != orders[0] for seed in range(2, 9))


def test_a_failing_arm_costs_only_itself(tmp_path):
    def limp(_ctx, arm, repeat):
        if arm.name == "hare" and repeat == 1:
            raise LabError("fell asleep")
    status, out, _ = run_race(tmp_path, race=Race(limp))
    result = report.load(out)
    assert status == 1
    assert "arm hare, repeat 2 failed: fell asleep" in result["notes"]
    assert report.repeat_medians(result["arms"][1], "lap_s") == [5, None, 6, 6.5]
    assert "LabError: fell asleep" in (out / "errors.log").read_text()
    found = stats.compare(report.repeat_medians(result["arms"][1], "lap_s"),
                          report.repeat_medians(result["arms"][0], "lap_s"))
    assert (found["pairs"], found["ratio"]) == (3, pytest.approx(0.5))


def test_an_arm_that_keeps_failing_is_given_up(tmp_path):
    def stuck(_ctx, arm, _repeat):
        if arm.name == "hare":
            raise RuntimeError("asleep")
    _, out, race = run_race(tmp_path, race=Race(stuck))
    assert [n for _, n in race.seen].count("hare") == 2
    assert [n for _, n in race.seen].count("tortoise") == 4
    assert "arm hare given up after 2 failures" in report.load(out)["notes"]


def test_a_group_that_cannot_begin_fails_its_arms(tmp_path):
    class Muddy(Race):
        @contextlib.contextmanager
        def group(self, ctx, group, repeat):
            if group == "hare":
                raise LabError("the track is under water")
            yield group
    status, out, race = run_race(tmp_path, race=Muddy())
    assert status == 1 and {n for _, n in race.seen} == {"tortoise"}
    assert "arm hare, repeat 1 failed: the track is under water" in report.load(out)["notes"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_keeps_what_was_measured(tmp_path, number):
    def stop(_ctx, _arm, repeat):
        if repeat == 2:
            os.kill(os.getpid(), number)
    status, out, _ = run_race(tmp_path, race=Race(stop))
    result = report.load(out)
    assert status == 1 and result["partial"]
    assert [len(arm["samples"]["lap_s"]) for arm in result["arms"][:2]] == [2, 2]
    assert any(f"stopped by {number.name}" in note for note in result["notes"])
    assert "**Partial**" in (out / "report.md").read_text()
    assert "PARTIAL" in (out / "lap_s.svg").read_text()


def test_what_was_measured_is_on_disk_while_it_runs(tmp_path):
    seen = []

    def look(ctx, _arm, _repeat):
        seen.append(report.load(ctx.folder))
    run_race(tmp_path, race=Race(look))
    assert all(result["partial"] for result in seen)
    laps = [sum(len(arm["samples"].get("lap_s", [])) for arm in r["arms"]) for r in seen]
    assert laps == list(range(8))


def test_quick_stops_before_three_minutes(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(experiment.Context, "elapsed_s", lambda self: clock[0])

    def crawl(ctx, _arm, _repeat):
        assert ctx.time_left_s() <= 160 - clock[0]
        clock[0] += 30
    status, out, race = run_race(tmp_path, "--quick", "--repeats", "9", race=Race(crawl))
    assert status == 0 and len(race.seen) == 4
    assert any("ended after 2 of 9 repeats" in note for note in report.load(out)["notes"])


def test_quick_has_fewer_repeats(tmp_path):
    _, _, race = run_race(tmp_path, "--quick")
    assert len(race.seen) == 2 * Race.quick_repeats


def test_quick_may_have_fewer_arms_unless_they_are_named(tmp_path):
    short = Race()
    short.quick_arms = ("hare",)
    for options, ran in ((("--quick",), {"hare"}), ((), {"hare", "tortoise"}),
                         (("--quick", "--arms", "tortoise"), {"tortoise"})):
        short.seen = []
        _, out, _ = run_race(tmp_path, *options, race=short)
        assert {name for _, name in short.seen} == ran
        assert ("quick: 1 of 3 arms" in report.load(out)["notes"]) == (options == ("--quick",))


@pytest.mark.parametrize("argv, wanted", [
    (["run", "rase"], "no experiment 'rase', did you mean 'race'?"),
    (["run", "race", "--arms", "tortoise,hair"], "no arm 'hair', did you mean 'hare'?"),
    (["run", "race", "--arms", ""], "no arm ''"),
    (["run", "race", "--repeats", "0"], "'0' is not a whole number from 1 on"),
    (["run", "race", "--seed", "x"], "'x' is not a whole number from 0 on"),
    (["run"], "NAME"), (["walk"], "walk"), ([], "verb"), (["run", "race", "--quik"], "--quik"),
])
def test_wrong_use_says_what_is_near(argv, wanted, capsys):
    with pytest.raises(SystemExit) as ended:
        experiment.main(argv, {"race": Race()})
    assert ended.value.code == 2
    assert wanted in capsys.readouterr().err


def test_folder_with_something_else_is_refused(tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("only copy")
    with pytest.raises(SystemExit) as ended:
        run_race(tmp_path)
    assert ended.value.code == 2
    assert "not empty and not an earlier result" in capsys.readouterr().err
    assert (tmp_path / "out" / "thesis.txt").read_text() == "only copy"


def test_earlier_result_is_replaced_and_nothing_else(tmp_path):
    _, out, _ = run_race(tmp_path)
    (out / "mine.svg").write_text("mine")
    _, out, _ = run_race(tmp_path, "--arms", "hare", "--repeats", "1")
    assert (out / "mine.svg").read_text() == "mine"
    assert [arm["name"] for arm in report.load(out)["arms"]] == ["hare"]


def test_list_names_every_experiment(capsys):
    assert experiment.main(["list"], {"race": Race()}) == 0
    out = capsys.readouterr().out
    assert "race  a made-up race (no time)" in out
    assert "arms: tortoise, hare, eagle" in out


def test_plain_progress_is_a_line_per_arm(tmp_path, capsys):
    run_race(tmp_path, "--repeats", "1")
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("race: ")]
    assert len(lines) == 2
    assert "(1/2, about 0:00 left)" in lines[0] and "(2/2, " in lines[1]


def test_live_progress_line(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(experiment.time, "monotonic", lambda: clock[0])
    a, b = Arm("a", ""), Arm("b", "")
    progress = experiment.Progress("race", [a, b, a, b], io.StringIO())
    progress.start("repeat 1 of 2, arm a")
    clock[0] = 10.0
    assert "0/4  0:10, time left not known yet  repeat 1 of 2, arm a" in progress.line()
    progress.finish(a, "done")
    clock[0] = 12.0     # what comes before an arm's own work is part of its time
    progress.start("repeat 1 of 2, arm b")
    clock[0] = 14.0
    assert progress.line() == "race ######.................. 1/4  0:14, about 0:26 left  " \
                              "repeat 1 of 2, arm b"
    clock[0] = 16.0
    progress.finish(b, "done")
    assert "2/4  0:16, about 0:16 left" in progress.line()


def test_time_to_go_uses_each_arms_own_time():
    assert experiment.time_to_go({}, ["a"]) is None
    assert experiment.time_to_go({"a": [10, 20], "b": [1]}, ["a", "b", "b"]) == 17
    assert experiment.time_to_go({"a": [10]}, ["a", "never ran"]) == 20


def test_every_experiment_of_the_lab_is_described_in_full():
    found = experiment.known_experiments()
    assert {"ping", "wire", "handoff", "moves", "scale"} <= set(found)
    for name, one in found.items():
        names = [arm.name for arm in one.arms]
        assert one.name == name and one.summary and one.takes and one.reading
        assert len(set(names)) == len(names)
        assert one.baseline in names or not any(it.compare for it in one.metrics)
        assert 1 <= one.quick_repeats <= one.repeats
        for metric in one.metrics:
            assert report.unit(metric.name), f"{name}: {metric.name} does not end in a unit"
            assert metric.picture in ("", "cdf", "dots")
        assert {a for a, _ in one.paper_figures} <= set(names)


# --- checking results ---------------------------------------------------------------------------

def without(key):
    return lambda r: r.pop(key)


def with_value(value, *path):
    def change(r):
        for step in path[:-1]:
            r = r[step]
        r[path[-1]] = value
    return change


@pytest.mark.parametrize("change, wanted", [
    (without("commit"), "'commit' is missing"),
    (with_value(2, "version"), "2 is not 1"),
    (with_value(True, "seed"), "bool where integer belongs"),
    (with_value("yesterday", "started"), "does not match"),
    (with_value("vax", "accelerator"), "'vax' is none of kvm, tcg, namespaces"),
    (with_value(0, "machine", "cpus"), "0 is below 1"),
    (with_value("", "machine", "kernel"), "too short"),
    (with_value(1, "machine", "mood"), "'mood' is not known"),
    (with_value("x", "arms"), "str where array belongs"),
    (with_value([1, "2"], "arms", 0, "samples", "lap_s"), "str where number belongs"),
    (with_value([True] * 4, "arms", 0, "samples", "lap_s"), "bool where number belongs"),
    (with_value([math.nan] * 4, "arms", 0, "samples", "lap_s"), "float where number belongs"),
    (with_value([1], "arms", 0, "samples", "Lap"), "'Lap' does not match"),
    (with_value([3], "arms", 1, "per_repeat", "lap_s"), "lap_s has 4 samples, per_repeat says 3"),
    (with_value([], "arms", 1, "samples", "lap_s"), "lap_s has 0 samples, per_repeat says 4"),
])
def test_check_finds(result, change, wanted):
    report.check(result)
    broken = copy.deepcopy(result)
    change(broken)
    with pytest.raises(report.ResultError, match=wanted.replace("[", r"\[")):
        report.check(broken)


def test_schema_uses_only_words_the_check_understands():
    known = {"title", "type", "required", "properties", "additionalProperties", "propertyNames",
             "items", "const", "enum", "pattern", "minLength", "minimum"}

    def words(schema):
        for word, value in schema.items():
            yield word
            inner = value.values() if word == "properties" else [value]
            for one in inner:
                if isinstance(one, dict):
                    yield from words(one)
    assert set(words(json.loads(report.SCHEMA.read_text()))) <= known


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 1}'])
def test_load_refuses_what_is_no_result(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(report.ResultError):
        report.load(tmp_path)


# --- the report ---------------------------------------------------------------------------------

@pytest.mark.parametrize("value, wanted", [
    (0, "0"), (0.01234, "0.0123"), (0.5, "0.500"), (9.876, "9.88"), (99.96, "100"), (124.4, "124"),
    (999.4, "999"), (999.6, "1,000"), (762991, "762,991"), (-3.14159, "-3.14"), (2e-7, "2.00e-07"),
])
def test_number(value, wanted):
    assert report.number(value) == wanted


@pytest.mark.parametrize("name, wanted", [
    ("rtt_us", "µs"), ("throughput_mbps", "Mbit/s"), ("job_s", "s"), ("guest_cpu_s_per_gb", "s/GB"),
    ("vm_switches_per_gb", "1/GB"), ("frames_per_s", "frames/s"), ("loss_pct", "%"), ("odd", ""),
])
def test_unit(name, wanted):
    assert report.unit(name) == wanted


def test_report_holds_every_figure(result):
    text = report.render(result, Race())
    assert "| arm | samples | median | p10 – p90 | ratio to tortoise (95 %) | paper |" in text
    assert "| tortoise | 4 | 11.5 | 10.3 – 12.7 | 1 (baseline) |  |" in text
    assert "| hare | 4 | 5.75 | 5.15 – 6.35 | 0.500 (0.500 – 0.500) | 3 s (Aesop) |" in text
    assert "Only 4 pairs: whatever its name, such an interval holds the true median at most 88 %" \
        in text
    assert "![Time of a lap](lap_s.svg)" in text
    assert "In the papers: the hare's own account." in text
    assert "| command | `build/hylics lab run race" in text
    assert result["commit"] in text and result["machine"]["kernel"] in text
    assert "| accelerator | namespaces |" in text
    assert "What virtual hardware costs" in text and "- Nobody was harmed." in text
    assert "Partial" not in text


def test_tail_is_told_from_many_samples_only(result):
    text = report.render(result, Race())
    lap, step = text.split("## Time of a step")
    assert "| p99 |" not in lap and "| p99 |" in step
    assert f"| {report.number(stats.quantile(result['arms'][1]['samples']['step_us'], 0.99))} |" \
        in step


def test_first_arm_is_the_baseline_where_the_named_one_was_not_run(tmp_path):
    class Relay(Race):
        baseline = "eagle"
    _, out, _ = run_race(tmp_path, race=Relay())
    assert "ratio to tortoise (95 %)" in (out / "report.md").read_text()


def test_one_repeat_has_no_interval(tmp_path):
    _, out, _ = run_race(tmp_path, "--repeats", "1")
    text = (out / "report.md").read_text()
    assert "0.500 (one pair)" in text and "a ratio of one pair has no interval" in text


def test_one_arm_has_no_ratio(tmp_path):
    _, out, _ = run_race(tmp_path, "--arms", "hare")
    assert "ratio to" not in (out / "report.md").read_text()


def test_arms_on_several_accelerators_say_so(tmp_path):
    def in_vm(ctx, arm, _repeat):
        if arm.name == "tortoise":
            ctx.ran_on(arm, "tcg")
    _, out, _ = run_race(tmp_path, race=Race(in_vm))
    result, text = report.load(out), (out / "report.md").read_text()
    assert result["accelerator"] == "tcg"
    assert [arm["params"].get("accelerator") for arm in result["arms"]] == ["tcg", "namespaces",
                                                                            None]
    assert "| accelerator | TCG and namespaces |" in text
    assert "| tortoise (TCG) |" in text and "| hare (namespaces) |" in text
    assert "Nothing here can be claimed about KVM" in text
    assert "· TCG and namespaces" in report.picture_script(result, Race.metrics[0])
    del result["arms"][1]["samples"]["lap_s"]
    assert "Time of a lap · TCG}" in report.picture_script(result, Race.metrics[0])


def test_files_are_named_and_go_with_the_report(tmp_path):
    class Writes(Race):
        def files(self, result):
            return [("model.conf", f"arms = {len(result['arms'])}\n")]
    _, out, _ = run_race(tmp_path, race=Writes())
    assert (out / "model.conf").read_text() == "arms = 3\n"
    assert "Written beside this: [model.conf](model.conf)." in (out / "report.md").read_text()
    report.clear(out)
    assert not (out / "model.conf").exists() and not (out / "report.md").exists()


def test_findings_stand_on_top_and_on_the_terminal(tmp_path, capsys):
    class Told(Race):
        def findings(self, result):
            return [f"{len(result['arms'])} runners"]
    _, out, _ = run_race(tmp_path, race=Told())
    text = (out / "report.md").read_text()
    assert text.index("- 3 runners") < text.index("## Time of a lap")
    assert "3 runners" in capsys.readouterr().out


def test_axis_label_keeps_names_as_they_are():
    assert report.axis_label(Metric("boot_s", "QEMU's start")) == "QEMU's start, s"
    assert report.axis_label(Metric("rtt_us", "Round trip")) == "round trip, µs"


def test_missing_gnuplot_is_said_and_costs_no_figure(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    status, out, _ = run_race(tmp_path)
    assert status == 0
    assert "no picture: gnuplot is not installed" in (out / "report.md").read_text()
    assert "no picture: gnuplot is not installed" in capsys.readouterr().err
    assert not list(out.glob("*.svg"))


# --- pictures -----------------------------------------------------------------------------------

def drawn(tmp_path, script):
    path = tmp_path / "picture.svg"
    plot.render(script, path)
    assert [p.name for p in tmp_path.glob("picture*")] == ["picture.svg"]
    root = xml.etree.ElementTree.fromstring(path.read_text())
    return root, " ".join("".join(text.itertext()) for text in root.iter(
        "{http://www.w3.org/2000/svg}text"))


AWKWARD = "a_b {c}^2 it's \\ 50% @&~"


def test_cdf_is_a_picture_with_title_unit_and_curves(tmp_path):
    script = plot.cdf(AWKWARD, "below", "round trip, µs",
                      [("one", [1, 2, 3], 0), ("two_2", [2, 900, 4000], 1)])
    root, words = drawn(tmp_path, script)
    for text in (AWKWARD, "below", "round trip, µs, logarithmic", "one", "two_2", "1,000"):
        assert text in words
    colours = path_colours(root)
    assert {"0, 114, 178", "213, 94, 0"} <= colours
    assert 'font-family="DejaVu Sans, Verdana' in (tmp_path / "picture.svg").read_text()


def path_colours(root):
    found = set()
    for element in root.iter():
        for value in element.attrib.values():
            if value.strip().startswith("rgb("):
                found.add(", ".join(part.strip() for part in value.strip()[4:-1].split(",")))
    return found


def test_dots_show_every_arm_and_its_label(tmp_path):
    rows = [(f"arm{i}", [i + k / 7 for k in range(9)], f"{i} Mbit/s", i) for i in range(9)]
    _, words = drawn(tmp_path, plot.dots("t", "s", "throughput, Mbit/s", rows))
    for name, _, label, _ in rows:
        assert name in words and label in words


def test_long_labels_stay_inside_the_picture():
    label = "median 135,291 frames/s"
    script = plot.dots("t", "s", "x", [("a", [1, 2], label, 0)])
    right = next(line for line in script.splitlines() if line.startswith("set rmargin"))
    assert (1 - float(right.split()[-1])) * plot.WIDTH > 8 * len(label)


@pytest.mark.parametrize("samples", [[0], [5], [0, 0], [-1, 1], [1e-9, 1], [3e12]])
def test_pictures_of_odd_samples(tmp_path, samples):
    drawn(tmp_path, plot.dots("t", "s", "x", [("a", samples, "l", 0)]))
    drawn(tmp_path, plot.cdf("t", "s", "x", [("a", samples, 0)]))


def test_promise_outside_its_interval_has_another_colour(tmp_path):
    inside, outside = ("in", 1, 1.1, 0.9, 1.3, ""), ("out", 5, 6, 5.5, 6.5, "")
    root, _ = drawn(tmp_path, plot.promises("t", "s", "x", [inside]))
    assert "213, 94, 0" not in path_colours(root)
    root, _ = drawn(tmp_path, plot.promises("t", "s", "x", [inside, outside]))
    assert "213, 94, 0" in path_colours(root)


def test_cdf_points_keep_both_ends_and_end_at_all():
    points = plot.cdf_points([float(i) for i in range(10000)])
    assert points[0] == (0, 0.01) and points[-1] == (9999, 100)
    assert len(points) < 500 and points == sorted(points)


@pytest.mark.parametrize("low, high, wanted", [
    (0, 1000, [0, 200, 400, 600, 800, 1000]), (0, 7, [0, 1, 2, 3, 4, 5, 6, 7]),
    (0.2, 0.9, [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]), (5, 5, None),
])
def test_linear_tics(low, high, wanted):
    tics = plot.linear_tics(low, high)
    assert tics[0] <= low and tics[-1] >= high
    assert wanted is None or tics == pytest.approx(wanted)


def test_log_tics():
    assert plot.log_tics(3, 400) == [5, 10, 20, 50, 100, 200]
    assert plot.log_tics(1, 1e6) == [1, 10, 100, 1e3, 1e4, 1e5, 1e6]


@pytest.mark.parametrize("script", ["plot nonsense nonsense\n", ""])
def test_failed_picture_leaves_nothing_behind(tmp_path, script):
    with pytest.raises(plot.PlotError, match="gnuplot"):
        plot.render(script, tmp_path / "picture.svg")
    assert not list(tmp_path.iterdir())
