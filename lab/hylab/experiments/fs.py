# SPDX-License-Identifier: GPL-2.0-or-later
"""fs - reading and writing files by block size: a virtual disk, the share, 9p, and the host itself.

Figures 12 to 16 of the Hylics paper: sysbench reads and writes one file in order and at random, and
dd writes one anew. What writes ends with fsync(); what is read is in no cache of the guest before.
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile

import hylab
from hylab import LabError, paired, plot, report, stats, wall
from hylab.experiment import Arm, Experiment, Metric
from hylab.sample import Sampler
from hylab.vm import Share, Spec, Vm

KB, MB, MIB = 1 << 10, 1e6, 1 << 20
SIZES, QUICK_SIZES = (4 * KB, 16 * KB, 128 * KB, MIB), (4 * KB, MIB)
FILE = "test_file.0"        # sysbench's name for its first file
FILE_BYTES = 64 * MIB
# What one test makes at most: no more than the file once, since a second time a guest's cache
# would serve. The host has no such cache and is quicker, so it makes several times as many.
OPERATIONS, QUICK_OPERATIONS, HOST_TIMES = 2048, 512, 8
DISK_BYTES = 3 * FILE_BYTES     # for the file, dd's, and what ext4 takes
TMPFS_BYTES = 2 << 30           # a limit: about half of it is used
# What hylicsd starts its virtiofsd with, see hylicsd/virtiofs.c; its default is cache=auto.
VIRTIOFSD_OPTIONS = "sandbox=namespace,xattr"
VM_MEMORY, VM_LIMIT_S = "512M", 6 * 3600
MOUNTS = "/mnt"
BUSY_FILE = "busy"              # the guest's word that its CPU works
TOLD_S = 60                     # for a short command in the guest
WARM_OPERATIONS = 128


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to the bytes of a file."""
    about: str
    type: str               # of the mount in the guest; "host": there is none
    cache: str = ""         # cache mode of a share; of a disk where its image is
    busy: bool = False      # the guest's CPU has other work meanwhile
    of: str = ""            # the way whose directory it is, if not its own
    sizes: tuple = SIZES    # of blocks


WAYS = {
    "blk": Way("ext4 on virtio-blk, the image on this machine's disk and not in its cache",
               "ext4", "disk"),
    "blk-mem": Way("ext4 on virtio-blk, the image in memory", "ext4", "memory"),
    "virtiofs-auto": Way("the share, cache=auto, hylicsd's default", "virtiofs", "auto"),
    "virtiofs-none": Way("the share, cache=none", "virtiofs", "none"),
    "virtiofs-always": Way("the share, cache=always", "virtiofs", "always"),
    "9p": Way("the share over QEMU's 9p, cache=mmap", "9p", "mmap"),
    "virtiofs-auto-busy": Way("the share, cache=auto, while the guest's CPU has other work",
                              "virtiofs", "auto", busy=True, of="virtiofs-auto",
                              sizes=QUICK_SIZES),     # everything takes twice as long there
    "host": Way("the share's tmpfs from the host", "host", of="virtiofs-auto"),
    "host-busy": Way("the share's tmpfs from the host, while the guest's CPU works", "host",
                     busy=True, of="virtiofs-auto"),
}
SHARE, DISKS = "virtiofs-auto", ("blk", "blk-mem")


@dataclasses.dataclass(frozen=True)
class Test:
    """What is measured of each way and block size."""
    label: str
    figure: str             # of the paper
    mode: str = ""          # sysbench's word; none: dd
    counted: str = "written"

    @property
    def reads(self):
        """Whether it reads."""
        return self.counted == "read"


TESTS = {
    "seq_read_mb_per_s": Test("Sequential reading", "12, 15", "seqrd", "read"),
    "rnd_read_mb_per_s": Test("Random reading", "12, 15", "rndrd", "read"),
    "seq_write_mb_per_s": Test("Sequential writing", "13, 16", "seqrewr"),
    "rnd_write_mb_per_s": Test("Random writing", "13, 16", "rndwr"),
    "dd_write_mb_per_s": Test("Writing with dd", "14"),
}


# --- what is run, and what it says --------------------------------------------------------------

