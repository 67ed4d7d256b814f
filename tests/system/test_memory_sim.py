# SPDX-License-Identifier: GPL-2.0-or-later
"""The experiment memory-sim: its arithmetic, and that the laws still do what its report says."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "lab"))

from hylab import LabError, stats                               # noqa: E402
from hylab.experiments import memory_sim                        # noqa: E402

EXPERIMENT = memory_sim.EXPERIMENT
# As many as the criterion asks for: *both* goes astray in one run of ten, so that the mean of a
# few says more of the few than of the laws.
SEEDS = 30


def result_of(errors):
    """A result in which every scheme of every row has these errors: {scheme: samples}."""
    return {"arms": [{"params": arm.params, "samples": {
        "error_s": errors[arm.params["scheme"]],
        "memory_mean_mb": [10.0 if arm.params["scheme"] == "ours" else 20.0]}}
        for arm in EXPERIMENT.arms]}


ERRORS = {"adaptive": [9.0, 11.0], "queue": [19.0, 21.0], "both": [8.0, 8.0], "ours": [4.0, 6.0],
          "ours-unmeasured": [2.0, 3.0], "fixed": [30.0, 30.0]}


def test_rows_are_those_of_the_table():
    short = [row for row in memory_sim.ROWS if row.family == memory_sim.CRITERION]
    assert len(short) == 27 and len({row.name for row in memory_sim.ROWS}) == len(memory_sim.ROWS)
    assert {row.load for row in short} == {"steady", "switching", "bursty"}
    words = {row.name: row.words() for row in memory_sim.ROWS}
    assert words["long-steady-2cpu-256m"]["every"] == "2700ms"
    assert words["paper-switching-1cpu-512m"]["other-every"] == "4000ms"
    assert set(EXPERIMENT.quick_arms) < {arm.name for arm in EXPERIMENT.arms}


def test_ours_is_held_against_the_better_one():
    said = EXPERIMENT.findings(result_of(ERRORS))
    assert "27 rows: 0.50 (0.50 to 0.50)" in said[0] and "curve 0.25" in said[0]
    assert "at most 0.62" in said[1]            # 5 / 8
    assert "0.50 times that of both" in said[2]


def test_tables_have_a_row_each_and_the_mean():
    tables = dict(EXPERIMENT.sections(result_of(ERRORS)))
    assert len(tables) == len(memory_sim.FAMILIES)
    short = next(lines for heading, lines in tables.items() if heading.startswith("short"))
    assert len(short) == 2 + 27 + 1
    assert "20.0 / 20.0 / 10.0" in short[2] and "geometric mean" in short[-1]


def test_a_part_of_a_result_says_nothing():
    part = result_of(ERRORS)
    part["arms"] = [arm for arm in part["arms"] if arm["params"]["scheme"] != "both"]
    assert not EXPERIMENT.findings(part) and not list(EXPERIMENT.sections(part))


def test_what_the_simulator_refuses_is_told():
    with pytest.raises(LabError, match="no-such"):
        memory_sim.simulate({"load": "no-such"}, "ours", 1, 1)


def test_the_same_seed_is_the_same_run():
    words = memory_sim.ROWS[0].words()
    first = memory_sim.simulate(words, "ours", 3, 2)
    assert memory_sim.simulate(words, "ours", 3, 2) == first
    # a curve is measured with the first seed; what needs none is the same by itself
    second = memory_sim.simulate(words, "ours-unmeasured", 3, 2)[1:]
    assert memory_sim.simulate(words, "ours-unmeasured", 4, 1) == second


@pytest.fixture(scope="module", name="errors")
def errors_of_rows():
    """No time passes in it, so these are figures of the code and of nothing else."""
    return [{name: stats.mean([run["error_s"] for run in memory_sim.simulate(
                row.words(), name, 1, SEEDS)])
             for name in ("adaptive", "queue", "both", "ours", "ours-unmeasured")}
            for row in memory_sim.ROWS if row.family == memory_sim.CRITERION
            and row.memory_mb == 512 and row.load != "bursty"]


@pytest.mark.parametrize("scheme", ("ours", "ours-unmeasured"))
def test_ours_is_nearer_to_the_objective_than_the_papers(errors, scheme):
    ratios = [of[scheme] / min(of["adaptive"], of["queue"]) for of in errors]
    assert stats.geometric_mean(ratios) <= memory_sim.MOST_OF_BETTER_SINGLE


def test_ours_is_in_no_row_worse_than_both(errors):
    assert not [of for of in errors if of["ours"] > of["both"]]
