# SPDX-License-Identifier: GPL-2.0-or-later
"""Waits for what somebody else is about to do."""

import time

PATIENCE_S = 30
LOOK_S = 0.002


def wait_for(reached, what, timeout_s=PATIENCE_S, look_s=LOOK_S):
    """Look until reached() says something; that."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        value = reached()
        if value:
            return value
        time.sleep(look_s)
    raise AssertionError(f"in vain: {what}")
