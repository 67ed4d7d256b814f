# SPDX-License-Identifier: GPL-2.0-or-later
"""identify - how long a job takes, by how much of its share is in memory: a model for hylicsd.

Jobs run one at a time with each amount of memory; then under load while memory is moved at random,
which tells how many outputs and inputs of before foretell the next. Both go through control/.
"""

import contextlib
import random
import time

from hylab import LabError, fit, plant, plot, report, stats
from hylab.experiment import Arm, Experiment, Metric

RUNS, QUICK_RUNS = 25, 24           # with an amount of memory, in a repeat
QUICK_MEMORIES = (16, 48, 96, 192)
NOISE = "noise"
STEPS, QUICK_STEPS = 60, 16         # of memory, at random
STEP_S, QUICK_STEP_S = 12, 4
GAP_S = 0.8                         # between jobs meanwhile: half of what the guest can do
BY_PAPER = {"na": 1, "nb": 0}       # where nothing tells


def arm_name(job, what):
    """Of a job with so many MB, or of its noise."""
    return f"{job}-{what}" if what == NOISE else f"{job}-m{what}"


def make_arms():
    """For each job."""
    for job, about in plant.JOBS.items():
        for memory in plant.SIZE.memories:
            yield Arm(arm_name(job, memory), f"{about}; alone, with {memory} MB",
                      {"job": job, "memory_mb": memory}, group=job)
        yield Arm(arm_name(job, NOISE), f"{about}; under load, while memory is moved at random",
                  {"job": job}, group=job)


def samples(result, arm, metric):
    """Of an arm that may not be there."""
    return next((each["samples"].get(metric, []) for each in result["arms"]
                 if each["name"] == arm), [])


def points(result, job):
    """[(MB, mean seconds)] of a job."""
    found = [(memory, samples(result, arm_name(job, memory), "service_s"))
             for memory in plant.SIZE.memories]
    return [(memory, stats.mean(seconds)) for memory, seconds in found if seconds]


def orders(result, job):
    """What foretells best, with its r2; None if nothing does better than the mean."""
    arm = arm_name(job, NOISE)
    responses = samples(result, arm, "response_s")
    if not responses:
        return None
    try:
        found = fit.order(*fit.series(samples(result, arm, "noise_mb"), responses))
    except LabError:
        return None
    return found if found["r2"] > 0 else None


def identify(result, job):
    """(points, curve, orders or None) of a job; None if there is no curve."""
    at = points(result, job)
    try:
        return (at, fit.curve(at), orders(result, job)) if at else None
    except LabError:
        return None


class Identify(Experiment):
    """See the module."""
    name = "identify"
    summary = "service times of jobs by memory, as a model for hylicsd"
    takes = "45 min, quick 3 min"
    paper = ("section 5 of Hylics: E[X|m] by about 100 runs with hardly any load at each m, an"
             " extended inversely proportional function, and nA = 1, nB = 0 by white noise.")
    arms = tuple(make_arms())
    quick_arms = (*(arm_name("pigz", memory) for memory in QUICK_MEMORIES),
                  arm_name("pigz", NOISE))
    metrics = (
        Metric("service_s", "Service time of a job that is alone", better="lower"),
        Metric("response_s", "Mean response time in an interval, while memory is moved",
               compare=False),
        Metric("noise_mb", "Memory in that interval", compare=False),
    )
    baseline = arm_name("pigz", plant.SIZE.most)
    repeats, quick_repeats = 4, 1
    reading = (
        "`model-JOB.conf` beside this report is what `hylics vm set NAME model=FILE` takes.",
        f"The guest is processes with {plant.SIZE.cpus:g} of a CPU; what is not in memory comes"
        f" from a disk that gives {plant.SIZE.read_mb_per_s} MB/s, by the kernel's throttle.",
        "What a VM has beside its files (HY_VM_OVERHEAD) holds some of them, too: with the least"
        " memory more is there than its name says.",
        "r2 of a curve is that of the means; single jobs differ by whether their file was there.",
    )

    def skip(self, arm):
        return plant.missing(arm.params["job"])

    @contextlib.contextmanager
    def group(self, ctx, group, repeat):
        with open(ctx.folder / "hylicsd.log", "a", encoding="utf-8") as log:
            with plant.Plant(group, errors=log) as scene:
                yield scene

    def run_arm(self, ctx, arm, repeat):
        # the same files in the same order, however much memory there is
        ctx.shared.choose(ctx.seed + repeat)
        if "memory_mb" in arm.params:
            return {"service_s": ctx.shared.service_times(
                arm.params["memory_mb"], QUICK_RUNS if ctx.quick else RUNS)}
        # what follows from what needs one series, not the pieces of several
        return self._noise(ctx) if repeat == 0 else {}

    @staticmethod
    def _noise(ctx):
        scene, chance = ctx.shared, random.Random(ctx.seed)
        step_s, steps = (QUICK_STEP_S, QUICK_STEPS) if ctx.quick else (STEP_S, STEPS)
        memories, responses = [], []
        scene.warm()
        with scene.load(plant.exponential(chance, lambda _: GAP_S)):
            for _ in range(steps):
                memory = chance.randint(scene.size.least, scene.size.most)
                scene.set_memory(memory)
                time.sleep(step_s)      # an interval is what is measured
                ended = scene.ended()
                if ended:
                    memories.append(memory)
                    responses.append(round(stats.mean([job.response_s for job in ended]), 6))
        return {"response_s": responses, "noise_mb": memories}

    def findings(self, result):
        lines = []
        for job in plant.JOBS:
            found = identify(result, job)
            if not found:
                continue
            at, curve, order = found
            low, high = (fit.seconds(curve, m) for m in (at[-1][0], at[0][0]))
            lines.append(
                f"{job}: {curve['a']:.3f} s + {curve['b']:.2f} / (m + {curve['c']:.1f}), r2"
                f" {curve['r2']:.3f}; {high:.3f} s with {at[0][0]} MB, {low:.3f} s with"
                f" {at[-1][0]} MB: {high / low:.2f} times as long")
            lines.append(f"{job}: nA {order['na']}, nB {order['nb']} foretell best, r2"
                         f" {order['r2']:.3f} of what they were not learnt from" if order else
                         f"{job}: no orders foretell better than the mean does; the model has"
                         " the paper's")
        return lines

    def files(self, result):
        found = {job: identify(result, job) for job in plant.JOBS}
        return [(f"model-{job}.conf",
                 fit.model(job, curve, order or BY_PAPER, [m for m, _ in at],
                           sum(len(samples(result, arm_name(job, m), "service_s"))
                               for m, _ in at)))
                for job, (at, curve, order) in ((job, it) for job, it in found.items() if it)]

    def pictures(self, result):
        drawn = []
        for job in plant.JOBS:
            found = identify(result, job)
            if found:
                drawn.append((f"{job}-by-memory.svg", self._picture(result, job, *found[:2])))
        return drawn

    @staticmethod
    def _picture(result, job, at, curve):
        seen, fitted = [], []
        for memory, mean in at:
            times = samples(result, arm_name(job, memory), "service_s")
            seen.append((memory * plant.MB, mean, stats.quantile(times, 0.1),
                         stats.quantile(times, 0.9)))
            fitted.append((memory * plant.MB, *(fit.seconds(curve, memory),) * 3))
        return plot.by_size(
            f"Service time of {job} · {report.accelerator_title(result)}",
            report.subtitle(result), "memory of the share", "s",
            [("mean, p10 to p90", seen, 0), ("the fitted curve", fitted, 1)])


EXPERIMENT = Identify()
