# SPDX-License-Identifier: GPL-2.0-or-later
"""A lock that goes with its holder, however that ends."""

import contextlib
import fcntl


@contextlib.contextmanager
def locked(path):
    """Hold the lock of a file, which is made if it is not there."""
    with open(path, "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
