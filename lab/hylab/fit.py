# SPDX-License-Identifier: GPL-2.0-or-later
"""fit.py - what control/ makes of measurements, and the model of a job that hylicsd takes.

No law is written here: hylics-fit has them from control/.
"""

import json
import subprocess

from hylab import BUILD, LabError

PROGRAM = BUILD / "hylics-fit"
WITHIN_S = 60
VERSION = 1


def _ask(words, rows):
    text = "".join(f"{first!r} {second!r}\n" for first, second in rows)
    done = subprocess.run([PROGRAM, *words], input=text, capture_output=True, text=True,
                          check=False, timeout=WITHIN_S)
    if done.returncode:
        raise LabError(done.stderr.strip())
    return json.loads(done.stdout)


def curve(points):
    """{"a", "b", "c", "r2"} of (MB, seconds); LabError where none fits."""
    return _ask(["curve"], [(float(m), float(x)) for m, x in points])


def order(outputs, inputs):
    """{"na", "nb", "r2"} of a series; LabError where none can be judged."""
    return _ask(["order"], list(zip(map(float, outputs), map(float, inputs), strict=True)))


def seconds(found, memory_mb):
    """What a curve says for an amount of memory."""
    return found["a"] + found["b"] / (memory_mb + found["c"])


def series(memories, responses):
    """Outputs and inputs of what was seen with each amount of memory.

    An output is how far a response is from the mean of all, the input behind it the step of memory
    from this interval to the next.
    """
    mean = sum(responses) / len(responses)
    steps = [after - before for before, after in zip(memories, memories[1:])]
    return [response - mean for response in responses], [*steps, 0]


def model(job, found, orders, memories, runs):
    """The text of a model's file (hylicsd/model.h)."""
    lines = ["# written by hylics lab run identify", "[model]", f"job = {job}"]
    lines += [f"{name} = {found[name]:.10g}" for name in ("a", "b", "c")]
    lines += [f"r2 = {max(found['r2'], 0):.6g}", f"from = {min(memories):.10g}",
              f"to = {max(memories):.10g}", f"runs = {runs}", f"na = {orders['na']}",
              f"nb = {orders['nb']}", f"version = {VERSION}"]
    return "\n".join(lines) + "\n"
