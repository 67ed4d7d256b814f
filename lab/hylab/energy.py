# SPDX-License-Identifier: GPL-2.0-or-later
"""Energy that the processors took, as RAPL counts it: joules since some moment, package by package.

    meter = Meter.find()        # None where the machine has none: most VMs
    before = meter.read()
    ...
    joules = meter.since(before)

A counter goes back to zero behind its range (minutes at full load), so one must look more often.
"""

import contextlib
import pathlib
import re

POWERCAP = pathlib.Path("/sys/class/powercap")
UJ_PER_J = 1e6
_PACKAGE = re.compile(r"(intel|amd)-rapl:\d+")      # with another number it is a part of one


class Meter:
    """The packages of a machine."""

    def __init__(self, packages):
        self._ranges = {path: int((path / "max_energy_range_uj").read_text())
                        for path in packages}

    @classmethod
    def find(cls, root=POWERCAP):
        """One, if there is a package whose counter may be read."""
        readable = []
        for path in sorted(root.iterdir()) if root.is_dir() else ():
            with contextlib.suppress(OSError, ValueError):
                if _PACKAGE.fullmatch(path.name) and int((path / "energy_uj").read_text()) >= 0:
                    readable.append(path)
        return cls(readable) if readable else None

    def read(self):
        """The counters as they are."""
        return {path: int((path / "energy_uj").read_text()) for path in self._ranges}

    def since(self, before):
        """Joules since another read()."""
        return sum((now - before[path]) % (self._ranges[path] + 1)
                   for path, now in self.read().items()) / UJ_PER_J
