# SPDX-License-Identifier: GPL-2.0-or-later
"""stats.py - medians, quantiles, ratios and their intervals; pure functions, no I/O."""

import itertools
import math
import random

# Up to this many pairs every possible resample is visited (6435 for 8), so that the interval is
# exact and has no seed in it; above it the resamples are drawn with a seeded generator.
EXACT_VALUES_MAX = 8
BOOTSTRAP_DRAWS = 10000


def quantile(samples, p):
    """The p-quantile, 0 <= p <= 1: linear interpolation between order statistics.

    With the samples sorted as x[0..n-1] it is the value at position p * (n - 1), interpolated
    between its two neighbours (Hyndman and Fan's type 7, the default of R and numpy).
    """
    if not samples:
        raise ValueError("quantile of no samples")
    if not 0 <= p <= 1:
        raise ValueError(f"quantile: {p} is not between 0 and 1")
    ordered = sorted(samples)
    position = p * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    part = position - below
    return ordered[below] * (1 - part) + ordered[above] * part


def median(samples):
    """The 0.5-quantile: the middle sample, or the mean of the two in the middle."""
    return quantile(samples, 0.5)


def mean(samples):
    """Arithmetic mean, summed without rounding loss."""
    if not samples:
        raise ValueError("mean of no samples")
    return math.fsum(samples) / len(samples)


def geometric_mean(samples):
    """exp of the mean of the logarithms; every sample must be above zero."""
    if any(value <= 0 for value in samples):
        raise ValueError("geometric mean needs samples above zero")
    return math.exp(mean([math.log(value) for value in samples]))


def _every_resample(values):
    """(mean, weight) of each distinct resample; weights are counts out of n ** n."""
    n = len(values)
    for chosen in itertools.combinations_with_replacement(range(n), n):
        weight = math.factorial(n)
        for _, same in itertools.groupby(chosen):
            weight //= math.factorial(len(list(same)))
        yield mean([values[i] for i in chosen]), weight


def _drawn_resamples(values, seed):
    """(mean, 1) of BOOTSTRAP_DRAWS resamples from a generator that only the seed decides."""
    rng = random.Random(seed)
    for _ in range(BOOTSTRAP_DRAWS):
        yield mean(rng.choices(values, k=len(values))), 1


def _first_reaching(weighted, share):
    """The first value at which the weights added up so far reach the given share of all."""
    wanted = share * sum(weight for _, weight in weighted)
    reached = 0
    for value, weight in weighted:
        reached += weight
        if reached >= wanted:
            return value
    return weighted[-1][0]


def bootstrap_mean(values, level=0.95, seed=1):
    """(low, high): percentile bootstrap interval of the mean.

    low is the smallest resampled mean m with P(mean <= m) >= (1 - level) / 2, high the largest with
    P(mean >= m) >= (1 - level) / 2. Exact up to EXACT_VALUES_MAX values, seeded above.
    """
    if not values:
        raise ValueError("bootstrap of no values")
    exact = len(values) <= EXACT_VALUES_MAX
    means = _every_resample(values) if exact else _drawn_resamples(values, seed)
    weighted = sorted(means)
    tail = (1 - level) / 2
    return _first_reaching(weighted, tail), _first_reaching(weighted[::-1], tail)


def paired_ratios(values, baseline):
    """values[i] / baseline[i] for each i where both are measured (not None) and above zero."""
    return [v / b for v, b in zip(values, baseline)
            if v is not None and b is not None and v > 0 and b > 0]


def compare(values, baseline, level=0.95, seed=1):
    """Paired comparison: {"ratio", "low", "high", "pairs"}, or None without a usable pair.

    ratio is the geometric mean of the paired ratios, low and high its bootstrap interval over the
    pairs (the resampled thing is the logarithm of a pair's ratio); None for both with one pair.
    """
    logs = [math.log(ratio) for ratio in paired_ratios(values, baseline)]
    if not logs:
        return None
    low = high = None
    if len(logs) > 1:
        low, high = (math.exp(end) for end in bootstrap_mean(logs, level, seed))
    return {"ratio": math.exp(mean(logs)), "low": low, "high": high, "pairs": len(logs)}


def best_coverage(pairs):
    """How often the span from the lowest to the highest of so many pairs holds the true median.

    No percentile interval over the pairs is wider than that span, so this is the most that its
    "95 %" can mean: 75 % for 3 pairs, 93.75 % for 5, and at least 95 % from 6 on.
    """
    return 1 - 2.0 ** (1 - pairs)


def _binomial_pmf(n, k, p):
    log_ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(log_ways + k * math.log(p) + (n - k) * math.log1p(-p))


def _tail(n, k, p):
    """P(X <= k) for k no higher than the mean, so that every further term is a smaller one."""
    odds = (1 - p) / p
    terms = [_binomial_pmf(n, k, p)]
    for i in range(k, 0, -1):
        terms.append(terms[-1] * i / (n - i + 1) * odds)
        if terms[-1] < terms[0] * 1e-18:
            break
    return math.fsum(terms)


def binomial_at_most(n, k, p):
    """P(X <= k) for X binomial(n, p), 0 < p < 1."""
    if k < 0 or k >= n:
        return float(k >= n)
    if k <= n * p:
        return _tail(n, k, p)
    return 1 - _tail(n, n - k - 1, 1 - p)


def binomial_at_least(n, k, p):
    """P(X >= k) for X binomial(n, p), 0 < p < 1."""
    return binomial_at_most(n, n - k, 1 - p)


def _crossing(holds):
    """The p in (0, 1) below which holds(p) is true and above which it is false."""
    low, high = 0.0, 1.0
    for _ in range(50):     # as fine as 1 - p can be told from 1
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return (low + high) / 2


def binomial_interval(n, k, level=0.95):
    """(low, high): the exact (Clopper-Pearson) interval of the share behind k hits in n tries."""
    if not 0 <= k <= n or n == 0:
        raise ValueError(f"binomial interval: {k} hits in {n} tries")
    tail = (1 - level) / 2
    low = 0.0 if k == 0 else _crossing(lambda p: binomial_at_least(n, k, p) < tail)
    high = 1.0 if k == n else _crossing(lambda p: binomial_at_most(n, k, p) > tail)
    return low, high
