# SPDX-License-Identifier: GPL-2.0-or-later
"""experiment.py - `hylics lab list` and `hylics lab run`: arms interleaved, repeated, written down.

An experiment is a subclass of Experiment in hylab/experiments/. The arms of a repeat are run one
after the other and each repeat begins with another arm, so that a machine that gets slower for a
while does so for all of them. What is measured is saved after every arm.
"""

import argparse
import contextlib
import dataclasses
import datetime
import difflib
import importlib
import os
import pathlib
import pkgutil
import platform
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback

import hylab
from hylab import LabError, report

EXIT_DONE, EXIT_FAILED, EXIT_SKIPPED = 0, 1, 77
# --quick promises three minutes: no repeat begins that would probably end later than the first
# figure, and no arm may run past the second, which leaves the rest for the pictures.
QUICK_LAST_REPEAT_ENDS_S, QUICK_ARM_ENDS_S = 140, 160
ARM_LIMIT_S = 900
FAILURES_BEFORE_GIVING_UP = 2
REDRAW_S = 0.5
BAR_CELLS = 24


# --- what an experiment is ----------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Arm:
    """One variant that is measured. Arms of one group run next to each other in each repeat."""
    name: str
    about: str
    params: dict = dataclasses.field(default_factory=dict)
    group: str = ""

    @property
    def group_name(self):
        """The group, or the arm's own name where it stands alone."""
        return self.group or self.name


@dataclasses.dataclass(frozen=True)
class Metric:
    """One thing that is measured; the name ends in its unit (report.UNITS)."""
    name: str
    label: str
    better: str = ""        # "lower", "higher", or neither
    picture: str = ""       # "cdf", "dots", or none
    compare: bool = True    # a ratio to the baseline makes sense


class Experiment:
    """What the framework knows of an experiment; fill in the attributes and run_arm()."""
    name = ""
    summary = ""            # one line, no full stop
    takes = ""              # how long on two cores: "4 min, quick 1 min"
    paper = ""              # which paper and figure stands behind it, or nothing
    paper_figures = {}      # (arm name, metric name): the paper's value, as text with its source
    arms = ()
    quick_arms = ()         # names of those that --quick runs, if not all
    metrics = ()
    baseline = ""           # name of the arm others are compared with
    repeats = 10
    quick_repeats = 3
    reading = ()            # sentences: what the numbers say and what they do not

    def skip(self, _arm):
        """Why this machine cannot run the arm, or None."""
        return None

    def session(self, _ctx):
        """Context manager around the whole run; its value is ctx.session."""
        return contextlib.nullcontext()

    def group(self, _ctx, _group, _repeat):
        """Context manager around a repeat's arms of one group; its value is ctx.shared."""
        return contextlib.nullcontext()

    def run_arm(self, ctx, arm, repeat):
        """Measure once. Return: metric name -> list of samples. Raises what it likes on failure."""
        raise NotImplementedError

    def findings(self, _result):
        """Sentences that say what came out, for the terminal and the top of report.md."""
        return []

    def sections(self, _result):
        """(heading, lines of markdown) to stand before the metrics in report.md."""
        return []

    def pictures(self, _result):
        """(file name, gnuplot script) beside those of the metrics."""
        return []

    def files(self, _result):
        """(file name, text) to stand beside the report, which names them."""
        return []


class Context:
    """What a run gives its arms: its settings, its notes, and how long they may take."""

    def __init__(self, quick, seed, folder):
        self.quick, self.seed, self.folder = quick, seed, pathlib.Path(folder)
        self.session = self.shared = None
        self.notes = []
        self.accelerators = {}
        self._started = time.monotonic()

    def note(self, text):
        """A line for the notes of the result; the same line again changes nothing."""
        if text not in self.notes:
            self.notes.append(text)

    def ran_on(self, arm, accelerator):
        """The arm ran in a VM on kvm or tcg; whoever does not say so ran in namespaces."""
        self.accelerators[arm.name] = accelerator

    def elapsed_s(self):
        """Seconds since the run began."""
        return time.monotonic() - self._started

    def time_left_s(self):
        """Longest that a thing begun now may take: for the time limits of what an arm starts."""
        if not self.quick:
            return ARM_LIMIT_S
        return max(1.0, QUICK_ARM_ENDS_S - self.elapsed_s())