def operations(size, quick, way):
    """How many blocks a test reads or writes."""
    most = QUICK_OPERATIONS if quick else OPERATIONS
    share = FILE_BYTES // (4 if quick else 1)
    return min(most, share // size) * (HOST_TIMES if way.type == "host" else 1)


def sysbench(mode, size, count, seed):
    """sysbench's words: one thread, synchronous calls, fsync() once at the end of what writes."""
    return ["sysbench", "fileio", "--file-num=1", f"--file-total-size={FILE_BYTES}",
            "--file-fsync-freq=0", "--rand-type=uniform", f"--rand-seed={seed}",
            f"--file-block-size={size}", f"--file-test-mode={mode}", "--time=0",
            f"--events={count}", "run"]


def sysbench_speed(text, counted, count):
    """MB/s; LabError unless it did all it was told to, fsync() included."""
    found = dict(re.findall(r"^ *([a-z/ ,A-Z]+): +([\d.]+)$", text, re.MULTILINE))
    if int(found.get("total number of events", 0)) != count:
        raise LabError(f"sysbench did not do its {count} operations: {text.strip()[-300:]}")
    if counted == "written" and not float(found["fsyncs/s"]):
        raise LabError("sysbench wrote without fsync()")
    speed = float(found[f"{counted}, MiB/s"])
    if not speed:
        raise LabError(f"sysbench: nothing {counted}")
    return round(speed * MIB / MB, 3)


def dd_words(size, count):
    """dd's words, in the directory to write to. It cuts the file to nothing before it counts."""
    return ["dd", "if=/dev/zero", "of=written", f"bs={size}", f"count={count}", "conv=fsync"]


def dd_speed(text, wanted):
    """MB/s; LabError unless all was written."""
    found = re.search(r"^(\d+) bytes .*copied, ([\d.e+-]+) s", text, re.MULTILINE)
    if not found or int(found[1]) != wanted:
        raise LabError(f"dd did not write {wanted} bytes: {text.strip()[-300:]}")
    return round(wanted / float(found[2]) / MB, 3)


def forget(file):
    """Shell text that writes a file back and takes it out of the page cache."""
    return f"dd of={file} oflag=nocache conv=notrunc,fdatasync count=0 status=none"


# --- the place ----------------------------------------------------------------------------------

class Place:
    """The directories, the images, and the VM that has them all; booted when it is first wanted."""

    def __init__(self, stack):
        self._stack = stack
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fs-", dir=wall.RUN))
        self.tmpfs = pathlib.Path(folder)
        wall.mount_tmpfs(folder, TMPFS_BYTES, stack)
        content = os.urandom(FILE_BYTES)
        self.images, self._vm = {}, None
        for name, way in WAYS.items():
            if way.type != "ext4" and not way.of:
                self.directory(name).mkdir()
                (self.directory(name) / FILE).write_bytes(content)
        for name in DISKS:
            self.images[name] = self._make_image(WAYS[name].cache == "memory")
        stack.callback(self.drop_vm)

    def directory(self, name):
        """A way's directory on the host."""
        return self.tmpfs / (WAYS[name].of or name)

    def _make_image(self, in_memory):
        """A file system with the test file, in a file without a name: a killed run leaves none."""
        hylab.WORK.mkdir(parents=True, exist_ok=True)
        image = self._stack.enter_context(
            tempfile.TemporaryFile(dir=self.tmpfs if in_memory else hylab.WORK))
        image.truncate(DISK_BYTES)
        words = ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-d",
                 str(self.directory(SHARE)), path_of(image)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"mkfs.ext4: {done.stderr.strip()}")
        return image

    def vm(self):
        """The VM, with everything mounted, each way used once before."""
        if not self._vm:
            self._vm = Vm(self._spec())
            self._vm.start()
            self._vm.wait_ready()
            self._prepare()
        return self._vm

    def _spec(self):
        shares = tuple(Share(name, str(self.directory(name)), f"{MOUNTS}/{name}", way.type,
                             way.cache, options=VIRTIOFSD_OPTIONS)
                       for name, way in WAYS.items() if way.type in ("virtiofs", "9p")
                       and not way.of)
        return Spec(name="fs", memory=VM_MEMORY, shares=shares, time_limit_s=VM_LIMIT_S,
                    disks=tuple(path_of(image) for image in self.images.values()))

    def _prepare(self):
        """Mount the disks, and run everything once: an emulator has translated the code then."""
        for letter, name in zip("ab", self.images):
            self.tell(f"mkdir -p {MOUNTS}/{name} && mount -t ext4 /dev/vd{letter} {MOUNTS}/{name}")
        for name, way in WAYS.items():
            if way.type != "host" and not way.of:
                words = shlex.join(sysbench("rndrw", 16 * KB, WARM_OPERATIONS, 1))
                self.tell(f"cd {MOUNTS}/{name} && {words} && {forget(FILE)}")

    def tell(self, script, timeout_s=TOLD_S):
        """A command in the guest that has to succeed; what it printed on both."""
        done = self.vm().run(script, timeout_s=timeout_s)
        if done.code:
            raise LabError(f"in the guest: {script}: {done.code}: {done.stderr.strip()[-300:]}")
        return done.stdout + done.stderr

    def drop_vm(self):
        """End the VM; the next one that wants it boots another."""
        vm, self._vm = self._vm, None
        if vm:
            vm.close()

    def forget_image(self, name):
        """Take a disk's image out of the host's page cache, so that reads reach the disk."""
        image = self.images[name].fileno()
        os.fsync(image)
        os.posix_fadvise(image, 0, 0, os.POSIX_FADV_DONTNEED)

    @contextlib.contextmanager
    def busy(self):
        """The guest's CPU works."""
        vm = self.vm()
        told = vm.exchange_directory / BUSY_FILE
        told.unlink(missing_ok=True)
        job = vm.spawn(f"echo $$ > {vm_path(BUSY_FILE)}; while :; do :; done")
        vm.wait_event(file=BUSY_FILE, timeout_s=TOLD_S)
        yield
        self.tell(f"kill $(cat {vm_path(BUSY_FILE)})")
        vm.wait(job, TOLD_S)


