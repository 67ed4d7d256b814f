# SPDX-License-Identifier: GPL-2.0-or-later
"""test_plant.py - experiments of memory and time: what is pure in them, hylics-fit, and a disk's
pace."""

import contextlib
import itertools
import pathlib
import random
import subprocess
import sys
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "lab"))

from hylab import BUILD, LabError, cgroup, fit, plant, report  # noqa: E402
from hylab import stats, swap_folder, wall                     # noqa: E402
from hylab.experiments import budget, identify, memory         # noqa: E402

CURVE = {"a": 0.2, "b": 30.0, "c": 50.0}


# --- hylics-fit ----------------------------------------------------------------------------------

def test_a_curve_is_found_again():
    found = fit.curve([(m, fit.seconds(CURVE, m)) for m in (16, 32, 64, 128, 192)])
    assert {name: found[name] for name in CURVE} == pytest.approx(CURVE, rel=1e-3)
    assert found["r2"] == pytest.approx(1)


def test_orders_are_found_again():
    chance, limit, residual = random.Random(1), 100.0, 0.0
    memories, responses = [], []
    for _ in range(200):
        memories.append(limit)
        responses.append(5 + residual)
        step = chance.uniform(-20, 20)
        limit, residual = limit + step, 0.5 * residual - 0.02 * step + chance.gauss(0, 0.03)
    found = fit.order(*fit.series(memories, responses))
    assert (found["na"], found["nb"]) == (1, 0) and found["r2"] > 0.9


def test_inputs_are_the_steps_behind_an_output():
    outputs, inputs = fit.series([10, 30, 20], [1, 2, 6])
    assert outputs == [-2, -1, 3] and inputs == [20, -10, 0]


@pytest.mark.parametrize("words, text, code, told", [
    (["curve"], "16 1\n32 0.5\n64\n", 2, "line 3"),
    (["curve"], "16 nan\n", 2, "line 1"),
    (["curve"], "16 1 5\n", 2, "line 1"),
    (["curve"], "16 1\n16 2\n16 3\n", 1, "no curve fits"),
    (["curve"], "", 1, "no curve fits"),
    (["order"], "1 1\n2 1\n", 1, "2 steps are too few"),
    (["order", "--learnt", "0"], "", 2, "--learnt"),
])
def test_what_nothing_can_be_made_of_is_told(words, text, code, told):
    done = subprocess.run([fit.PROGRAM, *words], input=text, capture_output=True, text=True,
                          check=False)
    assert done.returncode == code and told in done.stderr and not done.stdout, done


def test_a_curve_that_cannot_be_fitted_is_a_lab_error():
    with pytest.raises(LabError, match="no curve fits"):
        fit.curve([(16, 1), (16, 2)])


# --- identify ------------------------------------------------------------------------------------

def made_result(**samples):
    arms = []
    for arm in identify.EXPERIMENT.arms:
        measured = {name: values[arm.name] for name, values in samples.items()
                    if arm.name in values}
        arms.append({"name": arm.name, "params": dict(arm.params), "samples": measured,
                     "per_repeat": {name: [len(v)] for name, v in measured.items()}})
    return {"version": 1, "experiment": "identify", "commit": "none",
            "started": "2026-01-01T00:00:00Z", "accelerator": "namespaces", "arms": arms,
            "machine": {"cpus": 2, "kernel": "6.1", "qemu": "none"}, "notes": []}


@pytest.fixture(name="result")
def _result():
    return made_result(service_s={
        identify.arm_name("pigz", m): [fit.seconds(CURVE, m) * factor for factor in (0.5, 1.5)]
        for m in plant.SIZE.memories})


def keys(text):
    return dict(line.split(" = ") for line in text.splitlines() if " = " in line)


def test_a_model_is_made_of_means(result):
    ((name, text),) = identify.EXPERIMENT.files(result)
    assert name == "model-pigz.conf" and text.splitlines()[1] == "[model]"
    found = keys(text)
    assert found["job"] == "pigz" and found["version"] == "1"
    assert float(found["b"]) == pytest.approx(30, rel=1e-3)
    assert (found["from"], found["to"]) == ("16", "192")
    assert int(found["runs"]) == 2 * len(plant.SIZE.memories)
    assert (found["na"], found["nb"]) == ("1", "0")
    assert text.splitlines()[-1] == "version = 1"


