# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a row ROW(NAME) for every maximum of common/limits.h, for print_tables.c."""

import re
import sys


def main(header, out):
    """Every HY_ name that is defined to be something."""
    with open(header, encoding="utf-8") as f:
        names = re.findall(r"^#define (HY_\w+) +\S", f.read(), re.MULTILINE)
    with open(out, "w", encoding="utf-8") as f:
        f.writelines(f"ROW({name})\n" for name in names)


if __name__ == "__main__":
    main(*sys.argv[1:])
