# SPDX-License-Identifier: GPL-2.0-or-later
"""A plant whose guest is a VM: its jobs read the share through virtiofs, and keep nothing of it.

What is slow behind the share is slow for its virtiofsd, which hylicsd has started.
"""

import shlex
import threading

from hylab import LabError, channel
from hylab.plant import JOB_WITHIN_S, NAME, Plant, Size, words_of
from hylab.vm import Share, Spec, Vm

SHARE = "/hylics"
# An emulated CPU is ten times as slow, and so is the disk.
SIZE = Size(files=24, file_mb=4, share_mb=128, memories=(4, 16, 32, 48, 64, 96), read_mb_per_s=1,
            cpus=1)
# the guest's own clock, hundredths of a second, so that what the order takes is not in it
SCRIPT = 'read -r began rest </proc/uptime; "$@" || exit; read -r ended rest </proc/uptime; ' \
         'echo "$began $ended"'


class PlantVm(Plant):
    """See the module."""

    def __init__(self, job, size=SIZE, errors=None):
        super().__init__(job, size, errors)
        self._machine = None
        self._ordering = threading.Lock()

    def _start_guest(self):
        share = Share("hylics", "", SHARE, type="virtiofs", socket=self.vm["virtiofs"])
        self._machine = self._closing.enter_context(Vm(Spec(
            name=NAME, memory="512M", shares=(share,), time_limit_s=7200,
            channel=f"serial:{self.vm['channel']}")))
        self.accelerator = self._machine.accelerator
        self._machine.spawn([channel.program("hylics-agent"), "--no-offload", "--no-mount"])
        self._perform(0)    # its programs are read once; they are no part of a job's time

    def _give_up_jobs(self):
        self._machine.kill()

    def _perform(self, rank):
        words = ["sh", "-c", SCRIPT, "job", channel.program("hylics-guest"), "job", "--name",
                 self.job, "--", *words_of(self.job, f"{SHARE}/{self.file(rank).name}")]
        with self._ordering:
            number = self._machine.spawn(shlex.join(map(str, words)))
        done = self._machine.wait(number, JOB_WITHIN_S)
        if done.code:
            raise LabError(f"a job ended with {done.code}: {done.stderr.strip()}")
        began, ended = done.stdout.split()
        return float(ended) - float(began)
