# SPDX-License-Identifier: GPL-2.0-or-later
"""memory - hylicsd decides how much memory a VM has, by how long its jobs take: scheme by scheme.

Real jobs, marked by hylics-guest, come as in the Hylics paper's section 6.4: with one mean gap, or
with two in turn. Everything is scaled by what a job takes here, which is measured first: so an
hour of the paper's is some minutes.
"""

import contextlib
import dataclasses
import random
import time

from hylab import LabError, fit, plant, plant_vm, plot, report, stats
from hylab.experiment import Arm, Experiment, Metric

SCHEMES = {
    "fixed": "the most, always",
    "adaptive": "by what is learnt alone",
    "queue": "by the queue's model alone",
    "both": "the paper's Algorithm 1",
    "ours": "ours",
}
WORKLOADS = {1: "jobs come with one mean gap", 2: "the mean gap switches between two"}


@dataclasses.dataclass(frozen=True)
class Pace:
    """How long what takes, s."""
    arm: float
    window: float           # of errors, the same for all schemes
    switch: float           # of workload 2's gaps
    interval_min: float
    interval_max: float


# In gaps of workload 1, which the paper has of 8 s: half an hour, windows of two minutes, ten
# minutes of one gap, 30 to 240 s between decisions.
HALF_HOUR = Pace(arm=225, window=15, switch=75, interval_min=3.75, interval_max=30)
SHORT = dataclasses.replace(HALF_HOUR, arm=120, switch=30)
MINUTES = Pace(arm=60, window=5, switch=15, interval_min=3.75, interval_max=15)
QUICK_ARM_S = 32
INTERVAL_LEAST_S = 1        # that hylicsd takes
RUNS, QUICK_RUNS = 30, 12           # with an amount of memory, for the model
QUICK_SHARE = 2                     # of the amounts
LOOK_S = 0.5
AXIS = "seconds since jobs began to come"
AT_LEAST_R2 = 0.5


@dataclasses.dataclass(frozen=True)
class Load:
    """An objective and gaps, s."""
    slo: float
    gaps: tuple


def in_seconds(pace, gap):
    """Of a pace in gaps."""
    found = {name: length * gap for name, length in dataclasses.asdict(pace).items()}
    for name in ("interval_min", "interval_max"):
        found[name] = max(found[name], INTERVAL_LEAST_S)
    return Pace(**found)


class Kind:
    """A VM and its load; the gaps follow from how long a job takes with how much memory."""

    def __init__(self, about, size, load, pace, job="pigz", make=plant.Plant):
        self.about, self.size, self.job = about, size, job
        self._load, self._make, self._pace = load, make, pace

    def make(self, errors):
        """A plant."""
        return self._make(self.job, self.size, errors)

    def pace(self, load, quick):
        """How long what takes, with these gaps."""
        it = in_seconds(MINUTES if quick else self._pace, load.gaps[0])
        return dataclasses.replace(it, arm=min(it.arm, QUICK_ARM_S)) if quick else it

    def load(self, curve):
        """By a curve of service times."""
        return self._load(curve, self.size)


def saturated(curve, size):
    """The paper's own numbers, as parts of what a job takes with all memory: 3.32 s there.

    With a gap of 8 s the least memory is enough for 10 s, with one of 4 s the most is not.
    """
    unit = fit.seconds(curve, size.most) / 3.32
    return Load(10 * unit, (8 * unit, 4 * unit))


def inside(curve, size):
    """The queue's model wants a third of the memory, and two thirds.

    R = E / (1 - E / gap) is the objective where the gap is E / (1 - E / objective).
    """
    third = (size.most - size.least) / 3
    services = [fit.seconds(curve, size.least + third * n) for n in (1, 2)]
    slo = OBJECTIVE * services[0]
    return Load(slo, tuple(service / (1 - service / slo) for service in services))


OBJECTIVE = 2.5             # of inside: times what a job takes alone
KINDS = {
    "saturated": Kind("the paper's numbers: jobs compute, and the disk makes them hardly longer",
                      dataclasses.replace(plant.SIZE, read_mb_per_s=64), saturated, SHORT,
                      "pigz-6"),
    "inside": Kind("a slow disk: the best memory is neither the least nor the most", plant.SIZE,
                   inside, HALF_HOUR),
    "vm": Kind("the same in a VM, reduced", plant_vm.SIZE, inside, SHORT,
               make=plant_vm.PlantVm),
}
IN_VM_WORKLOADS = (2,)      # an emulated guest takes its time


def make_arms():
    """All of them."""
    for kind, it in KINDS.items():
        for workload, comes in WORKLOADS.items():
            if kind == "vm" and workload not in IN_VM_WORKLOADS:
                continue
            for scheme, decides in SCHEMES.items():
                yield Arm(f"{kind}-{workload}-{scheme}", f"{it.about}; {comes}; {decides}",
                          {"kind": kind, "workload": workload, "scheme": scheme}, group=kind)