def known_experiments():
    """Every experiment in hylab/experiments/, by name."""
    package = importlib.import_module("hylab.experiments")
    modules = (importlib.import_module(f"hylab.experiments.{found.name}")
               for found in pkgutil.iter_modules(package.__path__))
    return {module.EXPERIMENT.name: module.EXPERIMENT for module in modules}


# --- order --------------------------------------------------------------------------------------

def arm_order(arms, repeat, seed):
    """The arms in the order of this repeat, as lists that are one group each.

    The seed shuffles the groups once; then each repeat starts one group later, and every second
    round goes backwards. The arms inside a group take turns at being the first, too.
    """
    groups = {}
    for arm in arms:
        groups.setdefault(arm.group_name, []).append(arm)
    order = list(groups.values())
    random.Random(seed).shuffle(order)
    turn = repeat % len(order)
    order = order[turn:] + order[:turn]
    if repeat // len(order) % 2:
        order.reverse()
    return [group[repeat % len(group):] + group[:repeat % len(group)] for group in order]


# --- progress -----------------------------------------------------------------------------------

def duration(seconds):
    """0:48 or 1:02:03."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def time_to_go(took, planned):
    """Seconds the planned arms will take, from those that ran; None as long as none has.

    took: arm name -> seconds of its runs so far; planned: names of the arms still to run.
    """
    every = [s for runs in took.values() for s in runs]
    if not every:
        return None
    usual = sum(every) / len(every)
    return sum(sum(took[n]) / len(took[n]) if took.get(n) else usual for n in planned)


def bar(done, total, unicode):
    """The progress bar itself."""
    full = BAR_CELLS * done // total
    return ("█" * full + "░" * (BAR_CELLS - full)) if unicode else \
        ("#" * full + "." * (BAR_CELLS - full))


class Progress:
    """A live line on a terminal, a line per finished arm elsewhere."""

    def __init__(self, name, plan, stream):
        self._name, self._stream = name, stream
        self._todo = [arm.name for arm in plan]
        self._total, self._took = len(plan), {}
        self._what, self._arm_began = "getting ready", time.monotonic()
        self._began, self._ended, self._painter = self._arm_began, threading.Event(), None

    def __enter__(self):
        if self._stream.isatty():
            self._painter = threading.Thread(target=self._paint, daemon=True)
            self._painter.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        if self._painter:
            self._painter.join()
            self._stream.write("\r\033[K")
            self._stream.flush()

    def start(self, what):
        """What is shown from now on."""
        self._what = what

    def finish(self, arm, outcome):
        """The arm ended. Its time began where the last one's ended: a VM's boot is in it."""
        now = time.monotonic()
        took, self._arm_began = now - self._arm_began, now
        self._took.setdefault(arm.name, []).append(took)
        self._todo.remove(arm.name)
        if not self._painter:
            done = self._total - len(self._todo)
            print(f"{self._name}: {self._what}: {outcome}, {took:.1f} s ({done}/{self._total}, "
                  f"{self._remaining(0)})", file=self._stream, flush=True)

    def drop(self, arms):
        """These arms will not be run after all."""
        for arm in arms:
            self._todo.remove(arm.name)

    def _remaining(self, arm_running_s):
        left = time_to_go(self._took, self._todo)
        if left is None:
            return "time left not known yet"
        return f"about {duration(max(0, left - arm_running_s))} left"

    def line(self):
        """The live line as it stands now."""
        now = time.monotonic()
        done = self._total - len(self._todo)
        unicode = "utf" in (getattr(self._stream, "encoding", "") or "").lower()
        return (f"{self._name} {bar(done, self._total, unicode)} {done}/{self._total}  "
                f"{duration(now - self._began)}, {self._remaining(now - self._arm_began)}  "
                f"{self._what}")

    def _paint(self):
        while not self._ended.wait(REDRAW_S):
            width = shutil.get_terminal_size().columns
            self._stream.write("\r\033[K" + self.line()[:width - 1])
            self._stream.flush()


# --- the run ------------------------------------------------------------------------------------

class Run:
    """One run under way: what was asked for and what was measured so far."""

    def __init__(self, experiment, arms, repeats, context, command):
        self.experiment, self.repeats, self.ctx = experiment, repeats, context
        self.skipped = {arm.name: experiment.skip(arm) for arm in arms}
        self.arms = [arm for arm in arms if not self.skipped[arm.name]]
        self.failures, self.ended_early, self.trouble = {}, "", []
        self.result = {
            "version": report.VERSION, "experiment": experiment.name, "commit": commit(),
            "started": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "machine": machine(), "accelerator": "namespaces",
            "arms": [arm_entry(arm, self.skipped[arm.name]) for arm in arms],
            "notes": [], "command": command, "seed": context.seed, "repeats": repeats,
            "quick": context.quick, "partial": True,
        }
        for name, reason in self.skipped.items():
            if reason:
                context.note(f"arm {name} skipped: {reason}")
        context.note("load average when it began: {:.2f}, {:.2f}, {:.2f} (1, 5, 15 minutes)".format(
            *os.getloadavg()))

    def update(self):
        """Bring what the context has gathered into the result."""
        self.result["notes"] = list(self.ctx.notes)
        where = self.ctx.accelerators
        # the VMs' accelerator is the result's; beside VMs every arm says where it ran itself
        self.result["accelerator"] = next(iter(where.values()), "namespaces")
        for entry in self.result["arms"]:
            if where and entry["samples"]:
                entry["params"]["accelerator"] = where.get(entry["name"], "namespaces")

    def save(self):
        """result.json as of now."""
        self.update()
        report.save(self.result, self.ctx.folder)

    def keep(self, arm, repeat, measured):
        """Add what an arm measured in a repeat."""
        entry = next(e for e in self.result["arms"] if e["name"] == arm.name)
        for name, samples in measured.items():
            counts = entry["per_repeat"].setdefault(name, [])
            counts += [0] * (repeat - len(counts)) + [len(samples)]
            entry["samples"].setdefault(name, []).extend(samples)

    def fail(self, arm, repeat, error):
        """Note that an arm failed in a repeat; the traceback goes to errors.log."""
        self.failures[arm.name] = self.failures.get(arm.name, 0) + 1
        kind = "" if isinstance(error, LabError) else f"{type(error).__name__}: "
        self.ctx.note(f"arm {arm.name}, repeat {repeat + 1} failed: {kind}{error}")
        with open(self.ctx.folder / "errors.log", "a", encoding="utf-8") as log:
            log.write(f"--- arm {arm.name}, repeat {repeat + 1}\n")
            traceback.print_exception(error, file=log)
        if self.failures[arm.name] == FAILURES_BEFORE_GIVING_UP:
            self.ctx.note(f"arm {arm.name} given up after {FAILURES_BEFORE_GIVING_UP} failures")

    def given_up(self, arm):
        """Whether the arm failed too often to go on with it."""
        return self.failures.get(arm.name, 0) >= FAILURES_BEFORE_GIVING_UP


def arm_entry(arm, skipped):
    """An arm in result.json before anything is measured."""
    entry = {"name": arm.name, "params": dict(arm.params), "samples": {}, "per_repeat": {}}
    return {**entry, "skipped": skipped} if skipped else entry


def _one_arm(run, progress, arm, repeat):
    try:
        measured = run.experiment.run_arm(run.ctx, arm, repeat)
    except Exception as error:      # whatever it is, what the other arms measured is worth keeping
        run.fail(arm, repeat, error)
        progress.finish(arm, f"failed: {error}")
    else:
        run.keep(arm, repeat, measured)
        progress.finish(arm, "done")
    run.save()


def _one_group(run, progress, arms, repeat):
    """Run one group's arms; if the group cannot even begin, every arm of it has failed."""
    waiting = [arm for arm in arms if not run.given_up(arm)]
    progress.drop([arm for arm in arms if run.given_up(arm)])
    if not waiting:
        return
    progress.start(f"repeat {repeat + 1} of {run.repeats}, {waiting[0].group_name}: starting")
    try:
        with run.experiment.group(run.ctx, waiting[0].group_name, repeat) as run.ctx.shared:
            while waiting:
                arm = waiting.pop(0)
                progress.start(f"repeat {repeat + 1} of {run.repeats}, arm {arm.name}")
                _one_arm(run, progress, arm, repeat)
    except Exception as error:
        for arm in waiting or arms[-1:]:
            run.fail(arm, repeat, error)
        for arm in waiting:
            progress.finish(arm, f"failed: {error}")


