# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's initramfs: static busybox, the few modules a boot needs, lab/guest/init.sh.

Written as a newc cpio archive directly. Modules come in groups; init.sh loads `base` and the groups
named in hy.load, in the order of the file /modules. Any other module is found by modprobe in the
guest, through the host's root.
"""

import hashlib
import os
import pathlib
import stat
import tempfile

from hylab import LabError, TREE
from hylab.kernel import decompress

INIT = TREE / "lab/guest/init.sh"
BUSYBOX = pathlib.Path("/bin/busybox")
APPLETS = ("sh", "mount", "mkdir", "ln", "insmod", "ip", "cp", "sync", "switch_root")
DIRECTORIES = ("bin", "dev", "lib", "proc", "sys", "ro", "rw", "new")

GROUPS = {
    "base": ("virtio_pci", "9p", "9pnet_virtio", "overlay"),
    "net": ("virtio_net",),
    "blk": ("virtio_blk",),
    "serial": ("virtio_console",),
    "virtiofs": ("virtiofs",),
    "vsock": ("vmw_vsock_virtio_transport",),
    "order": ("qemu_fw_cfg",),
}


class Cpio:
    """A newc archive in memory. The same calls give the same bytes."""

    def __init__(self):
        self._parts = []
        self._inode = 0

    def directory(self, name):
        """Add an empty directory."""
        self._add(name, stat.S_IFDIR | 0o755, b"")

    def file(self, name, data, mode=0o644):
        """Add a regular file."""
        self._add(name, stat.S_IFREG | mode, data)

    def symlink(self, name, target):
        """Add a symbolic link."""
        self._add(name, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, name, major, minor):
        """Add a device node; the archive needs no privilege for it."""
        self._add(name, stat.S_IFCHR | 0o600, b"", (major, minor))

    def bytes(self):
        """The archive with its trailer, padded as the kernel expects."""
        end = self._entry("TRAILER!!!", 0, 0, b"", (0, 0))
        return _padded(b"".join(self._parts) + end, 512)

    def _add(self, name, mode, data, device=(0, 0)):
        self._inode += 1
        self._parts.append(self._entry(name, mode, self._inode, data, device))

    @staticmethod
    def _entry(name, mode, inode, data, device):
        path = name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(path), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields)
        return _padded(header + path, 4) + _padded(data, 4)


def _padded(data, unit):
    return data + b"\0" * (-len(data) % unit)


def dependencies(text):
    """modules.dep as {module: (its file, [files it needs, nearest first])}."""
    table = {}
    for line in text.splitlines():
        path, _, needs = line.partition(":")
        table[module_name(path)] = (path, needs.split())
    return table


def module_name(path):
    """kernel/net/9p/9pnet-virtio.ko.xz -> 9pnet_virtio"""
    return path.rsplit("/", 1)[-1].split(".ko", 1)[0].replace("-", "_")


def load_order(table, names, builtin=frozenset()):
    """Files to load for the modules, needed ones first, each once."""
    order = {}
    for name in names:
        if name in builtin:
            continue
        if name not in table:
            raise LabError(f"the guest kernel has no module '{name}'")
        path, needs = table[name]
        for file in [*reversed(needs), path]:
            order.setdefault(file)
    return list(order)


def build(kernel):
    """Path of the initramfs for this kernel, made unless the same one is there already."""
    archive = _archive(kernel)
    path = kernel.tree / f"initramfs-{hashlib.sha256(archive).hexdigest()[:16]}.cpio"
    if not path.exists():
        with tempfile.NamedTemporaryFile(dir=kernel.tree, delete=False) as draft:
            draft.write(archive)
        os.replace(draft.name, path)
    return path


def _archive(kernel):
    archive = Cpio()
    for directory in DIRECTORIES:
        archive.directory(directory)
    archive.character_device("dev/console", 5, 1)
    archive.file("init", INIT.read_bytes(), 0o755)
    archive.file("bin/busybox", _busybox(), 0o755)
    for applet in APPLETS:
        archive.symlink(f"bin/{applet}", "busybox")
    _add_modules(archive, kernel)
    return archive.bytes()


def _add_modules(archive, kernel):
    table = dependencies((kernel.modules / "modules.dep").read_text())
    builtin = {module_name(line) for line in
               (kernel.modules / "modules.builtin").read_text().splitlines()}
    added, lines = set(), []
    for group, names in GROUPS.items():
        for file in load_order(table, names, builtin):
            if file not in added:
                archive.file(f"lib/{module_name(file)}.ko",
                             decompress((kernel.modules / file).read_bytes()))
                added.add(file)
            lines.append(f"{group} {module_name(file)}\n")
    archive.file("modules", "".join(lines).encode())


def _busybox():
    try:
        program = BUSYBOX.read_bytes()
    except FileNotFoundError as error:
        raise LabError(f"{BUSYBOX} is missing: install the package busybox-static") from error
    # A dynamic program names its loader; in the initramfs there is none.
    if b"/ld-linux" in program[:4096]:
        raise LabError(f"{BUSYBOX} is not static: install the package busybox-static")
    return program
