# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab: real VMs, networks in namespaces, sampling. Where things are, and the one error type."""

import os
import pathlib

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HYLICS_BUILD", TREE / "build")).resolve()
WORK = BUILD / "lab"


class LabError(Exception):
    """What went wrong, for the person at the terminal; code is the exit code of the command."""

    def __init__(self, message, code=1):
        super().__init__(message)
        self.code = code


class MissingRight(LabError):
    """What this user may not do here; a test that needs it is skipped with this as its reason."""

    def __init__(self, message):
        super().__init__(message, 77)


def hylics_program():
    """The `hylics` command that makes QEMU command lines: $HYLICS, else the build's own."""
    path = os.environ.get("HYLICS", str(BUILD / "hylics"))
    if not os.access(path, os.X_OK):
        raise LabError(f"{path}: not there or not executable; build it first with 'make'")
    return path
