# SPDX-License-Identifier: GPL-2.0-or-later
"""plot.py - SVG pictures of measured samples, drawn by gnuplot.

cdf(), by_size(), timeline(), dots() and promises() return a gnuplot script as text and touch
nothing; render() runs gnuplot on it. Colours are Okabe and Ito's, which colour-blind people can
tell apart; curves differ in dash as well.
"""

import math
import os
import subprocess

from hylab import stats

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
DASHES = ("1", "2", "4", "3", "5")
FONT = "DejaVu Sans"
FONT_FALLBACKS = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif"
INK, FAINT, GRID = "#222222", "#666666", "#E4E4E4"
WIDTH, CDF_HEIGHT, ROW_HEIGHT = 860, 420, 52
TOP_PX, BOTTOM_PX, KEY_PX, LEGEND_PX = 76, 66, 24, 22
LOG_FROM_RATIO = 30     # a wider range than this gets a logarithmic axis
CURVE_POINTS, DOTS_PER_ROW = 400, 200
RENDER_TIMEOUT_S = 60


class PlotError(Exception):
    """gnuplot is missing or refused the script."""


def _escape(text):
    """Text for gnuplot's enhanced mode inside single quotes."""
    for special in "\\{}^_@&~":
        text = text.replace(special, "\\" + special)
    return text.replace("'", "''").replace("\n", " ")


def tic_label(value):
    """12000 as 12,000 and 0.5 as 0.5: no exponents between a millionth and a billion."""
    if value and not 1e-6 <= abs(value) < 1e9:
        return f"{value:g}"
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:.6f}".rstrip("0").rstrip(".")


def size_label(size):
    """Bytes as 16K or 1M."""
    for unit, letter in ((1 << 20, "M"), (1 << 10, "K")):
        if size >= unit and size % unit == 0:
            return f"{size // unit}{letter}"
    return str(size)


