# SPDX-License-Identifier: GPL-2.0-or-later
"""profile - how often a guest that transcodes and streams is switched, and the host's helpers."""

from hylab.contest import CYCLES, LOOK_S, METRICS, READING, SWITCHES, Contest, make_arms

SETTINGS = ("q100", "vm", "vm-1g")
CASES = ("alone-job", "interference", "module", "socket", "host")
LEAST_CUT = 50


class Profile(Contest):
    """See the module."""
    name = "profile"
    summary = "context switches of a guest that transcodes and streams, and of the host's helpers"
    takes = "25 min, quick 2 min"
    paper = ("table 4 of Hylics: 762,991 context switches a second in a VM that transcodes and"
             " streams, 1,979 with a module, 2,423 with moved connections, 1,856 on the host.")
    arms = tuple(arm for setting in SETTINGS
                 for arm in make_arms(setting, setting, "transcode", CASES))
    quick_arms = tuple(arm.name for arm in arms if arm.group != "vm")
    baseline = "q100-interference"
    metrics = (*SWITCHES, *CYCLES, *METRICS)
    counts_switches = True
    reading = (
        *READING,
        "Switches are voluntary and involuntary ones of all threads, as the kernel counts them: of"
        " the guest's programs or of QEMU and virtiofsd, its emulated CPU's thread among them; of"
        " keeper, worker, modules and servers on the host. Softirqs are nobody's thread. A thread"
        f" that lives shorter than {LOOK_S:g} s may be missed. The job has switches of its own,"
        " which are in the figures of the time it runs: those of the time without are its"
        " deliveries'.",
    )

    def promises(self, group):
        """Of the guest's switches by GB."""
        for case, paper in (("module", "0.0026"), ("socket", "0.0032"), ("host", "0.0024")):
            bound = {"most": 1 / LEAST_CUT} if case != "host" else {}
            yield "delivery_switches_per_gb", case, "interference", bound, ""
            yield "vm_switches_per_gb", case, "interference", {}, ""
            yield "vm_switches_per_s", case, "interference", {}, f"{paper} (Hylics)"
        yield "vm_switches_per_s", "module", "alone-job", {}, ""


EXPERIMENT = Profile()
