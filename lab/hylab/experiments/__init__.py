# SPDX-License-Identifier: GPL-2.0-or-later
"""The experiments: each module here defines one and names it EXPERIMENT."""
