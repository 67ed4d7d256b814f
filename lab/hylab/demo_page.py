# SPDX-License-Identifier: GPL-2.0-or-later
"""What the demo came to, as a table for the terminal and as a page with pictures."""

import dataclasses
import html
import json
import os
import pathlib
import tempfile

from hylab import plot, report, stats

EVERY_S, TAIL_S = 0.5, 3.0     # a rate is over so long; deliveries go on for so long behind a job
ROWS = (
    ("job_s", "the job, seconds"),
    ("mean_mbps", "delivered meanwhile, Mbit/s"),
    ("vm_cpu_s_per_gb", "CPU seconds of the VM to deliver a GB"),
    ("vm_switches_per_gb", "context switches of the VM to deliver a GB"),
)
COLUMNS = (("alone", "job alone"), ("plain", "by the VM"), ("hylics", "with Hylics"))
COLOURS = {"alone": 0, "plain": 1, "hylics": 2}
STYLE = """
body { font: 16px/1.5 "DejaVu Sans", Verdana, Helvetica, Arial, sans-serif; color: #222;
       max-width: 900px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { text-align: right; padding: .3em .9em; border-bottom: 1px solid #e4e4e4; }
th:first-child, td:first-child { text-align: left; }
td.best { font-weight: bold; }
svg { max-width: 100%; height: auto; margin: .5em 0; }
.note { color: #666; }
"""


def _figures(found, duty, name):
    """{arm: (median, lowest, highest)} of what was measured."""
    figures = {}
    for arm, _ in COLUMNS:
        values = [value for one in found[duty.name, arm]
                  if (value := getattr(one, name)) is not None]
        if values:
            figures[arm] = stats.median(values), min(values), max(values)
    return figures


def _cell(figures, arm):
    if arm not in figures:
        return ""
    middle, low, high = map(report.number, figures[arm])
    return middle if low == high else f"{middle} ({low} – {high})"


def gains(duty, found):
    """In a sentence, what Hylics changed."""
    rate, job = (_figures(found, duty, name) for name in ("mean_mbps", "job_s"))
    return (f"{duty.title}: with Hylics clients get {rate['hylics'][0] / rate['plain'][0]:.1f} "
            f"times as much while the job runs, and the job takes {job['hylics'][0]:.1f} s instead "
            f"of {job['plain'][0]:.1f}; alone it takes {job['alone'][0]:.1f}.")


def reading(facts):
    """What the numbers say, and what they do not."""
    where = "The VM is emulated (TCG): this machine has no usable KVM. Its code runs some twenty " \
        "times slower than on KVM, and so does its network; the host's does not. Ratios on KVM " \
        "are smaller." if facts["accelerator"] == "tcg" else "The VM runs on KVM."
    return (
        where,
        f"Clients are {facts['clients']} connections on a line of {facts['line_mbps']} Mbit/s, as "
        "the papers had; what fills it can gain no more. They check lengths, and some of the "
        "bytes.",
        f"VM, host and clients share {facts['cpus']} CPUs: what the host does for the VM, the VM "
        "may miss.",
        "The job's time is what the host was told by its mark (hylics-guest job). CPU and switches "
        f"are QEMU's, over {TAIL_S:g} s behind the job's end, while the clients go on.",
        (f"Medians of {facts['rounds']} rounds, lowest and highest in brackets, arms in an order "
         "by chance." if facts["rounds"] > 1 else "One round.") + " So few say what it is like, "
        "not how much it is: that is for the experiments (hylics lab list).",
        "In the papers, on KVM: streams beside a transcoding job fall from 892 to 661 Mbit/s, with "
        "Hylics they come to 931; the job takes 8 to 31 % less than without Hylics.",
    )


