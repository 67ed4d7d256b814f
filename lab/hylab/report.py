# SPDX-License-Identifier: GPL-2.0-or-later
"""report.py - a run's result.json: checked, written, and told as report.md with pictures.

render() is pure: a result and the description of its experiment in, text out.
"""

import json
import math
import os
import pathlib
import re

from hylab import plot, stats

VERSION = 1
RESULT, REPORT = "result.json", "report.md"
SCHEMA = pathlib.Path(__file__).resolve().parents[1] / "schema" / RESULT
TAIL_FROM_SAMPLES = 100     # fewer samples have no 99th percentile worth the name

# The last words of a metric's name give its unit; the longest match counts.
UNITS = {
    "us": "µs", "ms": "ms", "s": "s", "mbps": "Mbit/s", "pct": "%", "bytes": "bytes", "mb": "MB",
    "kb": "KB", "frames": "frames", "per_s": "1/s", "per_gb": "1/GB", "s_per_gb": "s/GB",
    "frames_per_s": "frames/s", "count": "count", "us_per_answer": "µs/answer",
    "mb_per_s": "MB/s", "us_per_move": "µs/move", "per_move": "1/move", "per_answer": "1/answer",
    "kb_per_connection": "KB/connection", "j_per_gb": "J/GB",
}
ACCELERATORS = {
    "kvm": "KVM: the guest's code runs on the CPU itself.",
    "tcg": "TCG: QEMU emulates the guest's CPU, 10 to 15 times slower in user code and worse in"
           " copies. Nothing here can be claimed about KVM.",
    "namespaces": "namespaces: native speed and no VM. What virtual hardware costs (exits, virtio"
                  " queues, interrupts) is not in these figures.",
}
RATIO = "ratio to"
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool}


class ResultError(Exception):
    """A result.json that is not one, or not of this version."""


# --- checking -----------------------------------------------------------------------------------

def _is_type(value, wanted):
    if wanted == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if wanted == "number":
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and math.isfinite(value)
    return isinstance(value, TYPES[wanted])


def _value_errors(value, schema, where):
    if "const" in schema and value != schema["const"]:
        yield f"{where}: {value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is none of {', '.join(map(str, schema['enum']))}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{where}: {value!r} does not match {schema['pattern']}"
    if "minLength" in schema and len(value) < schema["minLength"]:
        yield f"{where}: too short"
    if "minimum" in schema and value < schema["minimum"]:
        yield f"{where}: {value!r} is below {schema['minimum']}"


def _object_errors(value, schema, where):
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name in schema.get("required", []):
        if name not in value:
            yield f"{where}: '{name}' is missing"
    for name, member in value.items():
        yield from schema_errors(name, schema.get("propertyNames", {}), f"{where}: name '{name}'")
        if name in known:
            yield from schema_errors(member, known[name], f"{where}.{name}")
        elif others is False:
            yield f"{where}: '{name}' is not known"
        elif isinstance(others, dict):
            yield from schema_errors(member, others, f"{where}.{name}")


def schema_errors(value, schema, where="result"):
    """What is wrong with the value, as texts; understands just the words our schema uses."""
    if "type" in schema and not _is_type(value, schema["type"]):
        yield f"{where}: {type(value).__name__} where {schema['type']} belongs"
        return
    yield from _value_errors(value, schema, where)
    if isinstance(value, dict):
        yield from _object_errors(value, schema, where)
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            yield from schema_errors(item, schema["items"], f"{where}[{i}]")


def _count_errors(result):
    """The counts in per_repeat must add up to the samples they divide."""
    for arm in result["arms"]:
        for name in sorted(set(arm["samples"]) | set(arm["per_repeat"])):
            have, told = len(arm["samples"].get(name, [])), sum(arm["per_repeat"].get(name, []))
            if have != told:
                yield f"arm {arm['name']}: {name} has {have} samples, per_repeat says {told}"


def check(result):
    """Raise ResultError with everything that is wrong with the result."""
    with open(SCHEMA, encoding="utf-8") as file:
        wrong = list(schema_errors(result, json.load(file)))
    wrong = wrong or list(_count_errors(result))
    if wrong:
        raise ResultError("; ".join(wrong))


# --- files --------------------------------------------------------------------------------------

