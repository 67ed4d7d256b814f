# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's commands: `hylics lab prepare|boot|list|run|demo`."""

import argparse
import json
import sys

from hylab import LabError, kernel, progress, wall

USAGE_CODE = 2


def main(argv):
    """Dispatch; the exit code."""
    parser = argparse.ArgumentParser(prog="hylics lab", description="real VMs and experiments")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("prepare", help="fetch and unpack the guest kernel (needs the network)")
    _add_boot(commands)
    commands.add_parser("demo", help="jobs and deliveries of a VM, plain and with Hylics",
                        add_help=False)
    commands.add_parser("list", help="list the experiments", add_help=False)
    commands.add_parser("run", help="run experiments", add_help=False)
    wall.end_on_signals()
    if argv[:1] in (["list"], ["run"]):
        return _experiments(argv)
    if argv[:1] == ["demo"]:
        from hylab import demo  # gnuplot, too
        return demo.main(argv[1:])
    arguments = parser.parse_args(argv)
    if arguments.command == "prepare":
        found = kernel.prepare()
        progress.say(f"guest kernel {found.version} is ready in {found.tree}")
        return 0
    return _guarded(arguments)


def _experiments(argv):
    from hylab import experiment  # gnuplot, statistics: not needed to boot a VM
    if argv[0] == "run":
        wall.require()
    return experiment.main(argv)


def _add_boot(commands):
    boot = commands.add_parser("boot", help="boot VMs, run a command, print times")
    boot.add_argument("--cmd", default="uname -a", help="shell command for each VM [%(default)s]")
    boot.add_argument("--vms", type=_count, default=1, metavar="N", help="VMs at once")
    boot.add_argument("--memory", default="1G", metavar="SIZE", help="of each VM [%(default)s]")
    boot.add_argument("--vcpus", type=_count, default=1, metavar="N", help="of each VM")
    boot.add_argument("--time-limit", type=float, default=300, metavar="SECONDS",
                      help="for everything [%(default)s]")
    boot.add_argument("--keep-console", metavar="FILE",
                      help="keep what the console printed; with several VMs FILE.NAME")
    boot.add_argument("--json", action="store_true", help="print one JSON object")


def _count(text):
    number = int(text)
    if not 1 <= number <= 64:
        raise argparse.ArgumentTypeError("from 1 to 64")
    return number


def _guarded(arguments):
    """Errors of `boot --json` are objects as well."""
    try:
        wall.require()
        return _boot(arguments)
    except LabError as error:
        if arguments.json:
            print(json.dumps({"error": {"code": "lab", "message": str(error)}}))
        raise


def _boot(arguments):
    from hylab import vm
    specs = [_spec(arguments, number, vm.Spec) for number in range(1, arguments.vms + 1)]
    reports = []
    with vm.together(specs) as machines:
        jobs = [(machine, machine.spawn()) for machine in machines]
        for machine, job in jobs:
            result = machine.wait(job)
            reports.append({"name": machine.spec.name, "accelerator": machine.accelerator,
                            "boot_s": machine.boot_times(), "exit": result.code,
                            "stdout": result.stdout, "stderr": result.stderr})
    if arguments.json:
        print(json.dumps({"version": 1, "kernel": kernel.need().version, "vms": reports}))
    else:
        _print_reports(reports)
    return 1 if any(report["exit"] for report in reports) else 0


def _spec(arguments, number, make):
    keep = arguments.keep_console
    name = f"vm{number}"
    if keep and arguments.vms > 1:
        keep = f"{keep}.{name}"
    return make(name=name, memory=arguments.memory, vcpus=arguments.vcpus, command=arguments.cmd,
                time_limit_s=arguments.time_limit, console_file=keep)


def _print_reports(reports):
    for report in reports:
        print(f"{report['name']} ({report['accelerator']}), seconds from QEMU's start:")
        for stage, seconds in report["boot_s"].items():
            print(f"  {seconds:8.3f}  {stage}")
        print(f"  exit code {report['exit']}, output:")
        print(report["stdout"], end="")
        print(report["stderr"], end="", file=sys.stderr)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LabError as lab_error:
        print(f"hylics lab: {lab_error}", file=sys.stderr)
        sys.exit(lab_error.code)
    except KeyboardInterrupt:
        sys.exit(130)
