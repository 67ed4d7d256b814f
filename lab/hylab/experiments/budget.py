# SPDX-License-Identifier: GPL-2.0-or-later
"""budget - VMs share one budget of memory, and one of them is given more to do than it can.

Real jobs, marked by hylics-guest, in two and in eight VMs of hylicsd's. First all have the same
load, for which half of the budget's memory is enough; then the first one's is more than all memory
is enough for.
"""

import contextlib
import dataclasses
import math
import random
import time

from hylab import LabError, plant, plot, stats
from hylab.experiment import Arm, Experiment, Metric
from hylab.experiments import memory

LOADS = {
    "quiet": "all have the same load, from beginning to end",
    "overload": "the first one has more than it can do",
    "parts": "the same, but memory was divided once, in equal parts",
}
OVERHEAD_MB = 32            # HY_VM_OVERHEAD
TOO_MUCH = 1.4              # times what a VM can do with all memory
# in gaps of the usual load
BEFORE, STAGE_LEAST = 45, 75
WINDOW, INTERVAL_MIN, INTERVAL_MAX = 15, 3.75, 30
OTHERS_JOBS = 450           # in a stage: a mean of fewer is too much of a chance
QUICK_BEFORE_S, QUICK_STAGE_S = 10, 20
RUNS, QUICK_RUNS = 20, 6    # with an amount of memory, for the model
LOOK_S = 0.5
AXIS = "seconds since jobs began to come"

# Eight guests have to fit into two CPUs, and leave some to what carries them.
SIZES = {
    "two": (2, plant.SIZE),
    "eight": (8, plant.Size(files=24, file_mb=4, share_mb=128, memories=(4, 16, 32, 48, 64, 96),
                            read_mb_per_s=6, cpus=0.2)),
}


def make_arms():
    """All of them."""
    for many, (count, _) in SIZES.items():
        for load, comes in LOADS.items():
            yield Arm(f"{many}-{load}", f"{count} VMs; {comes}", {"vms": count, "load": load},
                      group=many)


def load_of(curve, size):
    """An objective, the usual gap, and one that is too short with all memory."""
    usual = memory.inside(curve, size)
    return memory.Load(usual.slo, (usual.gaps[0], memory.fit.seconds(curve, size.most) / TOO_MUCH))


def budget_mb(count, size):
    """Half of what all could use, and what a VM has beside its files."""
    return count * (math.ceil((size.least + size.most) / 2) + OVERHEAD_MB)


@dataclasses.dataclass(frozen=True)
class Stage:
    """When what is looked at begins and ends, s."""
    begins: float
    ends: float
    window: float


def stage_of(load, count, quick):
    """With these gaps."""
    gap = load.gaps[0]
    begins = QUICK_BEFORE_S if quick else BEFORE * gap
    lasts = QUICK_STAGE_S if quick else max(STAGE_LEAST, OTHERS_JOBS / (count - 1)) * gap
    return Stage(begins, begins + lasts, WINDOW * gap)


class Budget(Experiment):
    """See the module."""
    name = "budget"
    summary = "VMs under one budget of memory, one of them with too much to do"
    takes = "50 min, quick 3 min"
    paper = "none: the Hylics paper has one VM."
    arms = tuple(make_arms())
    quick_arms = ("two-quiet", "two-overload")
    metrics = (
        Metric("others_of_objective_pct", "Mean response of each other VM, of the objective",
               "lower", "dots"),
        Metric("others_windows_over_pct", "Windows of other VMs with a mean above the objective",
               "lower"),
        Metric("others_response_s", "Response time in the other VMs", "lower", "cdf"),
        Metric("first_response_s", "Response time in the first VM", "lower", "cdf"),
        Metric("first_ended_per_s", "Jobs of the first VM that ended", "higher"),
        Metric("turned_away_count", "Jobs turned away: too many were there", "lower"),
        Metric("limits_most_mb", "Limits of all cgroups, the most of their sum", "lower"),
        Metric("budget_mb", "The budget", compare=False),
        Metric("objective_s", "Objective", compare=False),
        Metric("look_at_s", "When was looked at memory", compare=False),
        Metric("first_memory_mb", "Memory of the first VM"),
        Metric("others_memory_mb", "Memory of another VM, mean of all"),
    )
    baseline = "two-quiet"
    repeats, quick_repeats = 2, 1
    reading = (
        "What is counted is what comes behind the first part, in which all have the same load.",
        "Each VM has a part of a CPU and a disk of its own, so that memory is all they share.",
        "The budget is for half of the memory that all could use. In parts it is divided by"
        " their number once; else hylicsd decides, scheme ours.",
    )

    def skip(self, arm):
        return plant.missing("pigz")

    @contextlib.contextmanager
    def session(self, ctx):
        """What is measured once: {how many: (curve, path of the model)}."""
        ctx.note(plant.readahead())
        yield {}

    @contextlib.contextmanager
    def group(self, ctx, group, repeat):
        with open(ctx.folder / "hylicsd.log", "a", encoding="utf-8") as log:
            if group not in ctx.session:
                _, size = SIZES[group]
                with plant.Plant("pigz", size, log) as scene:
                    ctx.session[group] = memory.identify(
                        ctx, scene, group, lambda curve: load_of(curve, size),
                        QUICK_RUNS if ctx.quick else RUNS)
            yield log

    def run_arm(self, ctx, arm, repeat):
        (count, size), (curve, model) = SIZES[arm.group], ctx.session[arm.group]
        load = load_of(curve, size)
        words = static(count, size) if arm.params["load"] == "parts" else \
            dynamic(size, load, model)
        with contextlib.ExitStack() as stack:
            site = stack.enter_context(plant.Site(
                ctx.shared, [f"--budget={budget_mb(count, size)}M"]))
            vms = [stack.enter_context(plant.Plant.beside(site, f"guest-{i}", "pigz", size, *words))
                   for i in range(count)]
            for number, vm in enumerate(vms):
                vm.choose(ctx.seed + 1000 * repeat + number)
                vm.warm()
            return measure(vms, load, stage_of(load, count, ctx.quick),
                           arm.params["load"] != "quiet", ctx.seed + repeat)

    def findings(self, result):
        return [told(arm) for arm in result["arms"] if arm["samples"]]

    def pictures(self, result):
        return [drawn(result, arm) for arm in result["arms"] if arm["samples"]]