def test_findings_say_how_much_memory_is_worth(result):
    lines = identify.EXPERIMENT.findings(result)
    ratio = fit.seconds(CURVE, 16) / fit.seconds(CURVE, 192)
    assert f"{ratio:.2f} times as long" in lines[0] and "no orders" in lines[1] and len(lines) == 2
    text = report.render(result, identify.EXPERIMENT)
    assert "[model-pigz.conf](model-pigz.conf)" in text


def test_nothing_measured_makes_no_model():
    result = made_result()
    assert not identify.EXPERIMENT.files(result) and not identify.EXPERIMENT.findings(result)


def test_noise_gives_orders_only_if_they_foretell(result):
    chance = random.Random(1)
    arm = next(arm for arm in result["arms"] if arm["name"] == "pigz-noise")
    arm["samples"] = {"noise_mb": [chance.randint(16, 192) for _ in range(60)],
                      "response_s": [chance.random() for _ in range(60)]}
    assert identify.orders(result, "pigz") is None
    memories = arm["samples"]["noise_mb"]
    arm["samples"]["response_s"] = [fit.seconds(CURVE, m) for m in memories]
    assert identify.orders(result, "pigz")["r2"] > 0


# --- memory --------------------------------------------------------------------------------------

PACE = memory.Pace(arm=20, window=5, switch=4, interval_min=1, interval_max=2)


def queue(service, gap):
    """Mean response of M/G/1 with processor sharing."""
    return service / (1 - service / gap)


def test_inside_the_model_wants_a_third_and_two_thirds():
    size = memory.KINDS["inside"].size
    load = memory.KINDS["inside"].load(CURVE)
    third = (size.most - size.least) / 3
    for place, gap in enumerate(load.gaps, start=1):
        service = fit.seconds(CURVE, size.least + place * third)
        assert queue(service, gap) == pytest.approx(load.slo)
    # with the least memory the faster load is more than the guest can do
    assert fit.seconds(CURVE, size.least) > load.gaps[1]
    assert queue(fit.seconds(CURVE, size.most), load.gaps[1]) < load.slo


def test_saturated_has_the_papers_rails():
    curve = {"a": 3.25, "b": 0.07 * 192, "c": 0.0}     # 3.32 s with the most, 4.09 with the least
    load = memory.KINDS["saturated"].load(curve)
    assert load.slo == pytest.approx(10) and load.gaps == pytest.approx((8, 4))
    size = memory.KINDS["saturated"].size
    assert queue(fit.seconds(curve, size.least), load.gaps[0]) < load.slo
    assert queue(fit.seconds(curve, size.most), load.gaps[1]) > load.slo


def test_a_pace_is_in_gaps_and_a_quick_one_is_short():
    load = memory.Load(1, (2.0, 1.0))
    pace = memory.KINDS["inside"].pace(load, False)
    assert (pace.arm, pace.window, pace.interval_min, pace.interval_max) == (450, 30, 7.5, 60)
    assert memory.KINDS["inside"].pace(load, True).arm == memory.QUICK_ARM_S
    assert memory.KINDS["vm"].pace(memory.Load(1, (0.1, 0.05)), False).interval_min == 1


def test_only_workload_2_switches():
    load = memory.Load(1, (8, 4))
    assert [memory.mean_gap(load, 1, PACE, at) for at in (0, 4, 9)] == [8, 8, 8]
    assert [memory.mean_gap(load, 2, PACE, at) for at in (0, 3.9, 4, 8)] == [8, 8, 4, 8]


def done(ended, response):
    return plant.Done(response, ended)


def test_errors_are_summed_over_windows_of_one_length():
    jobs = [done(101, 1.0), done(102, 3.0), done(111, 0.5), done(121, 9.0), done(90 + 20, 0.5)]
    seen = memory.windows(jobs, 100, PACE)
    # nothing ended in the second window; what ended behind the last one is not looked at
    assert seen == [(0, pytest.approx(2.0)), (10, pytest.approx(0.5))]
    error, over = memory.errors(seen, 1.5)
    assert (error, over) == (pytest.approx(1.5), pytest.approx(0.5))