def _replace(path, text):
    """Write beside, then rename: a reader or a crash never sees half a file."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def save(result, folder):
    """Check the result and write it as result.json into the folder."""
    check(result)
    _replace(pathlib.Path(folder) / RESULT, json.dumps(result, allow_nan=False) + "\n")


def load(folder):
    """The checked result in the folder; ResultError if there is none."""
    path = pathlib.Path(folder) / RESULT
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultError(f"{path}: {error}") from None
    check(result)
    return result


def clear(folder):
    """Remove the files of an earlier run: its result, its report, and pictures and files that it
    names."""
    folder = pathlib.Path(folder)
    report = folder / REPORT
    text = report.read_text(encoding="utf-8") if report.exists() else ""
    for name in [*re.findall(r"\]\(([\w-]+\.(?:svg|conf))\)", text), REPORT, RESULT]:
        (folder / name).unlink(missing_ok=True)


# --- reading a result ---------------------------------------------------------------------------

def unit(metric_name):
    """The unit behind a metric's name: rtt_us is in µs."""
    words = metric_name.split("_")
    endings = ("_".join(words[i:]) for i in range(len(words)))
    return next((UNITS[ending] for ending in endings if ending in UNITS), "")


def number(value):
    """Three significant digits, thousands with commas."""
    rounded = float(f"{value:.2e}")
    if rounded == 0:
        return "0"
    if abs(rounded) < 1e-4:
        return f"{value:.2e}"
    digits = max(0, 2 - math.floor(math.log10(abs(rounded))))
    return f"{value:,.{digits}f}"


def by_repeat(arm, name):
    """The arm's samples of a metric, one list per repeat."""
    parts, at = [], 0
    for count in arm["per_repeat"].get(name, []):
        parts.append(arm["samples"][name][at:at + count])
        at += count
    return parts


def repeat_medians(arm, name):
    """The median of each repeat, None where nothing was measured: what is paired."""
    return [stats.median(part) if part else None for part in by_repeat(arm, name)]


def arms_with(result, name):
    """The arms that have samples of the metric, each with its place among all arms."""
    return [(i, arm) for i, arm in enumerate(result["arms"]) if arm["samples"].get(name)]


def arm_accelerator(result, arm):
    """An arm may run elsewhere than the rest: a namespace beside VMs."""
    return arm["params"].get("accelerator", result["accelerator"])


def accelerators(result, arms=None):
    """The accelerators of the arms (all that ran), the result's own first."""
    ran = [arm for arm in result["arms"] if arm["samples"]] if arms is None else arms
    seen = {arm_accelerator(result, arm) for arm in ran}
    return sorted(seen or {result["accelerator"]}, key=lambda a: (a != result["accelerator"], a))


def _in_print(accelerator):
    return accelerator if accelerator == "namespaces" else accelerator.upper()


def accelerator_title(result, arms=None):
    """As it stands in a picture's title: TCG, or TCG and namespaces."""
    return " and ".join(map(_in_print, accelerators(result, arms)))


def arm_label(result, arm):
    """The arm's name, with its accelerator where not all arms have the same."""
    if len(accelerators(result)) < 2:
        return arm["name"]
    return f"{arm['name']} ({_in_print(arm_accelerator(result, arm))})"


def baseline(result, experiment, name):
    """The arm others are compared with: the experiment's, or the first that has the metric."""
    arms = [arm for _, arm in arms_with(result, name)]
    named = [arm for arm in arms if arm["name"] == experiment.baseline]
    return (named or arms)[0]


# --- tables -------------------------------------------------------------------------------------

def table(head, rows):
    """Markdown lines; the first column to the left, the others to the right."""
    rule = "|:---|" + "---:|" * (len(head) - 1)
    return ["| " + " | ".join(head) + " |", rule,
            *("| " + " | ".join(map(str, row)) + " |" for row in rows)]


def _ratio(result, arm, base, name):
    if arm is base:
        return "1 (baseline)", None
    found = stats.compare(repeat_medians(arm, name), repeat_medians(base, name),
                          seed=result.get("seed", 1))
    if not found:
        return "no pair", None
    if found["low"] is None:
        return f"{number(found['ratio'])} (one pair)", 1
    span = f"{number(found['low'])} – {number(found['high'])}"
    return f"{number(found['ratio'])} ({span})", found["pairs"]


def _paper(experiment, arm, name):
    """The paper's figure for this arm and metric, or an empty cell."""
    return experiment.paper_figures.get((arm["name"], name), "")


def _metric_row(result, experiment, metric, arm, columns):
    samples = arm["samples"][metric.name]
    low, mid, high, tail = (number(stats.quantile(samples, p)) for p in (0.1, 0.5, 0.9, 0.99))
    row, pairs = [arm_label(result, arm), f"{len(samples):,}", mid, f"{low} – {high}"], None
    if "p99" in columns:
        row.append(tail if len(samples) >= TAIL_FROM_SAMPLES else "")
    if "ratio" in columns:
        ratio, pairs = _ratio(result, arm, columns["ratio"], metric.name)
        row.append(ratio)
    if "paper" in columns:
        row.append(_paper(experiment, arm, metric.name))
    return row, pairs