def _measure(run, progress):
    longest_s = 0.0
    with run.experiment.session(run.ctx) as run.ctx.session:
        for repeat in range(run.repeats):
            began = run.ctx.elapsed_s()
            if run.ctx.quick and repeat and began + longest_s > QUICK_LAST_REPEAT_ENDS_S:
                run.ctx.note(f"quick: ended after {repeat} of {run.repeats} repeats to stay "
                             "inside three minutes")
                return
            for arms in arm_order(run.arms, repeat, run.ctx.seed):
                _one_group(run, progress, arms, repeat)
            longest_s = max(longest_s, run.ctx.elapsed_s() - began)


def _ended_by_signal(number, _frame):
    raise KeyboardInterrupt(signal.Signals(number).name)


@contextlib.contextmanager
def _signals(handler, numbers=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)):
    before = [(number, signal.signal(number, handler)) for number in numbers]
    try:
        yield
    finally:
        for number, old in before:
            signal.signal(number, old)


def _measure_until_ended(run, stream):
    try:
        with _signals(_ended_by_signal):
            with Progress(run.experiment.name, run.arms * run.repeats, stream) as progress:
                run.save()
                _measure(run, progress)
    except KeyboardInterrupt as error:
        run.ended_early = f"stopped by {error or 'SIGINT'}"
    except Exception as error:      # not an arm's but a session's: the result says so and is kept
        run.ended_early = f"ended by {type(error).__name__}: {error}"
        traceback.print_exc(file=stream)


