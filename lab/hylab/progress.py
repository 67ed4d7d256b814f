# SPDX-License-Identifier: GPL-2.0-or-later
"""Progress on stderr: what is being done, for how long, how far."""

import contextlib
import sys
import threading
import time

REDRAW_S = 0.5


def say(text):
    """One line for the person who waits."""
    print(f"lab: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(text, done_bytes=None):
    """Show that a step runs and how long it took; done_bytes() tells how far a download is."""
    started = time.monotonic()
    if not sys.stderr.isatty():
        say(f"{text} ...")
        yield
        say(f"{text}: {time.monotonic() - started:.1f} s")
        return
    ended = threading.Event()
    painter = threading.Thread(target=_paint, args=(text, started, done_bytes, ended), daemon=True)
    painter.start()
    try:
        yield
    finally:
        ended.set()
        painter.join()
        print(f"\r\033[Klab: {text}: {time.monotonic() - started:.1f} s", file=sys.stderr)


def _paint(text, started, done_bytes, ended):
    while not ended.wait(REDRAW_S):
        far = f", {done_bytes() / 1e6:.0f} MB" if done_bytes else ""
        print(f"\r\033[Klab: {text} ... {time.monotonic() - started:.0f} s{far}",
              end="", file=sys.stderr, flush=True)