# --- windows -------------------------------------------------------------------------------------

def windows(jobs, began, pace):
    """[(seconds since the beginning, mean response)] of the windows in which jobs ended."""
    found = {}
    for job in jobs:
        found.setdefault(int((job.ended - began) / pace.window), []).append(job.response_s)
    return [(number * pace.window, stats.mean(found[number]))
            for number in sorted(found) if number < pace.arm // pace.window]


def errors(seen, slo):
    """(sum of how far responses are from the objective, of how far above it)."""
    return (sum(abs(response - slo) for _, response in seen),
            sum(max(0.0, response - slo) for _, response in seen))


def mean_gap(load, workload, pace, at):
    """So many seconds after the beginning."""
    return load.gaps[int(at / pace.switch) % 2 if workload == 2 else 0]


def near(values, at):
    """Of [(second, value)] the last at a second or before; the first, if there is none."""
    return next((value for second, value in reversed(values) if second <= at), values[0][1])


class Memory(Experiment):
    """See the module."""
    name = "memory"
    summary = "the memory of a VM, decided by how long its jobs take: scheme by scheme"
    takes = "70 min, quick 3 min"
    paper = ("figures 22 and 23 of Hylics: memory and response time over an hour. Its table 3: the"
             " summed error of response times is 10.1 to 32.1 s if only what is learnt decides,"
             " 21.4 to 45.8 s if only the queue does, 5.1 to 16.0 s if both do. Most memory used:"
             " 245 MB with workload 1, 388 MB with workload 2.")
    arms = tuple(make_arms())
    quick_arms = tuple(f"inside-2-{scheme}" for scheme in ("fixed", "both", "ours"))
    # a ratio says something only within a kind and workload: In short has them side by side
    metrics = tuple(Metric(*words, compare=False) for words in (
        ("error_s", "Sum over windows of how far the mean response is from the objective",
         "lower", "dots"),
        ("over_s", "Sum of how far it is above the objective", "lower", "dots"),
        ("memory_mean_mb", "Memory that was allowed, mean", "lower", "dots"),
        ("memory_most_mb", "The most of it", "lower"),
        ("response_s", "Response time", "lower", "cdf"),
        ("decisions_count", "Decisions"),
        ("objective_s", "Objective"),
        ("turned_away_count", "Jobs turned away: too many were there", "lower"),
        ("window_at_s", "Windows: their begin"),
        ("window_response_s", "Windows: mean response time"),
        ("window_memory_mb", "Windows: memory at their end"),
    ))
    baseline = "inside-1-fixed"
    repeats, quick_repeats = 1, 1
    reading = (
        "Windows are of one length, whatever a scheme's intervals are: their sums can be compared."
        " The same jobs come at the same times for all schemes of a kind and workload.",
        "fixed has no error above the objective to spare memory for: what it shows is what memory"
        " can do at all. An error below the objective is memory that was given for nothing.",
        "Saturated is what the paper's own numbers come to: with one gap the least memory is"
        " enough, with the other the most is not; there is nothing to find in between.",
        "The memory is the limit that was in force; no file counts as idle here, so that the model,"
        " which knows of no idle files, holds.",
        "The guest is processes with a part of a CPU, its disk a throttle of the kernel's.",
    )

    def skip(self, arm):
        return plant.missing(KINDS[arm.params["kind"]].job)

    @contextlib.contextmanager
    def session(self, ctx):
        """What is measured once: {kind: (curve, path of the model)}."""
        ctx.note(plant.readahead())
        yield {}

    @contextlib.contextmanager
    def group(self, ctx, group, repeat):
        with open(ctx.folder / "hylicsd.log", "a", encoding="utf-8") as log:
            with KINDS[group].make(log) as scene:
                if group not in ctx.session:
                    ctx.session[group] = identify(ctx, scene, group, KINDS[group].load,
                                                  QUICK_RUNS if ctx.quick else RUNS)
                yield scene

    def run_arm(self, ctx, arm, repeat):
        scene, kind = ctx.shared, KINDS[arm.params["kind"]]
        curve, model = ctx.session[arm.params["kind"]]
        load = kind.load(curve)
        pace = kind.pace(load, ctx.quick)
        if scene.accelerator:
            ctx.ran_on(arm, scene.accelerator)
        scene.set(control="static", memory=f"{scene.size.most}M")
        scene.choose(ctx.seed + repeat)
        scene.warm()
        if arm.params["scheme"] != "fixed":
            scene.set(control="dynamic", slo=f"{load.slo * 1000:.0f}ms", idle="0s",
                      scheme=arm.params["scheme"], model=model,
                      memory_min=f"{scene.size.least}M",
                      interval_max=f"{pace.interval_max * 1000:.0f}ms",
                      interval_min=f"{pace.interval_min * 1000:.0f}ms")
        return measure(scene, load, arm.params["workload"], pace, random.Random(ctx.seed + repeat))

    def findings(self, result):
        return [f"{arm['name']}: error {stats.mean(arm['samples']['error_s']):.1f} s, above the"
                f" objective {stats.mean(arm['samples']['over_s']):.1f} s, memory"
                f" {stats.mean(arm['samples']['memory_mean_mb']):.0f} MB, at most"
                f" {max(arm['samples']['memory_most_mb']):.0f} MB"
                for arm in result["arms"] if arm["samples"]]

    def pictures(self, result):
        drawn = []
        for kind in KINDS:
            for workload in WORKLOADS:
                arms = [arm for arm in result["arms"] if arm["samples"] and
                        (arm["params"]["kind"], arm["params"]["workload"]) == (kind, workload)]
                if arms:
                    drawn += over_time(result, f"{kind}-{workload}", arms)
        return drawn


def identify(ctx, scene, kind, load_by, runs):
    """The curve of a plant, and its model for hylicsd, from so many runs with an amount of memory;
    what the load is by it goes to the notes."""
    memories = scene.size.memories
    if ctx.quick:
        memories = (*memories[:-1:QUICK_SHARE], memories[-1])
    means = []
    for memory in memories:
        scene.choose(ctx.seed)
        means.append((memory, stats.mean(scene.service_times(memory, runs))))
    curve = fit.curve(means)
    load = load_by(curve)
    ctx.note(f"{kind}: a job takes {fit.seconds(curve, scene.size.least):.3f} s with the least"
             f" memory, {fit.seconds(curve, scene.size.most):.3f} s with the most (r2"
             f" {curve['r2']:.3f}); objective {load.slo:.3f} s, gaps"
             f" {' and '.join(f'{gap:.3f}' for gap in load.gaps)} s")
    if curve["r2"] < AT_LEAST_R2:
        ctx.note(f"{kind}: the model fits badly; what follows from it says little")
    text = fit.model(scene.job, curve, {"na": 1, "nb": 0}, memories, runs * len(memories))
    path = ctx.folder.resolve() / f"model-{kind}.conf"
    path.write_text(text, encoding="ascii")
    return curve, path


def in_force_mb(vm):
    """Of what `vm show` says."""
    return vm.get("control", {}).get("memory_bytes", vm["memory"]) / plant.MB


def measure(scene, load, workload, pace, chance):
    """Let jobs come, look at the memory; all metrics of an arm."""
    began = time.monotonic()
    turned_away, memories = scene.turned_away, []
    scene.ended()
    gaps = plant.exponential(chance, lambda at: mean_gap(load, workload, pace, at))
    with scene.load(gaps):
        while time.monotonic() - began < pace.arm:
            vm = scene.host.vm(plant.NAME)
            memories.append((time.monotonic() - began, in_force_mb(vm)))
            time.sleep(LOOK_S)
        # what has ended until now; the rest ends without being looked at
        jobs = scene.ended()
    if not jobs:
        raise LabError("no job has ended")
    return summed(jobs, memories, vm.get("control", {}).get("decisions", 0), began, load, pace,
                  scene.turned_away - turned_away)


def summed(jobs, memories, decisions, began, load, pace, turned_away):
    """The metrics of what was seen."""
    seen = windows(jobs, began, pace)
    error, over = errors(seen, load.slo)
    values = [memory for _, memory in memories]
    return {"error_s": [round(error, 4)], "over_s": [round(over, 4)],
            "memory_mean_mb": [round(stats.mean(values), 2)], "memory_most_mb": [max(values)],
            "response_s": [round(job.response_s, 5) for job in jobs],
            "decisions_count": [decisions], "objective_s": [round(load.slo, 4)],
            "turned_away_count": [turned_away],
            "window_at_s": [at for at, _ in seen],
            "window_response_s": [round(response, 5) for _, response in seen],
            "window_memory_mb": [near(memories, at + pace.window) for at, _ in seen]}


def over_time(result, name, arms):
    """Memory and response over time, of the last repeat."""
    def last(arm, metric):
        count = arm["per_repeat"][metric][-1]
        return arm["samples"][metric][len(arm["samples"][metric]) - count:]

    def curves(metric):
        return [(arm["params"]["scheme"], list(zip(last(arm, "window_at_s"), last(arm, metric))),
                 list(SCHEMES).index(arm["params"]["scheme"])) for arm in arms]

    where, below = report.accelerator_title(result, arms), report.subtitle(result)
    slo = last(arms[0], "objective_s")[0]
    end = max(max(last(arm, "window_at_s")) for arm in arms)
    goal = ("objective", [(0, slo), (end, slo)], len(SCHEMES))
    return [(f"{name}-memory.svg", plot.timeline(f"{name}: memory · {where}", below, "MB",
                                                 curves("window_memory_mb"), AXIS)),
            (f"{name}-response.svg", plot.timeline(f"{name}: response time · {where}", below, "s",
                                                   [*curves("window_response_s"), goal], AXIS))]


EXPERIMENT = Memory()