def _columns(result, experiment, metric, arms):
    """Which of the optional columns the metric's table has; "ratio" holds the baseline arm."""
    columns = {}
    if any(len(arm["samples"][metric.name]) >= TAIL_FROM_SAMPLES for arm in arms):
        columns["p99"] = "p99"
    if metric.compare and len(arms) > 1:
        columns["ratio"] = baseline(result, experiment, metric.name)
    if any(_paper(experiment, arm, metric.name) for arm in arms):
        columns["paper"] = "paper"
    return columns


def _head(columns):
    head = ["arm", "samples", "median", "p10 – p90"]
    head += ["p99"] if "p99" in columns else []
    head += [f"{RATIO} {columns['ratio']['name']} (95 %)"] if "ratio" in columns else []
    return head + (["paper"] if "paper" in columns else [])


def _pairs_note(fewest):
    if fewest is None or fewest >= 6:
        return []
    most = f"{100 * stats.best_coverage(fewest):.0f} %"
    pairs = "one pair" if fewest == 1 else f"{fewest} pairs"
    return ["", f"Only {pairs}: " + (
        "a ratio of one pair has no interval." if fewest == 1 else
        f"whatever its name, such an interval holds the true median at most {most} of the time.")]


def metric_section(result, experiment, metric):
    """Heading, table and picture of one metric; nothing if no arm has it."""
    arms = [arm for _, arm in arms_with(result, metric.name)]
    if not arms:
        return []
    columns = _columns(result, experiment, metric, arms)
    rows = [_metric_row(result, experiment, metric, arm, columns) for arm in arms]
    better = f" ({metric.better} is better)" if metric.better else ""
    picture = [f"![{metric.label}]({picture_name(metric)})", ""] if metric.picture else []
    return [f"## {metric.label}, {unit(metric.name)}{better}", "", f"`{metric.name}`", "",
            *table(_head(columns), [row for row, _ in rows]),
            *_pairs_note(min((p for _, p in rows if p is not None), default=None)), "", *picture]


# --- pictures -----------------------------------------------------------------------------------

def picture_name(metric):
    """The file a metric's picture goes to."""
    return f"{metric.name}.svg"


def cpus(machine):
    """1 CPU, 2 CPUs."""
    return "1 CPU" if machine["cpus"] == 1 else f"{machine['cpus']} CPUs"


def subtitle(result):
    """The line under a picture's title: what ran where."""
    machine = result["machine"]
    qemu = "" if accelerators(result) == ["namespaces"] else f" · QEMU {machine['qemu']}"
    partial = " · PARTIAL" if result.get("partial") else ""
    return (f"experiment {result['experiment']} · {cpus(machine)} · Linux {machine['kernel']}{qemu}"
            f" · {result['started'][:10]}{partial}")


def axis_label(metric):
    """The metric's label as it goes on within a line, with its unit."""
    words = metric.label
    if not words[1:2].isupper():    # QEMU stays QEMU
        words = words[0].lower() + words[1:]
    return f"{words}, {unit(metric.name)}"


def picture_script(result, metric):
    """The gnuplot script of a metric's picture, or None if no arm has it."""
    arms = arms_with(result, metric.name)
    if not arms or not metric.picture:
        return None
    title = f"{metric.label} · {accelerator_title(result, [arm for _, arm in arms])}"
    symbol = unit(metric.name)
    axis = axis_label(metric)
    drawn = []
    for place, arm in arms:
        samples = arm["samples"][metric.name]
        name, mid = arm_label(result, arm), f"{number(stats.median(samples))} {symbol}"
        if metric.picture == "cdf":
            tail = f"{number(stats.quantile(samples, 0.99))} {symbol}"
            drawn.append((f"{name}: median {mid}, p99 {tail}", samples, place))
        else:
            drawn.append((name, samples, f"median {mid}", place))
    draw = plot.cdf if metric.picture == "cdf" else plot.dots
    return draw(title, subtitle(result), axis, drawn)


def pictures(result, experiment):
    """(file name, gnuplot script) of every picture of the result."""
    found = [(picture_name(m), picture_script(result, m)) for m in experiment.metrics]
    return [(name, script) for name, script in found if script] + experiment.pictures(result)


# --- the report ---------------------------------------------------------------------------------