def linear_tics(low, high, wanted=7):
    """Numbers 1, 2 or 5 times a power of ten apart, from low or below to high or above."""
    if high <= low:
        high = low + (abs(low) or 1)
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * f for f in (1, 2, 5, 10) if power * f >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def log_tics(low, high):
    """Powers of ten from low to high, with 2 and 5 between them over up to three decades."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if high / low <= 1000 else (1,)
    return [float(f"{m}e{e}") for e in range(first, last + 1) for m in steps
            if low <= float(f"{m}e{e}") <= high]


def x_axis(values, label, from_zero):
    """gnuplot lines for the x axis: range, tics and label that fit all the values."""
    low, high = min(values), max(values)
    logarithmic = low > 0 and high / low >= LOG_FROM_RATIO
    if logarithmic:
        low, high = low / 1.15, high * 1.15
        tics = log_tics(low, high)
    else:
        tics = linear_tics(min(low, 0) if from_zero else low, max(high, 0) if from_zero else high)
        low, high = tics[0], tics[-1]
    places = ", ".join(f"'{tic_label(t)}' {t!r}" for t in tics)
    lines = ["set logscale x"] if logarithmic else []
    note = ", logarithmic" if logarithmic else ""
    return lines + [
        f"set xrange [{low!r}:{high!r}]",
        f"set xtics ({places})",
        f"set xlabel '{_escape(label + note)}' textcolor rgb '{INK}' font ',13' offset 0,0.2",
    ]


def _frame(title, subtitle, height, left_px, right_px, bottom_px):
    """gnuplot lines for the canvas: size, fonts, title, margins, thin axes on two sides."""
    return [
        f"set terminal svg enhanced size {WIDTH},{height} font '{FONT},12' background '#FFFFFF'",
        "set encoding utf8",
        f"set border 3 linecolor rgb '{FAINT}' linewidth 1",
        f"set tics out nomirror scale 0.6 textcolor rgb '{INK}'",
        f"set grid xtics ytics linetype 1 linecolor rgb '{GRID}' linewidth 1",
        "set grid back",
        f"set lmargin at screen {left_px / WIDTH:.4f}",
        f"set rmargin at screen {1 - right_px / WIDTH:.4f}",
        f"set tmargin at screen {1 - TOP_PX / height:.4f}",
        f"set bmargin at screen {bottom_px / height:.4f}",
        f"set label 101 '{{/:Bold {_escape(title)}}}'"
        f" at screen {24 / WIDTH:.4f},{1 - 26 / height:.4f} left font ',17' textcolor rgb '{INK}'",
        f"set label 102 '{_escape(subtitle)}' at screen {24 / WIDTH:.4f},{1 - 50 / height:.4f}"
        f" left font ',12' textcolor rgb '{FAINT}'",
    ]


def _key(left_px, height, bottom_px):
    """The gnuplot line that puts the key below the axis, a line for each curve."""
    return (f"set key at screen {left_px / WIDTH:.4f},{(bottom_px - BOTTOM_PX + 2) / height:.4f}"
            " left top Left reverse vertical maxcols 1 samplen 3 spacing 1.35"
            f" textcolor rgb '{INK}'")


def _block(name, rows):
    """A gnuplot data block of number rows."""
    body = [" ".join(f"{value:.9g}" for value in row) for row in rows]
    return [f"${name} << EOD", *body, "EOD"]


def cdf_points(samples):
    """(value, percent of samples at or below it), thinned to CURVE_POINTS with both ends kept."""
    ordered = sorted(samples)
    n = len(ordered)
    keep = {round(i * (n - 1) / (CURVE_POINTS - 1)) for i in range(CURVE_POINTS)}
    keep |= set(range(max(0, n - 50), n))   # the tail is what one looks for
    return [(ordered[i], 100 * (i + 1) / n) for i in sorted(keep)]


def cdf(title, subtitle, axis, curves):
    """Cumulative shares; curves = [(label, samples, colour number)], one key line for each."""
    height = CDF_HEIGHT + KEY_PX * len(curves)
    bottom = BOTTOM_PX + KEY_PX * len(curves) + 8
    lines = _frame(title, subtitle, height, 84, 36, bottom)
    lines += x_axis([v for _, samples, _ in curves for v in samples], axis, from_zero=False)
    lines += [
        "set yrange [0:100]", "set ytics (0, 25, 50, 75, 90, '99' 99)",
        f"set ylabel 'share of samples at or below, %' font ',13' textcolor rgb '{INK}'"
        " offset 0.6,0",
        _key(84, height, bottom),
    ]
    drawn = []
    for i, (label, samples, colour) in enumerate(curves):
        rgb, dash = COLOURS[colour % len(COLOURS)], DASHES[colour % len(DASHES)]
        lines += _block(f"curve{i}", cdf_points(samples))
        lines += _block(f"marks{i}", [(stats.quantile(samples, p), 100 * p) for p in (0.5, 0.99)])
        drawn.append(f"$curve{i} with lines linewidth 2.5 dashtype {dash} linecolor rgb '{rgb}'"
                     f" title '{_escape(label)}'")
        drawn.append(f"$marks{i} with points pointtype 7 pointsize 0.8 linecolor rgb '{rgb}'"
                     " notitle")
    return "\n".join(lines + ["plot " + ", \\\n  ".join(drawn), ""])


def by_size(title, subtitle, axis, axis_y, curves, line=None):
    """Values over a size, with their spans; curves = [(label, [(x, value, low, high)], colour
    number)]. Both axes are logarithmic; a level line where one is wanted."""
    height = CDF_HEIGHT + KEY_PX * len(curves)
    bottom = BOTTOM_PX + KEY_PX * len(curves) + 8
    points = [point for _, found, _ in curves for point in found]
    values = [value for point in points for value in point[1:]] + ([line] if line else [])
    low, high = min(values) / 1.1, max(values) * 1.1
    tics = log_tics(low, high) if high / low > 4 else [
        t for t in linear_tics(low, high) if low <= t <= high]
    sizes = sorted({point[0] for point in points})
    left = 84 + 10 * max(0, len(tic_label(tics[-1])) - 5)
    lines = _frame(title, subtitle, height, left, 36, bottom) + [
        f"set logscale x 2; set xrange [{sizes[0] / 1.3!r}:{sizes[-1] * 1.3!r}]",
        "set xtics (" + ", ".join(f"'{size_label(x)}' {x}" for x in sizes) + ")",
        f"set xlabel '{_escape(axis)}' textcolor rgb '{INK}' font ',13' offset 0,0.2",
        f"set logscale y; set yrange [{low!r}:{high!r}]",
        "set ytics (" + ", ".join(f"'{tic_label(t)}' {t!r}" for t in tics) + ")",
        f"set ylabel '{_escape(axis_y)}' font ',13' textcolor rgb '{INK}' offset 0.6,0",
        _key(left, height, bottom),
    ]
    if line:
        lines.append(f"set arrow 1 from graph 0,first {line} to graph 1,first {line} nohead"
                     f" linecolor rgb '{INK}'")
    drawn = []
    for i, (label, found, colour) in enumerate(curves):
        rgb, dash = COLOURS[colour % len(COLOURS)], DASHES[colour % len(DASHES)]
        lines += _block(f"curve{i}", found)
        drawn += [f"$curve{i} using 1:2 with lines linewidth 2.5 dashtype {dash}"
                  f" linecolor rgb '{rgb}' title '{_escape(label)}'",
                  f"$curve{i} using 1:2:3:4 with yerrorbars pointtype 7 pointsize 0.6"
                  f" linecolor rgb '{rgb}' notitle"]
    return "\n".join(lines + ["plot " + ", \\\n  ".join(drawn), ""])


def timeline(title, subtitle, axis_y, curves, axis="seconds since the job began"):
    """Values over seconds; curves = [(label, [(second, value)], colour number)]."""
    height = CDF_HEIGHT + KEY_PX * len(curves)
    bottom = BOTTOM_PX + KEY_PX * len(curves) + 8
    points = [point for _, found, _ in curves for point in found]
    tics = linear_tics(0, max(value for _, value in points))
    left = 84 + 10 * max(0, len(tic_label(tics[-1])) - 5)
    lines = _frame(title, subtitle, height, left, 36, bottom)
    # from 0 on, which no logarithmic axis has
    lines += x_axis([0, *(second for second, _ in points)], axis, from_zero=True)
    lines += [
        f"set yrange [0:{tics[-1]!r}]",
        "set ytics (" + ", ".join(f"'{tic_label(t)}' {t!r}" for t in tics) + ")",
        f"set ylabel '{_escape(axis_y)}' font ',13' textcolor rgb '{INK}' offset 0.6,0",
        _key(left, height, bottom)]
    drawn = []
    for i, (label, found, colour) in enumerate(curves):
        rgb, dash = COLOURS[colour % len(COLOURS)], DASHES[colour % len(DASHES)]
        lines += _block(f"curve{i}", found)
        drawn.append(f"$curve{i} with lines linewidth 2.5 dashtype {dash} linecolor rgb '{rgb}'"
                     f" title '{_escape(label)}'")
    return "\n".join(lines + ["plot " + ", \\\n  ".join(drawn), ""])


def ratios(title, subtitle, axis, axis_y, curves):
    """by_size() of ratios with their intervals; the line is where the two are equal."""
    return by_size(title, subtitle, axis, axis_y, curves, line=1)


def _rows_frame(title, subtitle, names, labels, legend):
    """gnuplot lines for a picture with one named row per arm, the first on top: canvas, rows, what
    stands to the right of each, and under the axis what the signs mean."""
    bottom = BOTTOM_PX + LEGEND_PX
    height = TOP_PX + bottom + ROW_HEIGHT * len(names) + 20
    right = 40 + max(len(label) for label in labels) * 8
    return [*_frame(title, subtitle, height, _row_margin_px(names), right, bottom),
            *_row_axis(names), *_row_labels(labels),
            f"set label 103 '{_escape(legend)}' at screen {24 / WIDTH:.4f},{14 / height:.4f}"
            f" left font ',11' textcolor rgb '{FAINT}'"]


def _row_axis(names):
    """gnuplot lines for the names of the rows."""
    places = ", ".join(f"'{_escape(name)}' {-i}" for i, name in enumerate(names))
    return [f"set yrange [{-len(names) + 0.4}:0.6]", f"set ytics ({places}) scale 0 font ',13'",
            "set key off"]


def _row_margin_px(names):
    return max(84, 36 + max(len(name) for name in names) * 9)


def _row_labels(labels):
    """gnuplot lines that write each row's figure to the right of the plot."""
    return [f"set label {i + 1} '{_escape(label)}' at graph 1.02, first {-i} left font ',13'"
            f" textcolor rgb '{INK}'" for i, label in enumerate(labels)]


