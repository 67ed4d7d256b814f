# SPDX-License-Identifier: GPL-2.0-or-later
"""interference - what a guest's job and its deliveries take from each other; what a module saves.

A job in a guest that streams, by CPU quota, by scheduling and in a VM: each alone, both, and both
while a module of the host's delivers.
"""

from hylab.contest import READING, Contest, make_arms

SETTINGS = ("q25", "q50", "q100", "q25-1g", "shared", "weighed", "vm", "vm-1g", "vm-shared")
QUICK_SETTINGS = ("q50", "vm")
CASES = ("alone-net", "alone-job", "interference", "module")
RTP_SETTINGS = ("q25", "q50", "vm")
RTP_CASES = ("rtp-alone", "rtp", "rtp-hylics")
# What was promised holds where the host's helpers have CPUs of their own
SHARED = ("shared", "weighed", "vm-shared")


class Interference(Contest):
    """See the module."""
    name = "interference"
    summary = "a job and deliveries in one guest: each alone, both, and both with a module"
    takes = "60 min, quick 2 min"
    paper = ("figures 1 to 4 of MemNet and 1 to 6 of Hylics: streaming beside transcoding takes a"
             " VM's streams from 190 to 115 Mbit/s, or from 892 to 661; with MemNet they come to"
             " 260, with Hylics to 931. Their VMs ran on KVM, over a line of 1 Gbit/s.")
    arms = tuple(arm for setting in SETTINGS
                 for arm in make_arms(setting, setting, "transcode", CASES + (
                     RTP_CASES if setting in RTP_SETTINGS else ())))
    quick_arms = tuple(arm.name for arm in arms if arm.group in QUICK_SETTINGS and
                       arm.params["case"] in CASES)
    baseline = "q50-alone-net"
    reading = READING

    def promises(self, group):
        """Of the stream's rate and of the job's time."""
        own = group not in SHARED
        yield ("mean_mbps", "interference", "alone-net", {}, "0.61 (MemNet), 0.74 (Hylics)")
        yield ("mean_mbps", "module", "alone-net", {"least": 1.0} if own else {},
               "1.37 (MemNet), 1.04 (Hylics)")
        # a line that is full already leaves no room for a gain
        gain = {"least": 1.70} if own and not group.endswith("-1g") else {}
        yield ("mean_mbps", "module", "interference", gain, "2.26 (MemNet), 1.41 (Hylics)")
        yield ("job_s", "interference", "alone-job", {}, "")
        yield ("job_s", "module", "interference", {}, "0.90 (MemNet), 0.69 to 0.92 (Hylics)")
        yield ("job_s", "module", "alone-job", {"most": 1.03} if own else {}, "")
        yield ("mean_mbps", "rtp", "rtp-alone", {}, "")
        yield ("mean_mbps", "rtp-hylics", "rtp-alone", {}, "")
        yield ("gap_ms", "rtp-hylics", "rtp", {}, "")
        yield ("job_s", "rtp", "alone-job", {}, "")
        yield ("job_s", "rtp-hylics", "alone-job", {"most": 1.03} if own else {}, "")


EXPERIMENT = Interference()
