# SPDX-License-Identifier: GPL-2.0-or-later
"""The files a check looks at: what git tracks or would track, never what a build made."""

import functools
import pathlib
import subprocess

_KINDS = {".c": "c", ".h": "c", ".py": "python", ".sh": "shell", ".md": "markdown", ".1": "man",
          ".8": "man"}
_NAMES = {"meson.build": "meson", "meson_options.txt": "meson"}


class NoCheckout(Exception):
    """The folder is no git checkout: its own files cannot be told from others."""


class Tree:
    """A checkout; paths are relative to its root, with slashes."""

    def __init__(self, root):
        self.root = pathlib.Path(root).resolve()

    @functools.cached_property
    def files(self):
        """All files, sorted; tracked ones that were deleted are left out."""
        if not (self.root / ".git").exists():
            raise NoCheckout(f"{self.root} is no git checkout")
        command = ["git", "-C", str(self.root), "-c", "safe.directory=*", "ls-files", "-z",
                   "--cached", "--others", "--exclude-standard"]
        out = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
        names = {name.decode() for name in out.split(b"\0") if name}
        return sorted(name for name in names if (self.root / name).is_file())

    def of_kind(self, *kinds):
        """Paths of the given kinds: c (headers too), python, shell, meson, markdown, man."""
        return [path for path in self.files if self.kind(path) in kinds]

    @functools.cache
    def kind(self, path):
        """What a file is, by its name, or by its first line if that names an interpreter."""
        name = pathlib.PurePosixPath(path)
        kind = _NAMES.get(name.name) or _KINDS.get(name.suffix)
        if kind or name.suffix:
            return kind
        with open(self.root / path, "rb") as f:
            first = f.readline(100)
        if not first.startswith(b"#!"):
            return None
        return "python" if b"python" in first else "shell"

    @functools.cache
    def text(self, path):
        """What is in a file; bytes that are no UTF-8 are replaced."""
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    def lines(self, path):
        """(number, line) of a file, from 1."""
        return enumerate(self.text(path).split("\n"), 1)

    def __contains__(self, path):
        return path in self._set

    @functools.cached_property
    def _set(self):
        return frozenset(self.files)