def _spread(index):
    """A fixed, even scatter in -0.17..0.17, so that equal samples do not hide each other."""
    return (index * 0.6180339887 % 1 - 0.5) * 0.34


def _thinned(samples):
    """At most DOTS_PER_ROW samples, evenly over their order of size; both ends kept."""
    if len(samples) <= DOTS_PER_ROW:
        return samples
    ordered = sorted(samples)
    return [ordered[round(i * (len(ordered) - 1) / (DOTS_PER_ROW - 1))]
            for i in range(DOTS_PER_ROW)]


def dots(title, subtitle, axis, rows):
    """Every sample as a dot, p10-p90 as a bar, the median large; rows = [(name, samples, label,
    colour number)], the label is written at the right."""
    lines = _rows_frame(title, subtitle, [row[0] for row in rows], [row[2] for row in rows],
                        "large dot: median · bar: p10 – p90 · small dots: single samples")
    lines += x_axis([v for row in rows for v in row[1]], axis, from_zero=True)
    drawn = []
    for i, (_, samples, _, colour) in enumerate(rows):
        rgb = COLOURS[colour % len(COLOURS)]
        low, mid, high = (stats.quantile(samples, p) for p in (0.1, 0.5, 0.9))
        lines += _block(f"bar{i}", [(low, -i), (high, -i)])
        lines += _block(f"dots{i}", [(v, -i + _spread(k)) for k, v in enumerate(_thinned(samples))])
        lines += _block(f"mid{i}", [(mid, -i)])
        size = 0.35 if len(samples) > 30 else 0.6
        drawn += [f"$bar{i} with lines linewidth 9 linecolor rgb '#B0{rgb[1:]}' notitle",
                  f"$dots{i} with points pointtype 7 pointsize {size}"
                  f" linecolor rgb '#60{rgb[1:]}' notitle",
                  f"$mid{i} with points pointtype 7 pointsize 1.35 linecolor rgb '#FFFFFF' notitle",
                  f"$mid{i} with points pointtype 7 pointsize 1.05 linecolor rgb '{rgb}' notitle"]
    return "\n".join(lines + ["plot " + ", \\\n  ".join(drawn), ""])


