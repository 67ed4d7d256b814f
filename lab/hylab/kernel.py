# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest kernel: Debian's own, fetched and unpacked below the build folder, never installed.

Runs outside the wall, because it needs the machine's network: `hylics lab prepare`. The result is
build/lab/kernel/VERSION/{vmlinux,lib/modules/VERSION}; a directory with that name is complete,
because it is made under another name and renamed.
"""

import dataclasses
import lzma
import os
import pathlib
import platform
import re
import shutil
import struct
import subprocess
import tempfile
import zlib

from hylab import LabError, WORK, progress
from hylab.lock import locked

META_PACKAGE = "linux-image-amd64"
CACHE = WORK / "kernel"
APT_TIMEOUT_S = 600
UNPACK_TIMEOUT_S = 300
_APT_OPTIONS = ("-o", "APT::Sandbox::User=root", "-q")


@dataclasses.dataclass(frozen=True)
class Kernel:
    """One unpacked kernel."""
    version: str
    tree: pathlib.Path

    @property
    def image(self):
        """Uncompressed ELF image with a PVH entry: QEMU starts it without decompression."""
        return self.tree / "vmlinux"

    @property
    def modules(self):
        """The directory that belongs at /lib/modules/VERSION."""
        return self.tree / "lib/modules" / self.version


def cached(cache=CACHE):
    """The kernel that was prepared last, or None."""
    try:
        version = (cache / "current").read_text().strip()
    except FileNotFoundError:
        return None
    kernel = Kernel(version, cache / version)
    return kernel if version and kernel.image.exists() else None


def need():
    """The prepared kernel; an error that says how to get one if there is none."""
    kernel = cached()
    if kernel is None:
        raise LabError(f"no guest kernel in {CACHE}: run 'build/hylics lab prepare' first "
                       "(it downloads one package from Debian)")
    return kernel


def prepare(cache=CACHE):
    """The cached kernel, else the current one from Debian; safe beside others who do the same."""
    if platform.machine() != "x86_64":
        raise LabError(f"the lab boots x86_64 kernels; this machine is {platform.machine()}")
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / "lock"):
        kernel = cached(cache)
        if kernel is None:
            _sweep(cache)
            kernel = _fetch(cache)
    return kernel


def _sweep(cache):
    """Remove what a killed run left; only called with the lock held."""
    for left in cache.glob("making-*"):
        shutil.rmtree(left, ignore_errors=True)


def _fetch(cache):
    making = pathlib.Path(tempfile.mkdtemp(prefix="making-", dir=cache))
    try:
        package = _download(making)
        version = package.removeprefix("linux-image-")
        tree = _unpack(making, version)
        target = cache / version
        shutil.rmtree(target, ignore_errors=True)
        tree.rename(target)
        _write_atomically(cache / "current", version + "\n")
        return Kernel(version, target)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _write_atomically(path, text):
    draft = path.with_name(path.name + ".new")
    draft.write_text(text)
    draft.rename(path)


def _run(argv, timeout_s, **options):
    """Run a program; LabError with the end of its stderr when it fails."""
    try:
        done = subprocess.run(argv, capture_output=True, timeout=timeout_s, check=False,
                              env={**os.environ, "LC_ALL": "C"}, **options)
    except FileNotFoundError as error:
        raise LabError(f"'{argv[0]}' is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"'{' '.join(argv[:3])}' took more than {timeout_s} s") from error
    if done.returncode:
        tail = done.stderr.decode(errors="replace").strip().splitlines()[-5:]
        raise LabError(f"'{' '.join(argv)}' failed: " + "; ".join(tail))
    return done.stdout


def _current_package():
    listing = _run(["apt-cache", "depends", META_PACKAGE], APT_TIMEOUT_S).decode()
    found = re.search(r"^\s*\|?Depends: (linux-image-\S+)$", listing, re.MULTILINE)
    if not found:
        raise LabError(f"apt-cache names no kernel package for {META_PACKAGE}")
    return found[1]


def _download(into):
    """Fetch the package; an index that is missing or out of date is renewed once."""
    try:
        return _download_once(into)
    except LabError as first:
        progress.say(f"{first}; renewing the package index")
    try:
        with progress.step("apt-get update"):
            _run(["apt-get", *_APT_OPTIONS, "update"], APT_TIMEOUT_S)
        return _download_once(into)
    except LabError as error:
        raise LabError(f"no guest kernel in {CACHE} and none to be had from Debian: {error}; "
                       "the lab needs the network once, for this one package") from error


def _download_once(into):
    package = _current_package()
    with progress.step(f"download {package}", lambda: _size_of(into, "*.deb")):
        _run(["apt-get", *_APT_OPTIONS, "download", package], APT_TIMEOUT_S, cwd=into)
    return package


def _size_of(directory, pattern):
    return sum(path.stat().st_size for path in directory.glob(pattern))


def _unpack(making, version):
    """Make the finished tree below `making`: image, modules, module index."""
    (deb,) = making.glob("*.deb")
    files, tree = making / "files", making / "tree"
    with progress.step(f"unpack {deb.name}"):
        _run(["dpkg-deb", "-x", str(deb), str(files)], UNPACK_TIMEOUT_S)
    with progress.step(f"extract and index kernel {version}"):
        (tree / "lib/modules").mkdir(parents=True)
        source = files / "lib/modules" / version
        if not source.exists():
            source = files / "usr/lib/modules" / version
        source.rename(tree / "lib/modules" / version)
        _run(["depmod", "-b", str(tree), version], UNPACK_TIMEOUT_S)
        (tree / "vmlinux").write_bytes(elf_of((files / f"boot/vmlinuz-{version}").read_bytes()))
    return tree


def elf_of(bzimage):
    """The ELF image inside a bzImage. Decompressing it here saves seconds under emulation."""
    if len(bzimage) < 0x250 or bzimage[0x1fe:0x200] != b"\x55\xaa" \
            or bzimage[0x202:0x206] != b"HdrS":
        raise LabError("the package's kernel is not a bzImage")
    setup_sectors = bzimage[0x1f1] or 4
    offset, length = struct.unpack_from("<II", bzimage, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = bzimage[start:start + length]
    if len(payload) != length or length < 8:
        raise LabError("the package's kernel ends before its payload")
    image = decompress(payload)
    if image[:4] != b"\x7fELF":
        raise LabError("the kernel's payload is not an ELF image")
    return image


def decompress(data):
    """Undo the compression that the first bytes tell; a size appended by the kernel is ignored."""
    for magic, undo in _FORMATS:
        if data.startswith(magic):
            return undo(data)
    return data


def _by_program(*argv):
    def undo(data):
        # The kernel's build appends the size in four bytes, which these programs take for garbage.
        return _run(list(argv), UNPACK_TIMEOUT_S, input=data[:-4])
    return undo


_FORMATS = (
    (b"\xfd7zXZ\0", lambda data: lzma.LZMADecompressor().decompress(data)),
    (b"\x1f\x8b", lambda data: zlib.decompressobj(31).decompress(data)),
    (b"\x28\xb5\x2f\xfd", _by_program("zstd", "-dcq")),
    (b"\x02\x21\x4c\x18", _by_program("lz4", "-dcq")),
)