def _facts(result):
    machine = result["machine"]
    model = f" ({machine['model']})" if machine.get("model") else ""
    rows = [
        ("command", f"`{result.get('command', 'not recorded')}`"),
        ("commit", f"`{result['commit']}`"),
        ("started", result["started"]),
        ("machine", f"{cpus(machine)}{model}, Linux {machine['kernel']}, QEMU {machine['qemu']}"),
        ("accelerator", accelerator_title(result)),
        ("repeats", f"{result.get('repeats', 'not recorded')}, arms interleaved,"
                    f" seed {result.get('seed', 'not recorded')}"),
    ]
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows), ""]


def _arms(result, experiment):
    about = {arm.name: arm.about for arm in experiment.arms}
    rows = []
    for arm in result["arms"]:
        params = ", ".join(f"{k} {v}" for k, v in arm["params"].items()) or "none"
        state = f"**skipped**: {arm['skipped']}" if "skipped" in arm else about.get(arm["name"], "")
        rows.append(f"| {arm['name']} | {state} | {params} |")
    return ["## Arms", "", "| arm | what it is | parameters |", "|:---|:---|:---|", *rows, ""]


def _reading(result, experiment, compared):
    """What the numbers say and what they do not."""
    lines = [ACCELERATORS[a] for a in accelerators(result)] + list(experiment.reading) + [
        "Median, p10, p90 and p99 are over all samples of an arm, interpolated between neighbours."]
    if compared:
        lines.append(
            "A ratio is the geometric mean over pairs; a pair is the median of an arm's repeat over"
            " the median of the baseline's same repeat. Its interval is a percentile bootstrap over"
            f" the pairs: every possible resample up to {stats.EXACT_VALUES_MAX} pairs (no chance"
            f" in it), above that {stats.BOOTSTRAP_DRAWS:,} resamples drawn with the seed above.")
    return ["## What these numbers say, and what not", "", *(f"- {line}" for line in lines), ""]


def render(result, experiment, picture_trouble=()):
    """report.md as text. experiment: an experiment.Experiment or anything with its attributes."""
    lines = [f"# {result['experiment']}: {experiment.summary}", ""]
    if result.get("partial"):
        lines += ["**Partial**: the run was ended before its time; see the notes.", ""]
    lines += _facts(result)
    findings = experiment.findings(result)
    if findings:
        lines += ["## In short", "", *(f"- {finding}" for finding in findings), ""]
    for name, _ in experiment.files(result):
        lines += [f"Written beside this: [{name}]({name}).", ""]
    if experiment.paper:
        lines += [f"In the papers: {experiment.paper}", ""]
    for heading, body in experiment.sections(result):
        lines += [f"## {heading}", "", *body, ""]
    measured = [line for metric in experiment.metrics
                for line in metric_section(result, experiment, metric)]
    compared = any(RATIO in line for line in measured)
    lines += measured + _arms(result, experiment) + _reading(result, experiment, compared)
    notes = [*result["notes"], *(f"no picture: {trouble}" for trouble in picture_trouble)]
    if notes:
        lines += ["## Notes", "", *(f"- {note}" for note in notes), ""]
    return "\n".join(lines)


def write(result, experiment, folder):
    """result.json, pictures and report.md into the folder; what gnuplot refused is in the notes.

    Return: the texts of pictures that could not be drawn.
    """
    save(result, folder)
    for name, text in experiment.files(result):
        _replace(pathlib.Path(folder) / name, text)
    trouble = []
    for name, script in pictures(result, experiment):
        try:
            plot.render(script, os.path.join(folder, name))
        except plot.PlotError as error:
            trouble.append(str(error))
    _replace(pathlib.Path(folder) / REPORT, render(result, experiment, trouble))
    return trouble


def summary(result, experiment):
    """The medians as lines of text, for the terminal."""
    lines = []
    if any(arm["samples"] for arm in result["arms"]):
        lines.append(f"{result['experiment']} on {accelerator_title(result)}")
    for metric in experiment.metrics:
        arms = [arm for _, arm in arms_with(result, metric.name)]
        lines += [f"{metric.label}, {unit(metric.name)}"] if arms else []
        width = max((len(arm_label(result, arm)) for arm in arms), default=0)
        for arm in arms:
            low, mid, high = (number(stats.quantile(arm["samples"][metric.name], p))
                              for p in (0.1, 0.5, 0.9))
            lines.append(f"  {arm_label(result, arm):{width}}  median {mid:>8}  "
                         f"(p10 {low}, p90 {high})")
    return lines