def promises(title, subtitle, axis, rows):
    """Promised against observed; rows = [(name, promised, observed, low, high, label)].

    An upright line is the promise, a dot with its interval what was seen: blue where the promise
    lies in the interval, vermilion where it does not.
    """
    lines = _rows_frame(title, subtitle, [row[0] for row in rows], [row[5] for row in rows],
                        "upright line: promised · dot: observed · bar: its 95 % interval")
    lines += x_axis([v for row in rows for v in row[1:5]], axis, from_zero=True)
    drawn = []
    for i, (_, promised, observed, low, high, _) in enumerate(rows):
        rgb = COLOURS[0] if low <= promised <= high else COLOURS[1]
        lines += _block(f"promise{i}", [(promised, -i - 0.32), (promised, -i + 0.32)])
        lines += _block(f"span{i}", [(low, -i), (high, -i)])
        lines += _block(f"seen{i}", [(observed, -i)])
        drawn += [f"$span{i} with lines linewidth 9 linecolor rgb '#A0{rgb[1:]}' notitle",
                  f"$promise{i} with lines linewidth 2 linecolor rgb '{INK}' notitle",
                  f"$seen{i} with points pointtype 7 pointsize 0.9 linecolor rgb '{rgb}' notitle"]
    return "\n".join(lines + ["plot " + ", \\\n  ".join(drawn), ""])


def render(script, path):
    """Run gnuplot on the script and put its SVG at path; nothing is left there on failure."""
    try:
        done = subprocess.run(["gnuplot"], input=script.encode(), capture_output=True,
                              timeout=RENDER_TIMEOUT_S, check=False)
    except FileNotFoundError:
        raise PlotError("gnuplot is not installed (Debian: gnuplot-nox)") from None
    except subprocess.TimeoutExpired:
        raise PlotError(f"{path}: gnuplot took over {RENDER_TIMEOUT_S} s") from None
    if done.returncode or b"</svg>" not in done.stdout:
        raise PlotError(f"{path}: gnuplot: {done.stderr.decode(errors='replace').strip()}")
    svg = done.stdout.decode().replace(f'font-family="{FONT}"', f'font-family="{FONT_FALLBACKS}"')
    with open(f"{path}.part", "w", encoding="utf-8") as out:
        out.write(svg)
    os.replace(f"{path}.part", path)