def static(count, size):
    """Words of a `vm add`: an equal part."""
    return [f"--memory={budget_mb(count, size) // count - OVERHEAD_MB}M"]


def dynamic(size, load, model):
    """Words of a `vm add`: hylicsd decides."""
    gap = load.gaps[0]
    return [f"--memory={size.most}M", f"--memory-min={size.least}M", "--control=dynamic",
            f"--slo={load.slo * 1000:.0f}ms", f"--model={model}", "--idle=0s",
            f"--interval-min={max(1000, INTERVAL_MIN * gap * 1000):.0f}ms",
            f"--interval-max={max(1000, INTERVAL_MAX * gap * 1000):.0f}ms"]


def measure(vms, load, stage, is_too_much, seed):
    """Let jobs come to all, look at their memory; all metrics of an arm."""
    def gaps(number):
        def mean(at):
            return load.gaps[1 if is_too_much and number == 0 and at >= stage.begins else 0]
        return plant.exponential(random.Random(seed * 1000 + number), mean)

    looks, began = [], time.monotonic()
    host = vms[0].host
    with contextlib.ExitStack() as stack:
        for number, vm in enumerate(vms):
            stack.enter_context(vm.load(gaps(number)))
        while time.monotonic() - began < stage.ends:
            for vm in vms:
                vm.put_behind_disk()    # a tender that the kernel has ended is another process
            looks.append((time.monotonic() - began, sum_of_limits_mb(host),
                          [memory.in_force_mb(host.vm(vm.name)) for vm in vms]))
            time.sleep(LOOK_S)
        jobs = [vm.ended() for vm in vms]
    turned_away = [vm.turned_away for vm in vms]
    if any(vm.failed for vm in vms):
        raise LabError(f"jobs failed: {[vm.failed for vm in vms]}, by VM")
    return {"budget_mb": [host.json("status")["budget"] / plant.MB],
            **summed(jobs, looks, began, load, stage), "turned_away_count": turned_away}


def sum_of_limits_mb(host):
    """Of all cgroups of VMs, as the kernel has them."""
    return sum(host.limits().values()) / plant.MB


def summed(jobs, looks, began, load, stage):
    """The metrics of what was seen: jobs and memory, VM by VM."""
    first, *others = [[job for job in each if job.ended - began >= stage.begins] for each in jobs]
    if not first or not all(others):
        raise LabError("no job has ended in some VM")
    windows = [mean for each in others for mean in means(each, began, stage)]
    return {
        "others_of_objective_pct": [
            round(100 * stats.mean([job.response_s for job in each]) / load.slo, 2)
            for each in others],
        "others_windows_over_pct": [
            round(100 * sum(mean > load.slo for mean in windows) / len(windows), 2)],
        "others_response_s": [round(job.response_s, 5) for each in others for job in each],
        "first_response_s": [round(job.response_s, 5) for job in first],
        "first_ended_per_s": [round(len(first) / (stage.ends - stage.begins), 4)],
        "limits_most_mb": [max(limits for _, limits, _ in looks)],
        "objective_s": [round(load.slo, 4)],
        "look_at_s": [round(at, 2) for at, _, _ in looks],
        "first_memory_mb": [memories[0] for _, _, memories in looks],
        "others_memory_mb": [round(stats.mean(memories[1:]), 2) for _, _, memories in looks],
    }


def means(jobs, began, stage):
    """Of the windows in which jobs ended."""
    found = {}
    for job in jobs:
        found.setdefault(int((job.ended - began - stage.begins) / stage.window), []).append(
            job.response_s)
    return [stats.mean(each) for each in found.values()]


def told(arm):
    """A line for the terminal."""
    seen = arm["samples"]
    parts = seen["others_of_objective_pct"]
    return (f"{arm['name']}: the others' mean responses {stats.mean(parts):.0f} % of the objective,"
            f" the worst {max(parts):.0f} %, {stats.mean(seen['others_windows_over_pct']):.0f} % of"
            f" their windows above it; the first's"
            f" {100 * stats.mean(seen['first_response_s']) / seen['objective_s'][0]:.0f} %,"
            f" {stats.mean(seen['first_ended_per_s']):.2f} jobs/s; limits at most"
            f" {max(seen['limits_most_mb']):.0f} MB of {seen['budget_mb'][0]:.0f}")


def drawn(result, arm):
    """Memory over time, of the last repeat."""
    def last(metric):
        return arm["samples"][metric][-arm["per_repeat"][metric][-1]:]

    at = last("look_at_s")
    curves = [("first", list(zip(at, last("first_memory_mb"))), 0),
              ("mean of the others", list(zip(at, last("others_memory_mb"))), 1)]
    return (f"{arm['name']}-memory.svg",
            plot.timeline(f"{arm['name']}: memory · namespaces", memory.report.subtitle(result),
                          "MB", curves, AXIS))


EXPERIMENT = Budget()