def vm_path(name):
    """A file of the exchange directory as the guest names it."""
    return f"/run/hylab/{name}"


def path_of(file):
    """A path to an open file that other processes of the wall can open as well."""
    return f"/proc/{os.getpid()}/fd/{file.fileno()}"


def on_host(words, directory, limit_s):
    """A command on the host; what it printed on both."""
    done = subprocess.run(words, cwd=directory, capture_output=True, text=True, check=False,
                          timeout=limit_s, env={**os.environ, "LC_ALL": "C"})
    if done.returncode:
        raise LabError(f"{words[0]} on the host: {done.stderr.strip()[-300:]}")
    return done.stdout + done.stderr


# --- the experiment -----------------------------------------------------------------------------

def arm_name(way, size):
    """virtiofs-auto-4k."""
    return f"{way}-{plot.size_label(size).lower()}"


def make_arms():
    """Every way for every size; those of one size run next to each other."""
    for size in SIZES:
        text = plot.size_label(size)
        for name, way in ((name, way) for name, way in WAYS.items() if size in way.sizes):
            yield Arm(arm_name(name, size), f"{way.about}; blocks of {text}",
                      {"way": name, "block_bytes": size, "cache": way.cache or "none"},
                      group=text.lower())


def sizes_of(result):
    """The block sizes that were measured."""
    return [size for size in SIZES if any(
        arm["samples"] and arm["params"]["block_bytes"] == size for arm in result["arms"])]


def cells(result, name, metric):
    """{size: an arm's samples} of a way."""
    arms = {arm["name"]: arm["samples"].get(metric) for arm in result["arms"]}
    return {size: arms[arm_name(name, size)] for size in SIZES if arms.get(arm_name(name, size))}


def spread(samples):
    """(median, p10, p90)."""
    return tuple(stats.quantile(samples, p) for p in (0.5, 0.1, 0.9))


def against(result, metric, way, base):
    """{size: what stats.compare() found} of one way against another."""
    found = {size: paired.ratio(result, metric, arm_name(way, size), arm_name(base, size))
             for size in SIZES}
    return {size: ratio for size, ratio in found.items() if ratio}


def range_words(found):
    """0.98 (4K) to 2.1 (1M): the lowest and the highest of the ratios, and where."""
    if not found:
        return "not measured"
    ends = sorted((ratio["ratio"], size) for size, ratio in found.items())
    words = [f"{report.number(ratio)} ({plot.size_label(size)})" for ratio, size in ends]
    return words[0] if len(words) == 1 else f"{words[0]} to {words[-1]}"