def test_the_metrics_of_an_arm():
    seen = memory.summed([done(101, 1.0), done(111, 0.5)], [(0, 192), (4.9, 100), (12, 50)], 7, 100,
                         memory.Load(0.75, (1, 2)), PACE, 3)
    assert seen["error_s"] == [0.5] and seen["over_s"] == [0.25]
    assert (seen["memory_mean_mb"], seen["memory_most_mb"]) == ([114], [192])
    assert seen["response_s"] == [1.0, 0.5] and seen["decisions_count"] == [7]
    assert seen["window_at_s"] == [0, 10] and seen["window_memory_mb"] == [100, 50]
    assert seen["turned_away_count"] == [3]
    assert {metric.name for metric in memory.EXPERIMENT.metrics} == set(seen)


def test_memory_over_time_is_drawn_for_each_kind_and_workload():
    seen = memory.summed([done(101, 1.0), done(111, 0.5)], [(0, 192)], 7, 100,
                         memory.Load(0.75, (1, 2)), PACE, 0)
    arms = [{"name": arm.name, "params": dict(arm.params), "samples": seen,
             "per_repeat": {name: [len(values)] for name, values in seen.items()}}
            for arm in memory.EXPERIMENT.arms]
    result = {**made_result(), "experiment": "memory", "arms": arms}
    report.check(result)
    names = [name for name, _ in memory.EXPERIMENT.pictures(result)]
    assert len(names) == 2 * len({(arm.params["kind"], arm.params["workload"])
                                 for arm in memory.EXPERIMENT.arms}) == len(set(names))
    assert "inside-1-response.svg" in names
    script = dict(memory.EXPERIMENT.pictures(result))["inside-1-response.svg"]
    assert "objective" in script and "since jobs began to come" in script
    text = report.render(result, memory.EXPERIMENT)
    assert "inside-1-both: error 0.5 s, above the objective 0.2 s, memory 192 MB" in text


@pytest.mark.parametrize("vm, megabytes", [
    ({"memory": 64 << 20}, 64),
    ({"memory": 64 << 20, "control": {"control": "static"}}, 64),
    ({"memory": 64 << 20, "control": {"memory_bytes": 32 << 20}}, 32),
])
def test_what_is_in_force(vm, megabytes):
    assert memory.in_force_mb(vm) == megabytes


# --- budget --------------------------------------------------------------------------------------

STAGE = budget.Stage(begins=100, ends=140, window=20)
VMS_SEEN = (
    [done(1050, 9.0), done(1101, 6.0), done(1139, 8.0)],
    [done(1050, 9.0), done(1110, 0.4), done(1130, 1.2)],
    [done(1120, 0.5)],
)


def budget_seen():
    looks = [(0.5, 100.0, [10, 20, 40]), (110, 130.0, [50, 20, 20])]
    return {"budget_mb": [150.0], "turned_away_count": [3, 0, 0],
            **budget.summed(VMS_SEEN, looks, 1000, memory.Load(1.0, (2, 1)), STAGE)}


def test_the_first_vm_has_more_to_do_than_all_memory_is_enough_for():
    for _, size in budget.SIZES.values():
        load = budget.load_of(CURVE, size)
        assert load.gaps[1] < fit.seconds(CURVE, size.most)
        third = fit.seconds(CURVE, size.least + (size.most - size.least) / 3)
        assert queue(third, load.gaps[0]) == pytest.approx(load.slo)


@pytest.mark.parametrize("many", budget.SIZES)
def test_a_budget_is_for_half_of_what_all_could_use(many):
    count, size = budget.SIZES[many]
    room = budget.budget_mb(count, size) / count - budget.OVERHEAD_MB
    assert (size.least + size.most) / 2 <= room < size.most
    # what each needs with the usual load is there
    assert room > size.least + (size.most - size.least) / 3
    assert budget.static(count, size) == [f"--memory={room:.0f}M"]


def test_only_the_stage_behind_the_beginning_counts():
    seen = budget_seen()
    assert seen["others_of_objective_pct"] == [80, 50] and seen["first_response_s"] == [6, 8]
    # windows of the others: 0.4 and 1.2, each alone, and 0.5
    assert seen["others_windows_over_pct"] == [33.33]
    assert seen["first_ended_per_s"] == [0.05] and seen["limits_most_mb"] == [130]
    assert (seen["first_memory_mb"], seen["others_memory_mb"]) == ([10, 50], [30, 20])
    assert {metric.name for metric in budget.EXPERIMENT.metrics} == set(seen)


