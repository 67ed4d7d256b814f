# SPDX-License-Identifier: GPL-2.0-or-later
"""Times of a move's stages as worker and agent show them: histograms, and samples made of them.

A histogram is {bucket's smallest value in ns, as text: how many}, see common/hist.h.
"""

STEP_BITS = 3           # eight buckets to an octave
NS_PER_US = 1000


def width(low):
    """How wide the bucket is that begins with this value."""
    return 1 << max(0, low.bit_length() - 1 - STEP_BITS)


def difference(now, before):
    """What came to a histogram since."""
    return {low: count - before.get(low, 0) for low, count in now.items()
            if count != before.get(low, 0)}


def samples_us(histogram):
    """A sample in µs for each that was counted, spread evenly over its bucket."""
    return [round((int(low) + width(int(low)) * (k + 0.5) / count) / NS_PER_US, 3)
            for low, count in sorted(histogram.items(), key=lambda item: int(item[0]))
            for k in range(count)]


def since(now, before):
    """{who: {stage: samples in µs}} between two looks (Offload.stages())."""
    return {who: {stage: samples_us(difference(histogram, before.get(who, {}).get(stage, {})))
                  for stage, histogram in stages.items()}
            for who, stages in now.items()}