def text(duties, found, facts):
    """The table for a terminal."""
    lines = ["", f"A VM (Linux {facts['kernel']}, {facts['accelerator'].upper()}) with a job, and "
             "clients on its network", ""]
    for duty in duties:
        lines += [f"  {duty.title}", "  {:<44}{:>22}{:>22}{:>22}".format(
            "", *(label for _, label in COLUMNS))]
        for name, label in ROWS:
            figures = _figures(found, duty, name)
            lines.append("    {:<42}{:>22}{:>22}{:>22}".format(
                label, *(_cell(figures, arm) for arm, _ in COLUMNS)))
        lines.append("")
    lines += [f"  {gains(duty, found)}" for duty in duties]
    lines += ["", f"  With Hylics: {'; '.join(duty.hylics for duty in duties)} "
              f"({facts['moved']} were).", ""]
    return "\n".join(lines + [f"  - {line}" for line in reading(facts)] + [""])


def _timeline(duty, found, under):
    curves = []
    for arm, label in COLUMNS:
        rates = found[duty.name, arm][0].rates_mbps
        if rates:
            curves.append((label, [((at + 0.5) * EVERY_S, rate) for at, rate in enumerate(rates)],
                           COLOURS[arm]))
    return plot.timeline(f"{duty.title}: what clients get while the job runs", under, "Mbit/s",
                         curves)


def _dots(duty, found, under, name, title, axis):
    rows = []
    for arm, label in COLUMNS:
        values = [value for one in found[duty.name, arm]
                  if (value := getattr(one, name)) is not None]
        if values:
            rows.append((label, values, report.number(stats.median(values)), COLOURS[arm]))
    return plot.dots(f"{duty.title}: {title}", under, axis, rows)


def pictures(duties, found, facts):
    """(duty, gnuplot scripts) of each."""
    under = f"{facts['accelerator'].upper()} · Linux {facts['kernel']} · {facts['cpus']} CPUs"
    for duty in duties:
        yield duty, (_timeline(duty, found, under),
                     _dots(duty, found, under, "job_s", "the job", "seconds"),
                     _dots(duty, found, under, "vm_cpu_s_per_gb", "what the VM pays for a GB",
                           "CPU seconds of the VM"))


def _drawn(script, folder):
    path = pathlib.Path(folder) / "picture.svg"
    try:
        plot.render(script, path)
    except plot.PlotError as error:
        return f"<p class='note'>no picture: {html.escape(str(error))}</p>"
    drawn = path.read_text(encoding="utf-8")
    return drawn[drawn.index("<svg"):]


def _table(duty, found):
    rows = ["<tr><th></th>" + "".join(f"<th>{label}</th>" for _, label in COLUMNS) + "</tr>"]
    for name, label in ROWS:
        figures = _figures(found, duty, name)
        cells = "".join(f"<td{' class=best' if arm == 'hylics' else ''}>{_cell(figures, arm)}</td>"
                        for arm, _ in COLUMNS)
        rows.append(f"<tr><td>{label}</td>{cells}</tr>")
    return "<table>" + "".join(rows) + "</table>"


def page(duties, found, facts):
    """The page as text."""
    parts = ["<!doctype html><html lang=en><meta charset=utf-8><title>Hylics: the demo</title>",
             f"<style>{STYLE}</style><h1>A VM with a job, and clients on its network</h1>"]
    parts += [f"<p>{html.escape(gains(duty, found))}</p>" for duty in duties]
    with tempfile.TemporaryDirectory() as folder:
        for duty, scripts in pictures(duties, found, facts):
            parts += [f"<h2>{html.escape(duty.title)}</h2>",
                      f"<p class=note>With Hylics: {html.escape(duty.hylics)}.</p>",
                      _table(duty, found), *(_drawn(script, folder) for script in scripts)]
    parts.append("<h2>What these numbers say, and what not</h2><ul>")
    parts += [f"<li>{html.escape(line)}</li>" for line in reading(facts)]
    return "\n".join([*parts, "</ul>", ""])


def _replace(path, text):
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def write(folder, duties, found, facts):
    """Put the page into a folder, and every figure as JSON; the page's path."""
    raw = {"facts": facts, "runs": [{"duty": duty, "arm": arm, **dataclasses.asdict(one)}
                                    for (duty, arm), runs in found.items() for one in runs]}
    _replace(pathlib.Path(folder) / "demo.json", json.dumps(raw, indent=1) + "\n")
    path = pathlib.Path(folder) / "index.html"
    _replace(path, page(duties, found, facts))
    return path
