# SPDX-License-Identifier: GPL-2.0-or-later
"""servers-late - the same with a threshold for those whose guests share processors with the host.

The agent's own threshold goes by the guest's CPU time alone, see docs/move.md; `hylics-agent
--threshold` sets another one. Only sizes around it are measured.
"""

from hylab import plot
from hylab.experiments.servers import Servers, make_arms

THRESHOLD = 3 << 20
SIZES = (1 << 16, 1 << 18, 1 << 20, 4 << 20, 10 << 20, 100 << 20)
QUICK_SIZES = (1 << 20, 4 << 20)


class ServersLate(Servers):
    """See the module."""
    name = "servers-late"
    summary = f"servers once more, nothing below {plot.size_label(THRESHOLD)} is moved"
    takes = "15 min, quick 1 min"
    threshold = THRESHOLD
    arms = tuple(make_arms(SIZES))
    quick_arms = tuple(arm.name for arm in arms if arm.params["answer_bytes"] in QUICK_SIZES)


EXPERIMENT = ServersLate()
