# SPDX-License-Identifier: GPL-2.0-or-later
"""pytest speaks TAP: a line per test item, the plan at the end, all else as diagnostics.

Run as: /usr/bin/python3 -B -m pytest -p no:cacheprovider -q FILE
Standard output carries TAP only; what a test prints is shown if it fails.
"""

import os
import pathlib
import sys

import pytest

NAME_MAX = 120
SLOW_S = 0.5
TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "lab"))
sys.dont_write_bytecode = True     # nothing is written outside the build folder


class Tap:
    """Writes TAP from pytest's reports. An item has up to three: setup, call, teardown."""

    def __init__(self, stream):
        self._stream = stream
        self._points = 0
        self._reports = []
        self._bailed = False
        self._shown = {}    # text of a failure -> number of the test that showed it

    def pytest_runtest_logreport(self, report):
        """Collect an item's reports; the last one makes its line."""
        self._reports.append(report)
        if report.when == "teardown":
            self._item(self._reports)
            self._reports = []

    def pytest_collectreport(self, report):
        """A file that cannot be imported is a failed test, one that skips itself a skipped one."""
        if not report.passed:
            self._item([report])

    def pytest_internalerror(self, excrepr):
        """pytest itself failed."""
        self._diagnose(str(excrepr))
        self._bail("pytest failed")

    def pytest_keyboard_interrupt(self, excinfo):
        """Ctrl-C. (A file that cannot be imported comes here too, but has its line already.)"""
        if not issubclass(excinfo.type, pytest.Session.Interrupted):
            self._bail(f"interrupted ({excinfo.typename})")

    def pytest_sessionfinish(self, session, exitstatus):
        """The plan, once it is known; an interrupted run has none."""
        if not self._bailed:
            self._line(f"1..{self._points}" + ("" if self._points else " # SKIP no tests"))
        if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            session.exitstatus = pytest.ExitCode.OK     # the whole file was skipped

    def _item(self, reports):
        self._points += 1
        path, _, item = reports[0].nodeid.partition("::")
        name = _plain(f"{path.rsplit('/', 1)[-1]}: {item}")[:NAME_MAX]
        failed = [report for report in reports if report.failed]
        skipped = [report for report in reports if report.skipped]
        word, directive = "not ok" if failed else "ok", ""
        if not failed and skipped:
            word, directive = _skip(skipped[0])
        self._line(f"{word} {self._points} - {name}{directive}")
        for report in failed:
            self._failure(report)
        seconds = sum(getattr(report, "duration", 0) for report in reports)
        if seconds >= SLOW_S:
            self._diagnose(f"{seconds:.1f} s")

    def _failure(self, report):
        if getattr(report, "when", None) in ("setup", "teardown"):
            self._diagnose(f"in its {report.when}:")
        text = report.longreprtext
        first = self._shown.setdefault(text, self._points)
        if first != self._points:
            self._diagnose(f"the same failure as in {first}")     # of a fixture that many use
            return
        self._diagnose(text)
        for title, text in getattr(report, "sections", ()):
            self._diagnose(f"--- {title}\n{text}")

    def _diagnose(self, text):
        for line in text.splitlines():
            self._line(f"# {line}")

    def _bail(self, why):
        self._bailed = True
        self._line(f"Bail out! {_plain(why)}")

    def _line(self, text):
        self._stream.write(text + "\n")
        self._stream.flush()


def _plain(text):
    """A description on one line, without the sign that would begin a directive."""
    return " ".join(text.replace("#", "_").split())


def _skip(report):
    """The line's word and directive for a skipped test or an expected failure."""
    if hasattr(report, "wasxfail"):
        return "not ok", f" # TODO {_plain(report.wasxfail)}"
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
    return "ok", f" # SKIP {_plain(reason.removeprefix('Skipped: '))}"


def _is_real_root():
    return os.geteuid() == 0 and pathlib.Path("/proc/self/uid_map").read_text(
        encoding="ascii").split() == ["0", "0", "4294967295"]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """What this user has no right to is skipped, and says so; see hylab.MissingRight."""
    from hylab import MissingRight
    # inside a user namespace root is not what it says
    kinds = MissingRight if _is_real_root() else (MissingRight, PermissionError)
    report = (yield).get_result()
    if call.excinfo and call.excinfo.errisinstance(kinds):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), item.location[1], str(call.excinfo.value))


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    """Put TAP in the place of pytest's own report."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter and not config.option.collectonly:
        config.pluginmanager.unregister(reporter)
        config.pluginmanager.register(Tap(sys.stdout), "tap")


@pytest.fixture(scope="session", name="wall")
def _wall():
    """For tests that make namespaces, mounts or VMs: they fail outside the wall, loudly."""
    from hylab import wall
    wall.require()
    return wall
