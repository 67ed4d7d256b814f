# SPDX-License-Identifier: GPL-2.0-or-later
"""hybrid - a guest that transcodes and streams, or compresses and delivers: who should deliver.

Two loads, each alone, in the guest together, by a module, on moved connections and on the host; by
vCPUs, threads of the job and size of what is delivered.
"""

from hylab.contest import READING, Contest, make_arms

ALONE = ("alone-net", "alone-job")
TOGETHER = ("interference", "module", "socket", "host")
SIZES = {"100k": 100 << 10, "1m": 1 << 20, "16m": 16 << 20}
LOADS = ("transcode", "compress")


def _arms():
    for load in LOADS:
        for setting in ("q100", "vm", "vm-1g"):
            yield from make_arms(f"{load}-{setting}", setting, load, ALONE + TOGETHER)
        for threads in (1, 2):
            yield from make_arms(f"{load}-vm-2-t{threads}", "vm-2", load, TOGETHER, threads)
        for name, size in SIZES.items():
            yield from make_arms(f"{load}-q100-{name}", "q100", load, TOGETHER, size=size)


class Hybrid(Contest):
    """See the module."""
    name = "hybrid"
    summary = "transcode and stream, compress and deliver: in the guest, by module, socket, host"
    takes = "100 min, quick 3 min"
    paper = ("figures 6 to 11 of MemNet and 17 to 21, 24 and 25 of Hylics: transcoding takes 26 s"
             " instead of 29 with MemNet, 7.8 to 31.2 % less with Hylics; compression up to 26.2 %"
             " less; 32 % less energy for each client with MemNet. Their VMs ran on KVM.")
    arms = tuple(_arms())
    quick_arms = tuple(arm.name for arm in arms if arm.group in (
        "transcode-q100", "compress-q100"))
    baseline = "transcode-q100-interference"
    reading = READING

    def promises(self, group):
        """Of both ways of offloading, against the guest by itself and against the host."""
        pinned = "-vm-2" not in group and not any(group.endswith(f"-{size}") for size in SIZES)
        job = "0.90 (MemNet), 0.69 to 0.92 (Hylics)" if group.startswith("transcode") else \
            "0.74 at best (Hylics)"
        for way in ("module", "socket"):
            gain = {"least": 1.278} if pinned and not group.endswith("-1g") else {}
            yield "mean_mbps", way, "interference", gain, "2.26 (MemNet), 1.41 (Hylics)"
            yield "mean_mbps", way, "alone-net", {"least": 1.0} if pinned else {}, ""
            yield "mean_mbps", way, "host", {}, ""
            yield "job_s", way, "interference", {}, job
            yield "job_s", way, "alone-job", {"most": 1.03} if pinned else {}, ""
            yield ("client_cpu_pct", way, "interference", {},
                   "0.68 of the energy (MemNet)" if way == "module" else "")


EXPERIMENT = Hybrid()
