# SPDX-License-Identifier: GPL-2.0-or-later
"""What interference, hybrid and profile have in common: arms of a guest with a job and deliveries.

An arm is a setting of the guest (duty.SETTINGS), a load (duty.LOADS) and one of the cases below.
Its clients go on for a while behind the job's end: that is when CPU time per GB is measured, so
that no job is in it.
"""

import contextlib
import dataclasses
import time

from hylab import duty, energy, paired, perf, plot, report, rtp, stats
from hylab.audience import Audience
from hylab.experiment import Arm, Experiment, Metric
from hylab.perf import Perf
from hylab.sample import Sampler

CONNECTIONS = 4
EVERY_S = 0.5               # a rate is the mean over so long
NET_S, QUICK_NET_S = 4.0, 1.5
LEAST_S = 2.0               # a job that ends sooner is watched for so long
LOOK_S = 0.2
RTP_MBPS, RTP_PORT = 50, 5004
CLIENT_GB_PER_S = 2e6 / 8 / 1e9     # a client of 2 Mbit/s


@dataclasses.dataclass(frozen=True)
class Case:
    """Who delivers, and where the job runs."""
    about: str
    way: str = ""       # of duty.WAYS
    job: str = ""
    stream: str = ""    # of rtp.MODES, instead of a way


CASES = {
    "alone-net": Case("the guest delivers and has no job", way="guest"),
    "alone-job": Case("the guest has its job and delivers nothing", job="guest"),
    "interference": Case(duty.WAYS["guest"], way="guest", job="guest"),
    "module": Case(duty.WAYS["module"], way="module", job="guest"),
    "socket": Case(duty.WAYS["socket"], way="socket", job="guest"),
    "host": Case(duty.WAYS["host"], way="host", job="host"),
    "rtp-alone": Case("the guest streams datagrams and has no job", stream="plain"),
    "rtp": Case("the guest streams datagrams", stream="plain", job="guest"),
    "rtp-hylics": Case("the host sends the guest's datagrams", stream="hylics", job="guest"),
}

METRICS = (
    Metric("throughput_mbps", f"Rate of each {EVERY_S:g} s of the job", better="higher",
           compare=False),
    Metric("mean_mbps", "Rate over the job", better="higher", compare=False),
    Metric("gap_ms", f"Longest silence between datagrams in each {EVERY_S:g} s", better="lower",
           compare=False),
    Metric("job_s", "The job", better="lower", compare=False),
    Metric("guest_cpu_s_per_gb", "CPU of the guest to deliver", better="lower", compare=False),
    Metric("host_cpu_s_per_gb", "CPU of the host's helpers to deliver", better="lower",
           compare=False),
    Metric("client_cpu_pct", "CPU of both for a client of 2 Mbit/s", better="lower",
           compare=False),
    Metric("energy_j_per_gb", "Energy of the machine while the job runs, by RAPL", better="lower",
           compare=False),
)
SWITCHES = tuple(
    Metric(f"{phase}_{who}switches_per_{unit}", f"Context switches of {whose}, {when}",
           better="lower", compare=False)
    for phase, when in (("vm", "while the job runs"), ("delivery", "while there is no job"))
    for who, whose in (("", "the guest"), ("host_", "the host's helpers"))
    for unit in ("s", "gb"))
CYCLES = tuple(
    Metric(f"vm_{event.replace('-', '_')}_per_gb", f"The guest's {event}, while the job runs",
           compare=False) for event in perf.EVENTS)
READING = (
    f"{CONNECTIONS} clients ask for the same files again and again, as fast as answers come, on"
    " connections that stay. They check the length of every answer and the bytes of each"
    " connection's first and of one in a hundred; the others they take out of the socket uncopied,"
    " as if they were elsewhere. Their CPU is the host's, and nobody's figure.",
    "The guest's CPU is what its cgroup used: a namespace's programs, or QEMU and virtiofsd. CPU by"
    " GB is measured behind the job's end, while the clients go on.",
    "In pinned settings the guest's cgroup has CPU 0 and all else of the lab the others; no other"
    " process is kept away from either.",
    "A job's time is its own clock's, from just before its program to just behind its end.",
    "In the case host the job runs natively, with the guest's CPUs and quota; beside a VM that is"
    " emulated its time says nothing, and the rate is that of the two seconds from its start.",
)


def make_arms(group, setting, load, cases, threads=1, size=None):
    """The arms of a group: cases in one setting under one load."""
    params = {"setting": setting, "load": load, "threads": threads, **({"bytes": size} if size else
                                                                       {})}
    return [Arm(f"{group}-{case}", f"{duty.SETTINGS[setting].about}: {CASES[case].about}",
                {**params, "case": case}, group=group) for case in cases]


