# SPDX-License-Identifier: GPL-2.0-or-later
"""identify - how long a job takes, by how much of its share is in memory: a model for hylicsd.

Jobs run one at a time with each amount of memory; then under load while memory is moved at random,
which tells how many outputs and inputs of before foretell the next. Both go through control/.
"""

import contextlib
import dataclasses
import random
import time

from hylab import LabError, fit, plant, plant_vm, plot, report, stats
from hylab.experiment import Arm, Experiment, Metric

QUICK_RUNS = 24                     # with an amount of memory
QUICK_MEMORIES = (16, 48, 96, 192)
NOISE = "noise"
STEPS, QUICK_STEPS = 60, 16         # of memory, at random
STEP_S, QUICK_STEP_S = 12, 4
GAP_S = 0.8                         # between jobs meanwhile: half of what the guest can do
BY_PAPER = {"na": 1, "nb": 0}       # where nothing tells


@dataclasses.dataclass(frozen=True)
class Scene:
    """A guest, and its job."""
    make: object            # of the job: a plant
    job: str
    size: plant.Size
    runs: int               # with an amount of memory, in a repeat
    has_noise: bool = True

    @property
    def about(self):
        """In words."""
        return plant.JOBS[self.job] + (", in a VM" if self.size is plant_vm.SIZE else "")


SCENES = {
    "pigz": Scene(plant.Plant, "pigz", plant.SIZE, 25),
    "remux": Scene(plant.Plant, "remux", plant.SIZE, 25),
    "vm": Scene(plant_vm.PlantVm, "pigz", plant_vm.SIZE, 10, has_noise=False),
}


def arm_name(scene, what):
    """With so many MB, or of its noise."""
    return f"{scene}-{what}" if what == NOISE else f"{scene}-m{what}"


def make_arms():
    """For each scene."""
    for name, scene in SCENES.items():
        for memory in scene.size.memories:
            yield Arm(arm_name(name, memory), f"{scene.about}; alone, with {memory} MB",
                      {"job": scene.job, "memory_mb": memory}, group=name)
        if scene.has_noise:
            yield Arm(arm_name(name, NOISE), f"{scene.about}; under load, while memory is moved"
                      " at random", {"job": scene.job}, group=name)


def samples(result, arm, metric):
    """Of an arm that may not be there."""
    return next((each["samples"].get(metric, []) for each in result["arms"]
                 if each["name"] == arm), [])


def runs_of(result, name):
    """{MB: seconds of its jobs} of a scene, as far as there are any."""
    found = {memory: samples(result, arm_name(name, memory), "service_s")
             for memory in SCENES[name].size.memories}
    return {memory: seconds for memory, seconds in found.items() if seconds}


def orders(result, name):
    """What foretells best, with its r2; None if nothing does better than the mean."""
    arm = arm_name(name, NOISE)
    responses = samples(result, arm, "response_s")
    if not responses:
        return None
    try:
        found = fit.order(*fit.series(samples(result, arm, "noise_mb"), responses))
    except LabError:
        return None
    return found if found["r2"] > 0 else None


def curves(result):
    """{scene: (its runs, its curve)} of those that have one."""
    found = {}
    for name in SCENES:
        runs = runs_of(result, name)
        with contextlib.suppress(LabError):
            if runs:
                found[name] = runs, fit.curve([(m, stats.mean(x)) for m, x in runs.items()])
    return found


def told(name, runs, curve, order):
    """Of a scene, for the report."""
    least, most = min(runs), max(runs)
    low, high = fit.seconds(curve, most), fit.seconds(curve, least)
    yield (f"{name}: {curve['a']:.3f} s + {curve['b']:.2f} / (m + {curve['c']:.1f}), r2"
           f" {curve['r2']:.3f}; {high:.3f} s with {least} MB, {low:.3f} s with {most} MB:"
           f" {high / low:.2f} times as long")
    if not SCENES[name].has_noise:
        return
    yield (f"{name}: nA {order['na']}, nB {order['nb']} foretell best, r2 {order['r2']:.3f} of what"
           " they were not learnt from" if order else
           f"{name}: no orders are known that foretell better than the mean does; the model has"
           " the paper's")


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
        "`model-NAME.conf` beside this report is what `hylics vm set NAME model=FILE` takes.",
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
            with SCENES[group].make(SCENES[group].job, errors=log) as scene:
                yield scene

    def run_arm(self, ctx, arm, repeat):
        # the same files in the same order, however much memory there is
        ctx.shared.choose(ctx.seed + repeat)
        if ctx.shared.accelerator:
            ctx.ran_on(arm, ctx.shared.accelerator)
        if "memory_mb" in arm.params:
            return {"service_s": ctx.shared.service_times(
                arm.params["memory_mb"], QUICK_RUNS if ctx.quick else SCENES[arm.group].runs)}
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
        return [line for name, (runs, curve) in curves(result).items()
                for line in told(name, runs, curve, orders(result, name))]

    def files(self, result):
        return [(f"model-{name}.conf",
                 fit.model(SCENES[name].job, curve, orders(result, name) or BY_PAPER, runs,
                           sum(map(len, runs.values()))))
                for name, (runs, curve) in curves(result).items()]

    def pictures(self, result):
        return [(f"{name}-by-memory.svg", self._picture(result, name, runs, curve))
                for name, (runs, curve) in curves(result).items()]

    @staticmethod
    def _picture(result, name, runs, curve):
        seen = [(m * plant.MB, stats.mean(x), stats.quantile(x, 0.1), stats.quantile(x, 0.9))
                for m, x in runs.items()]
        fitted = [(m * plant.MB, *(fit.seconds(curve, m),) * 3) for m in runs]
        arms = [arm for arm in result["arms"] if arm["name"].startswith(f"{name}-")]
        return plot.by_size(
            f"Service time of {name} · {report.accelerator_title(result, arms)}",
            report.subtitle(result), "memory of the share", "s",
            [("mean, p10 to p90", seen, 0), ("the fitted curve", fitted, 1)])


EXPERIMENT = Identify()
