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
def step(text, tell=None):
    """Show that a step runs and how long it took; tell() says how it goes, on a terminal."""
    started = time.monotonic()
    if not sys.stderr.isatty():
        say(f"{text} ...")
        yield
        say(f"{text}: {time.monotonic() - started:.1f} s")
        return
    ended = threading.Event()
    painter = threading.Thread(target=_paint, args=(text, started, tell, ended), daemon=True)
    painter.start()
    try:
        yield
    finally:
        ended.set()
        painter.join()
        print(f"\r\033[Klab: {text}: {time.monotonic() - started:.1f} s", file=sys.stderr)


def _paint(text, started, tell, ended):
    while not ended.wait(REDRAW_S):
        far = f", {tell()}" if tell else ""
        print(f"\r\033[Klab: {text} ... {time.monotonic() - started:.0f} s{far}",
              end="", file=sys.stderr, flush=True)