class Contest(Experiment):
    """A guest that computes and delivers; fill in what an Experiment wants, and arms."""
    metrics = METRICS
    repeats, quick_repeats = 8, 1
    counts_switches = False

    def skip(self, arm):
        """Programs, or CPUs, that are not there."""
        setting = duty.SETTINGS[arm.params["setting"]]
        if setting.pinned and len(duty.ALL_CPUS) <= setting.vcpus:
            return "the guest and the host cannot have CPUs of their own here"
        return duty.missing(arm.params["load"])

    @contextlib.contextmanager
    def session(self, _ctx):
        """Files are made once."""
        with duty.Materials() as materials:
            yield materials

    @contextlib.contextmanager
    def group(self, ctx, group, repeat):
        """A guest for a repeat's arms of one setting."""
        params = next(arm.params for arm in self.arms if arm.group == group)
        with duty.Scene(duty.SETTINGS[params["setting"]], ctx.session) as scene:
            files = scene.files(params["load"], params.get("bytes"))
            scene.start_job("guest", params["load"], params["threads"]).wait()     # warm
            yield scene, files

    def run_arm(self, ctx, arm, repeat):
        """One case, once."""
        scene, files = ctx.shared
        ctx.ran_on(arm, scene.accelerator)
        case, load = CASES[arm.params["case"]], arm.params["load"]
        meter = energy.Meter.find()
        if not meter:
            ctx.note("energy: this machine has no RAPL; CPU time stands for it")
        with contextlib.ExitStack() as stack:
            audience = _listening(stack, scene, case, load, files)
            found = self._measure(ctx, scene, arm.params, audience, meter)
        scene.clear()
        return found

    def _measure(self, ctx, scene, params, audience, meter):
        """The job, then deliveries without one."""
        case, tail_s = CASES[params["case"]], QUICK_NET_S if ctx.quick else NET_S
        found = {}
        with _Phase(scene, meter, self.counts_switches) as busy:
            if case.job:
                run = scene.start_job(case.job, params["load"], params["threads"])
                found["job_s"] = [round(run.wait(), 2)]
            if audience:
                busy.last(LEAST_S if case.job else tail_s)
        if audience:
            with _Phase(scene, None, self.counts_switches) as tail:
                tail.last(tail_s)
            heard = audience.end()
            found.update(_rates(heard, busy), **_costs(heard, tail))
            found.update(busy.energy(heard))
            found.update(tail.switches("delivery", heard))
        found.update(busy.switches("vm", audience and heard))
        return found

    # -- the report --

    def groups(self, result):
        """{group: its arms' names by case}, of those that have samples."""
        ran = {entry["name"] for entry in result["arms"] if entry["samples"]}
        found = {}
        for arm in self.arms:
            if arm.name in ran:
                found.setdefault(arm.group, {})[arm.params["case"]] = arm.name
        return found

    def promises(self, group):
        """[(metric, case, base case, {"least": or "most": bound}, the paper's)] of a group."""
        raise NotImplementedError

    def rows(self, result):
        """(label, ratio, pairs, promised, said, the paper's) of each that was measured."""
        found = []
        for group, names in self.groups(result).items():
            for name, case, base, bounds, paper in self.promises(group):
                if case in names and base in names:
                    found += [(f"`{name}` {what}", *rest, paper) for what, *rest in
                              paired.row(result, name, names[case], names[base], **bounds)]
        return found

    def findings(self, result):
        """What was promised."""
        return [f"{what}: {ratio}, promised {promised}: {said}"
                for what, ratio, _, promised, said, _ in self.rows(result) if promised]

    def sections(self, result):
        """The ratios beside the papers', then each group's pictures."""
        rows = self.rows(result)
        table = report.table((*paired.HEAD, "papers"), rows)
        found = [("Beside the papers", [
            *table, "", "A pair is the two arms' medians of the same repeat."])] if rows else []
        names = [name for name, _ in self.pictures(result)]
        return found + ([("Pictures", [line for name in names
                                       for line in (f"![{name[:-4]}]({name})", "")])]
                        if names else [])

    def pictures(self, result):
        """For each group the rates over time and their distribution, and the jobs' times."""
        arms = {entry["name"]: entry for entry in result["arms"]}
        found = []
        for group, names in self.groups(result).items():
            named = [(case, arms[name], number) for number, (case, name) in
                     enumerate(names.items())]
            found += _pictures(result, group, named)
        return found


def _listening(stack, scene, case, load, files):
    """Clients of the case, who have heard something; None if it delivers nothing."""
    if case.way:
        address, port, prefix = stack.enter_context(scene.delivery(case.way, load))
        audience = stack.enter_context(Audience(scene.net.client, address, port, files,
                                                CONNECTIONS, prefix))
        audience.wait_answers(CONNECTIONS)      # behind what connections need to become fast
        return audience
    if not case.stream:
        return None
    listener = stack.enter_context(rtp.Listener(scene.net.client, RTP_PORT))
    file = _joined(files, scene.site.root / "datagrams")
    stack.enter_context(rtp.stream(scene.offload, file, listener, case.stream, RTP_MBPS))
    return listener