def finish_result(run):
    """Mark the result as whole or partial and write it with report and pictures."""
    run.result["partial"] = bool(run.ended_early)
    if run.ended_early:
        run.ctx.note(f"partial: {run.ended_early} after {duration(run.ctx.elapsed_s())}")
    run.update()
    run.trouble = report.write(run.result, run.experiment, run.ctx.folder)


def execute(run, stream):
    """Measure until done, failed or interrupted; then write the result, whichever it was.

    Signals are ignored from the end of the measuring on: a second Ctrl-C must not cost the result.
    """
    with _signals(signal.SIG_IGN):
        if run.arms:
            _measure_until_ended(run, stream)
        finish_result(run)
    if not run.arms:
        return EXIT_SKIPPED
    return EXIT_FAILED if run.ended_early or run.failures else EXIT_DONE


# --- facts --------------------------------------------------------------------------------------

def _output(*command):
    """Standard output of a short command, or nothing if it fails or is missing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def commit():
    """The tree's commit, -dirty if something in it differs; unknown outside a checkout."""
    found = _output("git", "-C", str(hylab.TREE), "rev-parse", "--short=12", "--verify", "HEAD")
    dirty = _output("git", "-C", str(hylab.TREE), "status", "--porcelain") if found else ""
    return f"{found}-dirty" if dirty else found or "unknown"


def machine():
    """CPUs this process may use, their model, kernel, QEMU."""
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*: (.*)$", cpuinfo, re.MULTILINE)
    qemu = re.search(r"version (\S+)", _output("qemu-system-x86_64", "--version"))
    facts = {"cpus": len(os.sched_getaffinity(0)), "kernel": platform.release(),
             "qemu": qemu.group(1) if qemu else "none"}
    return {**facts, "model": model.group(1)} if model else facts


# --- command line -------------------------------------------------------------------------------

def nearest(word, words):
    """", did you mean 'x'?" for a word that is close to one of the words."""
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    return f", did you mean '{close[0]}'?" if close else ""


