# SPDX-License-Identifier: GPL-2.0-or-later
"""A folder for swap files on a disk, which no tmpfs can hold.

    with swap_folder.made_in(BUILD) as folder:
        ...     # hylicsd has folder / "swap" on

It is locked while its maker lives. What a killed one has left, with swap that is still on, goes
when the next one is made.
"""

import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile

NEW, READY = "newswap", "hyswap"


@contextlib.contextmanager
def made_in(place):
    """One that goes with its swap."""
    sweep(place)
    new = pathlib.Path(tempfile.mkdtemp(prefix=NEW, dir=place))
    with _locked(new):
        folder = new.rename(place / new.name.replace(NEW, READY))   # not before it is locked
        try:
            yield folder
        finally:
            _remove(folder)


def sweep(place):
    """Remove what killed ones have left."""
    for folder in place.glob(f"{READY}*"):
        with contextlib.suppress(BlockingIOError), _locked(folder):
            _remove(folder)


@contextlib.contextmanager
def _locked(folder):
    """BlockingIOError if it is another's."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _remove(folder):
    for left in folder.iterdir():
        subprocess.run(["swapoff", left], check=False, capture_output=True)
    shutil.rmtree(folder)
