# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests of tcpmove on the guest's kernel, which is older than the host's."""

import re

import pytest

from hylab import BUILD, wall
from hylab.vm import Spec, Vm

# Not "matrix": the way it makes 4 MB of small segments unacknowledged blocks on the older kernel.
NAMES = ("busy", "catch", "counts", "options", "refusals", "steps")


@pytest.fixture(name="guest", scope="module")
def _guest():
    wall.require()
    with Vm(Spec(name="tcpmove", memory="2G")) as vm:
        yield vm


@pytest.mark.parametrize("name", NAMES)
def test_tcpmove_holds_on_the_guests_kernel(guest, name):
    result = guest.run(f"cd /tmp && exec {BUILD}/tests/move/test-tcpmove_{name}", timeout_s=300)
    skipped = re.match(r"1\.\.0 # skip (.*)", result.stdout, re.I)
    if skipped:
        pytest.skip(skipped[1])
    assert result.code == 0 and "not ok" not in result.stdout, result.stdout + result.stderr