def _whole(least):
    def parse(text):
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from {least} on")
        return int(text)
    return parse


def parser():
    """The options of `hylics lab list` and `hylics lab run`."""
    top = argparse.ArgumentParser(prog="hylics lab", allow_abbrev=False)
    verbs = top.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="print the experiments", allow_abbrev=False)
    run = verbs.add_parser("run", help="run an experiment and write its report", allow_abbrev=False)
    run.add_argument("name", metavar="NAME", help="see 'hylics lab list'")
    run.add_argument("--quick", action="store_true", help="fewer repeats, under three minutes")
    run.add_argument("--out", metavar="DIR", type=pathlib.Path,
                     help="where to write (default: build/lab/out/NAME-TIME)")
    run.add_argument("--arms", metavar="A,B", help="only these arms")
    run.add_argument("--repeats", metavar="N", type=_whole(1),
                     help="how often each arm is measured")
    run.add_argument("--seed", metavar="N", type=_whole(0), default=1,
                     help="decides the order of arms and whatever chance there is (default: 1)")
    return top


def choose_arms(experiment, wanted, quick=False):
    """The arms named in "a,b", in the experiment's order; all without. ValueError on typos."""
    names = [arm.name for arm in experiment.arms]
    if wanted is None:
        short = experiment.quick_arms if quick else ()
        return [arm for arm in experiment.arms if arm.name in (short or names)]
    asked = [name.strip() for name in wanted.split(",")]
    for name in asked:
        if name not in names:
            raise ValueError(f"{experiment.name} has no arm '{name}'{nearest(name, names)} "
                             f"(arms: {', '.join(names)})")
    return [arm for arm in experiment.arms if arm.name in asked]


def prepare_folder(folder):
    """Make the folder or empty it of an earlier run; ValueError if it holds something else."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out {folder}: not a folder")
    if folder.is_dir() and any(folder.iterdir()):
        try:
            report.load(folder)
        except report.ResultError:
            raise ValueError(f"--out {folder}: not empty and not an earlier result; name another "
                             "folder or empty this one") from None
        report.clear(folder)
        (folder / "errors.log").unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _list(experiments):
    width = max(len(name) for name in experiments)
    for name, experiment in sorted(experiments.items()):
        print(f"{name:{width}}  {experiment.summary} ({experiment.takes})")
        print(f"{'':{width}}  arms: {', '.join(arm.name for arm in experiment.arms)}")
    return EXIT_DONE


def _finish(run, status):
    for text in run.trouble:
        print(f"hylics lab: no picture: {text}", file=sys.stderr)
    for text in run.ctx.notes:
        print(f"note: {text}", file=sys.stderr)
    for text in report.summary(run.result, run.experiment) + run.experiment.findings(run.result):
        print(text)
    print(f"report: {run.ctx.folder / report.REPORT}")
    return status


def main(argv, experiments=None):
    """`hylics lab list|run ...`; argv without the program's name. Return: the exit code."""
    options_of = parser()
    options = options_of.parse_args(argv)
    experiments = experiments or known_experiments()
    if options.verb == "list":
        return _list(experiments)
    if options.name not in experiments:
        options_of.error(f"no experiment '{options.name}'{nearest(options.name, experiments)} "
                         f"(experiments: {', '.join(sorted(experiments))})")
    experiment = experiments[options.name]
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    try:
        arms = choose_arms(experiment, options.arms, options.quick)
        folder = prepare_folder(options.out or hylab.WORK / "out" / f"{experiment.name}-{stamp}")
    except ValueError as error:
        options_of.error(str(error))
    repeats = options.repeats or (
        experiment.quick_repeats if options.quick else experiment.repeats)
    context = Context(options.quick, options.seed, folder)
    if options.quick and not options.arms and experiment.quick_arms:
        context.note(f"quick: {len(arms)} of {len(experiment.arms)} arms")
    run = Run(experiment, arms, repeats, context, shlex.join(["build/hylics", "lab", *argv]))
    return _finish(run, execute(run, sys.stderr))
