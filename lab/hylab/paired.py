# SPDX-License-Identifier: GPL-2.0-or-later
"""One arm against another, repeat by repeat: ratios with intervals, and promises held to them.

For experiments whose arms are compared with more than one other, or each with its own.
"""

from hylab import report, stats

HEAD = ("", "ratio (95 %)", "pairs", "promised", "")


def ratio(result, name, arm, base):
    """stats.compare() of two arms' medians by repeat; None where there is no pair."""
    arms = {found["name"]: found for found in result["arms"]}
    if arm not in arms or base not in arms:
        return None
    return stats.compare(report.repeat_medians(arms[arm], name),
                         report.repeat_medians(arms[base], name), seed=result.get("seed", 1))


def verdict(found, least=None, most=None):
    """Whether a promise is met: only if the whole interval keeps it, not met if none of it does.

    Open as long as the pairs are too few for an interval to be what its name says.
    """
    if stats.best_coverage(found["pairs"]) < 0.95:
        return f"open: {found['pairs']} pairs are too few"
    low, high = found["low"], found["high"]
    kept = (least is None or low >= least) and (most is None or high <= most)
    broken = (least is not None and high < least) or (most is not None and low > most)
    return "met" if kept else "**not met**" if broken else "open: the interval contains it"


def in_words(found):
    """1.02 (0.99 – 1.05)."""
    middle = report.number(found["ratio"])
    if found["low"] is None:
        return middle
    return f"{middle} ({report.number(found['low'])} – {report.number(found['high'])})"


def row(result, name, arm, base, least=None, most=None):
    """A table's row, as a list of one; empty if one of the arms has nothing."""
    found = ratio(result, name, arm, base)
    if not found:
        return []
    promised = f"at least {least}" if least is not None else \
        f"at most {most}" if most is not None else ""
    said = verdict(found, least, most) if promised else ""
    return [(f"{arm} / {base}", in_words(found), found["pairs"], promised, said)]


def section(heading, rows, note):
    """(heading, lines) for Experiment.sections(), as a list of one; empty without rows."""
    if not rows:
        return []
    return [(heading, [*report.table(HEAD, rows), "", note])]