def ahead_words(found):
    """At how many of the sizes the whole interval is above 1, below, or contains it."""
    fewest = min(ratio["pairs"] for ratio in found.values())
    if stats.best_coverage(fewest) < 0.95:
        return f"pairs: {fewest}, too few to tell"
    ahead = sum(ratio["low"] > 1 for ratio in found.values())
    behind = sum(ratio["high"] < 1 for ratio in found.values())
    return (f"ahead at {ahead}, behind at {behind}, open at {len(found) - ahead - behind}"
            f" of {len(found)} sizes")


class Fs(Experiment):
    """See the module."""
    name = "fs"
    summary = "reading and writing files by block size: virtual disk, share, 9p, host"
    takes = "12 min, quick 1 min"
    paper = ("Hylics, figures 12 to 16: sysbench and dd on a virtual disk, on the shared file"
             " system, and on the host. Their values are in the pictures alone.")
    arms = tuple(make_arms())
    quick_arms = tuple(arm.name for arm in arms if arm.params["block_bytes"] in QUICK_SIZES)
    metrics = (
        *(Metric(name, test.label, better="higher", compare=False) for name, test in TESTS.items()),
        Metric("guest_cpu_pct", "CPU of QEMU where the guest has other work", compare=False),
    )
    baseline = "blk-4k"
    repeats, quick_repeats = 6, 1
    reading = (
        f"One thread, one file of {FILE_BYTES // MIB} MB, synchronous calls, at random evenly over"
        " the file. What is written counts when fsync() has returned; sequential and random writing"
        " rewrite a file that is there, dd one that it has cut to nothing.",
        "Before each test of a guest the file is taken out of the guest's page cache; nothing keeps"
        " the kernel from reading ahead, so small blocks in order are not small requests where a"
        " cache is allowed. cache=none has no page cache at all.",
        "blk reads from the machine's disk: its image is taken out of the host's page cache before"
        " each test. blk-mem has its image in memory, as the share is: what is left between the two"
        " is the way alone. A machine whose disk is itself virtual may cache below.",
        f"On the host a test makes {HOST_TIMES} times as many operations, so that it lasts.",
        "Beside a guest that works, what counts is what its own way loses against what the host's"
        " does: the guest has one CPU for both, the host has others.",
        "One VM serves the whole run: what differs from boot to boot is not in the spread.",
    )

    def skip(self, _arm):
        """The guest's programs are the host's."""
        missing = [tool for tool in ("sysbench", "mkfs.ext4") if not shutil.which(tool)]
        return f"{missing[0]} is not installed (Debian: sysbench, e2fsprogs)" if missing else None

    @contextlib.contextmanager
    def session(self, ctx):
        """Files and VM stay for the whole run."""
        with contextlib.ExitStack() as stack:
            place = Place(stack)
            kind = subprocess.run(["stat", "-f", "-c", "%T", str(hylab.WORK)], text=True,
                                  capture_output=True, check=False).stdout.strip()
            ctx.note(f"the image of blk is on {kind or 'an unknown file system'}")
            yield place

    def run_arm(self, ctx, arm, repeat):
        """All the tests of a way and a size."""
        place, way = ctx.session, WAYS[arm.params["way"]]
        try:
            if way.type != "host":
                ctx.ran_on(arm, place.vm().accelerator)
            if not way.busy:
                return self.measure(ctx, arm, repeat)
            with place.busy(), Sampler([place.vm().pids()["qemu"]]) as guest:
                measured = self.measure(ctx, arm, repeat)
        except BaseException:
            place.drop_vm()     # whatever it was, the next arm gets a VM that is whole
            raise
        used = guest.sample.total.cpu_s / guest.sample.seconds
        return {**measured, "guest_cpu_pct": [round(100 * used, 1)]}

    @staticmethod
    def measure(ctx, arm, repeat):
        """Metric -> its one sample."""
        place, name, size = ctx.session, arm.params["way"], arm.params["block_bytes"]
        way = WAYS[name]
        count, seed = operations(size, ctx.quick, way), ctx.seed * 1000 + repeat + 1
        found = {}
        for metric, test in TESTS.items():
            words = sysbench(test.mode, size, count, seed) if test.mode else dd_words(size, count)
            text = run_test(place, name, words, ctx.time_left_s())
            found[metric] = [sysbench_speed(text, test.counted, count) if test.mode
                             else dd_speed(text, size * count)]
        return found

    def sections(self, result):
        """What stands beside the paper's, a table by way and size for each test, and ratios."""
        sizes, found = sizes_of(result), []
        for metric, test in TESTS.items():
            rows = [(name, *(cell_words(by_size.get(size)) for size in sizes))
                    for name in WAYS if (by_size := cells(result, name, metric))]
            if rows:
                found.append((f"{test.label} by block size, MB/s: median (p10 – p90)",
                              size_table("", sizes, rows) + guest_picture(result, metric)))
        return paper_section(result) + found + host_section(result) + [
            section for heading, pairs in (
                ("The share against the virtual disk", [(SHARE, base) for base in DISKS]),
                ("While the guest's CPU works", [(f"{way}-busy", way) for way in BUSY_WAYS]))
            for section in ratio_section(heading, ratio_rows(result, pairs), sizes)]

    def pictures(self, result):
        """For each test the guest's ways over the block size; for the host its tests."""
        found = []
        for metric, test in TESTS.items():
            found += picture(result, picture_name(metric), f"{test.label} in the guest",
                             [(name, name, metric) for name in GUEST_WAYS])
        for (name, title), lines in host_lines().items():
            found += picture(result, name, title, lines)
        return found

    def findings(self, result):
        """The share against the disks, and what a guest that works costs."""
        found = []
        for metric, test in TESTS.items():
            for base in DISKS:
                ratios = against(result, metric, SHARE, base)
                if ratios:
                    found.append(f"{test.label}, {SHARE} / {base}: {range_words(ratios)};"
                                 f" {ahead_words(ratios)}")
        for way in BUSY_WAYS:
            ratios = [ratio["ratio"] for metric in TESTS
                      for ratio in against(result, metric, f"{way}-busy", way).values()]
            if ratios:
                found.append(f"While the guest's CPU works {way} keeps"
                             f" {report.number(stats.geometric_mean(ratios))} of its speed"
                             f" (geometric mean over {len(ratios)} ratios)")
        return found