def test_a_vm_that_ended_no_job_is_no_success():
    with pytest.raises(LabError, match="no job"):
        budget.summed((*VMS_SEEN, [done(1050, 1.0)]), [(0, 1, [1] * 4)], 1000,
                      memory.Load(1.0, (2, 1)), STAGE)


def test_others_are_told_and_drawn():
    seen = budget_seen()
    arms = [{"name": arm.name, "params": dict(arm.params), "samples": seen,
             "per_repeat": {name: [len(values)] for name, values in seen.items()}}
            for arm in budget.EXPERIMENT.arms]
    result = {**made_result(), "experiment": "budget", "arms": arms}
    report.check(result)
    text = report.render(result, budget.EXPERIMENT)
    assert ("two-overload: the others' mean responses 65 % of the objective, the worst 80 %, 33 %"
            " of their windows above it; the first's 700 %, 0.05 jobs/s; limits at most 130 MB of"
            " 150") in text
    assert [name for name, _ in budget.EXPERIMENT.pictures(result)] == [
        f"{arm.name}-memory.svg" for arm in budget.EXPERIMENT.arms]


# --- the plant -----------------------------------------------------------------------------------

def test_who_interrupts_waits_for_no_job():
    class Endless(plant.Plant):
        """Its jobs end when they are given up."""
        begun, given_up = threading.Event(), threading.Event()

        def _perform(self, rank):
            self.begun.set()
            assert self.given_up.wait(60)
            raise LabError("given up")

        def _give_up_jobs(self):
            self.given_up.set()

    endless = Endless("pigz")
    with pytest.raises(KeyboardInterrupt), endless.load(itertools.repeat(0.01)):
        assert endless.begun.wait(60)
        raise KeyboardInterrupt
    assert endless.given_up.is_set() and endless.failed and not endless.ended()