def _joined(files, path):
    """All of them in one, twice, so that it is longer than what the host sends in one go."""
    with open(path, "wb") as joined:
        for file in [*files.values()] * 2:
            joined.write(file.read_bytes())
    return path


class _Phase:
    """A stretch of time: what guest and host used of it."""

    def __init__(self, scene, meter, counted):
        self._scene, self._meter, self._counted = scene, meter, counted
        self._closing = contextlib.ExitStack()
        self._samplers = self._perf = self._joules = None
        self.began = self.ended = None
        self.cpu_s = ()         # of the guest, of the host's helpers

    def __enter__(self):
        scene = self._scene
        if self._counted:
            self._samplers = [self._closing.enter_context(Sampler(pids, LOOK_S))
                              for pids in (scene.guest_pids, scene.host_pids)]
            self._perf = self._closing.enter_context(Perf(scene.guest_pids()))
        if self._meter:
            self._joules = self._meter.read()
        self.cpu_s = self._cpu_s()
        self.began = time.monotonic()
        return self

    def __exit__(self, *_):
        self.ended = time.monotonic()
        self.cpu_s = [now - before for now, before in zip(self._cpu_s(), self.cpu_s)]
        if self._meter:
            self._joules = self._meter.since(self._joules)
        self._closing.close()

    def _cpu_s(self):
        return [group.cpu_s() for group in (self._scene.guest_group, self._scene.host_group)]

    def last(self, seconds):
        """It is at least so long."""
        time.sleep(max(0, self.began + seconds - time.monotonic()))

    def gigabytes(self, heard):
        """What clients got in it."""
        return heard.gigabytes(self.began, self.ended)

    def energy(self, heard):
        """Where it can be measured."""
        return {} if not self._meter else {
            "energy_j_per_gb": [round(self._joules / self.gigabytes(heard), 3)]}

    def switches(self, who, heard):
        """Of the guest by that name, and of the host's helpers, where they were counted."""
        if not self._samplers:
            return {}
        guest, host = (sampler.sample for sampler in self._samplers)
        found = {f"{who}_switches_per_s": [round(guest.switches_per_s, 1)],
                 f"{who}_host_switches_per_s": [round(host.switches_per_s, 1)]}
        if heard:
            gigabytes = self.gigabytes(heard)
            found[f"{who}_switches_per_gb"] = [round(guest.total.switches / gigabytes, 1)]
            found[f"{who}_host_switches_per_gb"] = [round(host.total.switches / gigabytes, 1)]
            for event, count in self._perf.counts.items():
                name = f"{who}_{event.replace('-', '_')}_per_gb"
                found[name] = [round(count / gigabytes, 1)]
        return found


def _rates(heard, phase):
    found = {"throughput_mbps": heard.rates_mbps(phase.began, phase.ended, EVERY_S),
             "mean_mbps": [round(heard.rate_mbps(phase.began, phase.ended), 2)]}
    if isinstance(heard, rtp.HeardDatagrams):
        found["gap_ms"] = heard.gaps_ms(phase.began, phase.ended, EVERY_S)
    return found


def _costs(heard, phase):
    guest, host = (round(seconds / phase.gigabytes(heard), 5) for seconds in phase.cpu_s)
    return {"guest_cpu_s_per_gb": [guest], "host_cpu_s_per_gb": [host],
            "client_cpu_pct": [round(100 * CLIENT_GB_PER_S * (guest + host), 6)]}


def _pictures(result, group, named):
    """(file name, script) of a group; named: (case, entry, colour)."""
    where = report.accelerator_title(result, [entry for _, entry, _ in named])
    under, found = report.subtitle(result), []
    rated = [(case, entry, colour) for case, entry, colour in named
             if entry["samples"].get("throughput_mbps")]
    if rated:
        found += [
            (f"{group}-over-time.svg", plot.timeline(
                f"{group}: rate while the job runs, first repeat · {where}", under, "Mbit/s",
                [(case, [((at + 0.5) * EVERY_S, rate) for at, rate in enumerate(
                    report.by_repeat(entry, "throughput_mbps")[0])], colour)
                 for case, entry, colour in rated
                 if report.by_repeat(entry, "throughput_mbps")[0]])),
            (f"{group}-rates.svg", plot.cdf(
                f"{group}: rate of each {EVERY_S:g} s · {where}", under, "Mbit/s",
                [(case, entry["samples"]["throughput_mbps"], colour)
                 for case, entry, colour in rated]))]
    jobs = [(case, entry["samples"]["job_s"],
             f"median {report.number(stats.median(entry['samples']['job_s']))} s", colour)
            for case, entry, colour in named if entry["samples"].get("job_s")]
    if jobs:
        found.append((f"{group}-job.svg", plot.dots(f"{group}: the job · {where}", under,
                                                    "seconds", jobs)))
    return found
