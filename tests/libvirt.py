# SPDX-License-Identifier: GPL-2.0-or-later
"""By hand: an existing libvirt domain gets the XML of `hylics vm libvirt-xml`, and is started.

    mkdir /tmp/lv && cd /tmp/lv && apt-get download libvirt0 libvirt-daemon libvirt-clients \\
        libvirt-daemon-driver-qemu libyajl2 libssh-4 libparted2
    for deb in *.deb; do dpkg-deb -x $deb /tmp/lv; done
    PYTHONPATH=lab:tests/system HYLICS_BUILD=$PWD/build build/hylics lab exec -- \\
        /usr/bin/python3 -B tests/libvirt.py /tmp/lv

Nothing is installed: inside the wall the folder is laid over /usr. libvirtd runs QEMU as
libvirt-qemu, as Debian's does. The guest writes to the share, and its agent finds the channel: then
this ends with 0.
"""

import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as xml

from hylab.hylicsd import BUILD, Hylicsd
from moving import wait_for

from hylab import initramfs, kernel, wall
from hylab.vm import Share, Spec, Tap, command_line

NAME, TAP, MAC = "web1", "web1-0", "52:54:00:12:34:56"
USER, UID = "libvirt-qemu", 64055
PLACE = pathlib.Path("/run/lv")
CONSOLE = PLACE / "console"
BOOT_S = 120
DOMAIN = f"""<domain type='qemu'><name>{NAME}</name><memory unit='MiB'>512</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type><kernel/><initrd/><cmdline/></os>
<sysinfo type='fwcfg'><entry name='opt/io.hylics/run' file='{PLACE}/order'/></sysinfo>
<features><acpi/></features><cpu mode='maximum'/><devices>
<emulator>/usr/bin/qemu-system-x86_64</emulator>
<filesystem type='mount' accessmode='passthrough' multidevs='remap'><source dir='/'/>
<target dir='root'/><readonly/></filesystem><serial type='file'><source path='{CONSOLE}'/></serial>
<interface type='bridge'><mac address='{MAC}'/><source bridge='br0'/><model type='virtio'/>
</interface></devices></domain>"""


def do(*words):
    """A command that has to succeed; what it says."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=BOOT_S,
                          stdin=subprocess.DEVNULL)
    said = (done.stdout + done.stderr).strip()
    print("#", *words, "->", done.returncode, said[-300:])
    assert done.returncode == 0
    return said


def lay_over(lower, place):
    """A folder's files over a place; what is written there goes with the wall."""
    upper, work = (PLACE / f"{kind}{place.replace('/', '-')}" for kind in ("upper", "work"))
    upper.mkdir()
    work.mkdir()
    do("mount", "-t", "overlay", "-o",
       f"lowerdir={':'.join([*lower, place])},upperdir={upper},workdir={work}", "overlay", place)


def install(folder):
    """libvirt and its user, inside the wall."""
    PLACE.mkdir()
    lay_over([f"{folder}/usr"], "/usr")
    lay_over([], "/var")
    lay_over([], "/etc")
    do("ldconfig")
    for line, file in ((f"{USER}:x:{UID}:{UID}::/var/lib/libvirt:/bin/false", "passwd"),
                       (f"{USER}:x:{UID}:", "group"), ("kvm:x:64056:", "group")):
        with open(f"/etc/{file}", "a", encoding="ascii") as names:
            names.write(line + "\n")
    for place in ("/etc/libvirt", "/var/lib/libvirt", "/var/log/libvirt", "/var/cache/libvirt"):
        pathlib.Path(place).mkdir(exist_ok=True)
    pathlib.Path("/etc/libvirt/libvirtd.conf").write_text('auth_unix_rw = "none"\n')
    # the wall has its own namespaces, and its cgroups are the machine's
    pathlib.Path("/etc/libvirt/qemu.conf").write_text(
        f'user = "{USER}"\ngroup = "{USER}"\nsecurity_driver = "none"\ncgroup_controllers = []\n'
        'namespaces = []\nstdio_handler = "file"\n')


def write_domain(host):
    """The domain as it might have been, with the pieces put in; its file."""
    pieces = {piece.tag: piece for piece in xml.fromstring(
        f"<x>{host.ask('vm', 'libvirt-xml', NAME).stdout}</x>")}
    domain, found = xml.fromstring(DOMAIN), kernel.need()
    share = Share("hylics", "", "/hylics", type="virtiofs")
    spec = Spec(name=NAME, channel="serial:", shares=(share,), taps=(Tap(TAP),))
    domain.find("os/kernel").text = str(found.image)
    domain.find("os/initrd").text = str(initramfs.build(found))
    domain.find("os/cmdline").text = command_line(spec, found.modules, order=True)
    domain.append(pieces["memoryBacking"])
    domain.find("devices").extend([pieces["filesystem"], pieces["channel"]])
    domain.find("devices/interface").append(pieces["target"])
    xml.ElementTree(domain).write(PLACE / "domain.xml")
    return str(PLACE / "domain.xml")


def write_order():
    """What the guest does."""
    (PLACE / "order").write_text(
        f"echo through libvirt > /hylics/proof; {BUILD}/hylics-agent/hylics-agent --channel serial "
        f"--share /hylics & for i in $(seq 60); do {BUILD}/hylics-guest/hylics-guest status --json "
        "| grep '\"channel\":\"up\"' && break; sleep 1; done; sleep 600\n", encoding="ascii")
    (PLACE / "order").chmod(0o644)


def try_it(host):
    """Define, start, look, destroy."""
    file = write_domain(host)
    write_order()
    do("ip", "link", "add", "br0", "type", "bridge")
    do("virt-xml-validate", file, "domain")
    do("virsh", "version")
    do("virsh", "define", "--validate", file)
    do("virsh", "start", NAME)
    proof = pathlib.Path(host.vm(NAME)["share"]) / "proof"
    wait_for(proof.exists, "the guest writes to its share", BOOT_S)
    wait_for(lambda: '"channel":"up"' in CONSOLE.read_text(errors="replace"), "the channel", BOOT_S)
    print("#", proof.read_text().strip(), oct(os.stat(host.vm(NAME)["channel"]).st_mode))
    do("virsh", "destroy", NAME)
    wait_for(lambda: not host.vm(NAME)["guest"], "the share is free")


def main():
    """All of it."""
    wall.require()
    install(sys.argv[1])
    (PLACE / "hylicsd.conf").write_text(f"[hylicsd]\nqemu-group = {USER}\n", encoding="ascii")
    host = Hylicsd(f"--config={PLACE}/hylicsd.conf")
    host.top.chmod(0o711)
    daemon = None
    try:
        host.start()
        host.ask("vm", "add", NAME, "--share", "64M", "--tap", f"{TAP},{MAC}")
        with open(PLACE / "log", "wb") as log:
            daemon = subprocess.Popen(["libvirtd"], stdout=log, stderr=log)
        wait_for(pathlib.Path("/run/libvirt/libvirt-sock").exists, "libvirtd")
        try_it(host)
    except BaseException:
        print(CONSOLE.read_text(errors="replace")[-1500:] if CONSOLE.exists() else "")
        raise
    finally:
        if daemon:
            subprocess.run(["virsh", "destroy", NAME], check=False, capture_output=True)
            daemon.terminate()
            daemon.wait()
        host.close()
    print("it works")


if __name__ == "__main__":
    main()