def test_swap_that_a_killed_one_left_is_swept_away(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(swap_folder.subprocess, "run", lambda words, **_: asked.append(words))
    left = tmp_path / "hyswap1"
    left.mkdir()
    (left / "swap").write_bytes(b"")
    with swap_folder.made_in(tmp_path) as mine:
        swap_folder.sweep(tmp_path)
        assert not left.exists() and mine.exists()
        assert asked == [["swapoff", left / "swap"]]
        (mine / "swap").write_bytes(b"")
    assert not list(tmp_path.iterdir()) and asked[1:] == [["swapoff", mine / "swap"]]


def test_files_are_asked_for_by_rank():
    drawn = list(itertools.islice(plant.ranks(8, 0.8, random.Random(1)), 20000))
    counts = [drawn.count(rank) for rank in range(8)]
    assert counts == sorted(counts, reverse=True) and min(counts) > 0
    assert counts[0] / counts[7] == pytest.approx(8 ** 0.8, rel=0.15)
    again = list(itertools.islice(plant.ranks(8, 0.8, random.Random(1)), 20))
    assert again == drawn[:20]


def test_a_share_has_room_for_its_files():
    size = plant.SIZE
    assert size.files * size.file_mb <= size.share_mb and size.most <= size.share_mb
    assert list(size.memories) == sorted(set(size.memories))


def test_gaps_have_the_mean_that_holds():
    gaps = plant.exponential(random.Random(1), lambda at: 1.0 if at < 4000 else 4.0)
    at, first, then = 0.0, [], []
    while at < 20000:
        gap = next(gaps)
        (first if at < 4000 else then).append(gap)
        at += gap
    assert stats.mean(first) == pytest.approx(1, rel=0.1)
    assert stats.mean(then) == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("version, name, words, none", [
    (1, "blkio.throttle.read_bps_device", "7:3 1000", "7:3 0"),
    (2, "io.max", "7:3 rbps=1000", "7:3 rbps=max"),
])
def test_a_pace_is_written_for_both_cgroup_versions(tmp_path, monkeypatch, version, name, words,
                                                    none):
    here = cgroup.Hierarchy(version, tmp_path)
    monkeypatch.setattr(cgroup, "hierarchies", lambda: {name: here for name in cgroup.CONTROLLERS})
    monkeypatch.setattr(cgroup, "disk_of", lambda _: (7, 3))
    monkeypatch.setenv(wall.CGROUP_VARIABLE, "hylics-lab-1-2")
    group = cgroup.Cgroup("disk", ("blkio",))
    (made,) = (tmp_path / "hylics-lab-1-2").glob("disk-*")
    group.set_read_rate("/", 1000)
    assert (made / name).read_text() == words
    group.set_read_rate("/", 0)
    assert (made / name).read_text() == none
    if version == 2:
        assert (tmp_path / "cgroup.subtree_control").read_text() == "+io"


def test_what_is_on_no_disk_has_no_pace():
    with pytest.raises(LabError, match="no disk"):
        cgroup.disk_of("/proc")


def test_a_job_goes_as_fast_as_memory_lets_it(monkeypatch, tmp_path):
    """The whole of it, small: files go out, come back at the disk's pace, jobs are marked."""
    why = plant.missing("pigz")
    if why:
        pytest.skip(why)
    size = plant.Size(files=2, file_mb=8, share_mb=32, memories=(1, 24), read_mb_per_s=4)
    with open(tmp_path / "log", "w", encoding="utf-8") as log:
        with plant.Plant("pigz", size, errors=log) as scene:
            scene.warm()
            scene.run_job()
            (out,) = scene.host.json("vm", "pages", plant.NAME, "out", "file-000")["files"]
            gone_mb = (out["size"] - out["after"]) / plant.MB
            monkeypatch.setattr(scene, "_ranks", itertools.repeat(0))
            # no clock of a busy machine makes it shorter than the disk's pace does
            assert gone_mb > 6 and scene.run_job() > 0.8 * gone_mb / size.read_mb_per_s
            with scene.load(itertools.repeat(0.05)):
                plant.wait_for(lambda: scene.done.qsize() >= 3, "jobs that came")
            ended = scene.ended()
            # as the experiment does with a VM whose memory is fixed
            seen = memory.measure(scene, memory.Load(1, (0.2, 0.1)), 2, memory.Pace(
                2, 1, 1, 1, 1), random.Random(1))
            assert seen["memory_most_mb"] == [24] and seen["response_s"] and not scene.failed
            ended += [None] * len(seen["response_s"]) + scene.ended()
            assert len(ended) >= 3 and all(job.response_s > 0 for job in ended if job)
            arrived = 2 + len(ended)
            plant.wait_for(lambda: scene.host.worker_counts(plant.NAME).get("guest", {}).get(
                "jobs", {}).get("finished") == arrived, "marks of all of them")
    assert not list(BUILD.glob("hyswap*/swap"))


def test_two_beside_each_other_have_a_disk_each(tmp_path):
    """As the experiment has them, small: all that is the VM's reads at its own disk's pace."""
    why = plant.missing("pigz")
    if why:
        pytest.skip(why)
    size = plant.Size(files=2, file_mb=4, share_mb=32, memories=(4, 16), read_mb_per_s=16)
    load, stage = memory.Load(1, (0.3, 0.1)), budget.Stage(0.5, 4, 1)
    model = tmp_path / "model"
    model.write_text(fit.model("pigz", {"a": 0.05, "b": 1, "c": 1, "r2": 1}, {"na": 1, "nb": 0},
                               size.memories, 1))
    limit_mb = budget.budget_mb(2, size)
    with open(tmp_path / "log", "w", encoding="utf-8") as log, contextlib.ExitStack() as stack:
        site = stack.enter_context(plant.Site(log, [f"--budget={limit_mb}M"]))
        vms = [stack.enter_context(plant.Plant.beside(
            site, name, "pigz", size, *budget.dynamic(size, load, model))) for name in "ab"]
        first, other = (set(vm.disk.processes()) for vm in vms)
        assert len(first) == len(other) == 3 and not first & other  # keeper, worker, tender
        seen = budget.measure(vms, load, stage, True, 1)
        assert seen["budget_mb"] == [limit_mb] and max(seen["limits_most_mb"]) <= limit_mb
        assert seen["others_response_s"] and seen["first_response_s"]
    assert not list(BUILD.glob("hyswap*"))