def run_test(place, name, words, limit_s):
    """One command of a test, on the host or in the guest; what it printed."""
    if WAYS[name].type == "host":
        text = on_host(words, place.directory(name), limit_s)
        (place.directory(name) / "written").unlink(missing_ok=True)
        return text
    before = f"cd {MOUNTS}/{WAYS[name].of or name} && {forget(FILE)}"
    if WAYS[name].cache == "disk":
        place.tell(before, limit_s)
        place.forget_image(name)
    return place.tell(f"{before} && {shlex.join(words)}", limit_s)


# --- the report ---------------------------------------------------------------------------------

BUSY_WAYS = tuple(name for name in WAYS if f"{name}-busy" in WAYS)
GUEST_WAYS = tuple(name for name, way in WAYS.items() if way.type != "host")
HOST_WAYS = tuple(name for name, way in WAYS.items() if way.type == "host")
# What the paper says of its figures; their axes have no text that could be quoted.
PAPER_SAYS = (
    ("12: reading in the VM", ("seq_read_mb_per_s", "rnd_read_mb_per_s"),
     "the share is faster, in order and at random"),
    ("13: writing in the VM", ("seq_write_mb_per_s", "rnd_write_mb_per_s"),
     "the share is faster, in order and at random"),
    ("14: dd in the VM", ("dd_write_mb_per_s",), "the share is faster in all experiments"),
)
STEADY = "the share is steadier"
SMALL_BLOCKS = "the gain is largest for small blocks at random"
HOST_FIGURES = (("15: reading on the host", ("seq_read_mb_per_s", "rnd_read_mb_per_s")),
                ("16: writing on the host", ("seq_write_mb_per_s", "rnd_write_mb_per_s")))


def cell_words(samples):
    """407 (380 – 430)."""
    if not samples:
        return ""
    middle, low, high = map(report.number, spread(samples))
    return f"{middle} ({low} – {high})" if len(samples) > 1 else middle


def size_table(corner, sizes, rows):
    """A table with a column for each size."""
    return report.table((corner, *map(plot.size_label, sizes)), rows)


def ratio_rows(result, pairs):
    """A table's rows: a test of a way against another, by size."""
    rows = []
    for way, base in pairs:
        for metric, test in TESTS.items():
            found = against(result, metric, way, base)
            if found:
                rows.append((f"{test.label}: {way} / {base}", *(
                    paired.in_words(found[size]) if size in found else ""
                    for size in sizes_of(result))))
    return rows


def ratio_section(heading, rows, sizes):
    """(heading, lines) as a list of one; empty without rows."""
    return [(heading, size_table("ratio (95 %)", sizes, rows))] if rows else []


def picture_name(metric):
    """The file of a test's picture by block size."""
    return f"by_size_{metric}.svg"


def guest_picture(result, metric):
    """Where the picture of a test is, if a guest made it."""
    if not any(cells(result, way, metric) for way in GUEST_WAYS):
        return []
    return ["", f"![{TESTS[metric].label} in the guest]({picture_name(metric)})"]


def picture(result, name, title, lines):
    """(file name, script) as a list of one; lines = [(label, way, metric)], those that were
    measured are drawn."""
    curves = [(label, [(size, *spread(samples)) for size, samples in by_size.items()], place)
              for place, (label, way, metric) in enumerate(lines)
              if (by_size := cells(result, way, metric))]
    if not curves:
        return []
    ways = {way for _, way, _ in lines}
    arms = [arm for arm in result["arms"] if arm["samples"] and arm["params"]["way"] in ways]
    return [(name, plot.by_size(f"{title} · {report.accelerator_title(result, arms)}",
                                report.subtitle(result), "bytes of a block",
                                "MB/s (bar: p10 – p90)", curves))]


def host_lines():
    """{(picture's file, title): what it shows} of the host's figures: reading, writing."""
    return {(f"host_{'read' if reads else 'write'}.svg",
             f"{'Reading' if reads else 'Writing'} on the host"):
            [(f"{test.label}{', the guest works' if WAYS[way].busy else ''}", way, metric)
             for way in HOST_WAYS for metric, test in TESTS.items() if test.reads == reads]
            for reads in (True, False)}


def host_section(result):
    """The host's pictures; its figures are in the tables above."""
    shown = [f"![{title}]({name})" for (name, title), lines in host_lines().items()
             if any(cells(result, way, metric) for _, way, metric in lines)]
    return [("The host's own, by block size", shown)] if shown else []


def small_blocks_words(result):
    """Whether the share's gain at random is largest with the smallest block."""
    found = []
    for base in DISKS:
        for metric in ("rnd_read_mb_per_s", "rnd_write_mb_per_s"):
            ratios = against(result, metric, SHARE, base)
            if ratios:
                most = max(ratios, key=lambda size, by=ratios: by[size]["ratio"])
                found.append(f"{TESTS[metric].label.lower()} / {base}: largest at"
                             f" {plot.size_label(most)}")
    return "; ".join(found)


def steady_words(result):
    """How far p10 and p90 lie apart when writing, of the median, in the middle over the sizes."""
    found = []
    for name in (SHARE, *DISKS):
        spreads = [(high - low) / middle
                   for metric in ("seq_write_mb_per_s", "rnd_write_mb_per_s")
                   for samples in cells(result, name, metric).values() if len(samples) > 1
                   for middle, low, high in [spread(samples)]]
        if spreads:
            found.append(f"{name} {report.number(stats.median(spreads))}")
    return "(p90 - p10) / median: " + ", ".join(found) if found else ""


def paper_section(result):
    """Figure by figure."""
    rows = []
    for figure, metrics, says in PAPER_SAYS:
        for base in DISKS:
            ours = [f"{TESTS[metric].label.lower()} {range_words(found)}, {ahead_words(found)}"
                    for metric in metrics if (found := against(result, metric, SHARE, base))]
            if ours:
                rows.append((figure, says, f"{SHARE} / {base}: " + "; ".join(ours)))
    for figure, says, ours in (("13: spread", STEADY, steady_words(result)),
                               ("12, 13: small blocks", SMALL_BLOCKS, small_blocks_words(result))):
        if ours:
            rows.append((figure, says, ours))
    for figure, metrics in HOST_FIGURES:
        lowest = [stats.median(samples) for metric in metrics
                  for samples in cells(result, "host", metric).values()]
        if lowest:
            rows.append((figure, "gigabits per second",
                         f"{report.number(min(lowest) * 8 / 1000)} to"
                         f" {report.number(max(lowest) * 8 / 1000)} Gbit/s (medians)"))
    if not rows:
        return []
    where = report.ACCELERATORS[result["accelerator"]].split(":")[0]
    return [(f"Beside the paper's figures ({where})",
             report.table(("figure", "Hylics paper, KVM", "ours"), rows))]


EXPERIMENT = Fs()
