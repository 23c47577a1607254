"""One call of `ringpost-sim load`, and what is read out of its JSON.

Owner: a measurement. Always: every call is bounded in time; a run whose counts are wrong is a failure, not a figure; a run
that fails does not take those with it that did not.
"""

import concurrent.futures
import contextlib
import json
import statistics
import subprocess

from .subjects import Failure, shown, started

# Beyond its own duration a load registers its devices, settles and ends them.
EXTRA_WAIT = 300
# Cores that others may use before a figure is marked, as in `ringpost-sim load`.
OTHERS_CORES = 0.1


class Reports(dict):
    """What came of the same load against several subjects: the reports of each by its name, and of runs that failed why."""

    def __init__(self, names):
        super().__init__({name: [] for name in names})
        self.failures = []

    @contextlib.contextmanager
    def trying(self):
        """A run in this block may fail."""
        try:
            yield
        except Failure as failure:
            self.failures.append(str(failure))

    def checked(self):
        """These, if each subject has at least one."""
        for name, given in self.items():
            if not given:
                raise Failure(f"no run of {name}: {self.failures[-1]}")
        return self


class Loads:
    """Runs loads and remembers the commands."""

    def __init__(self, programs, runs, scratch=None):
        self.programs = programs
        self.runs = runs
        self.scratch = scratch
        self.commands = []

    def note(self, command):
        if command not in self.commands:
            self.commands.append(command)

    def command(self, subject, words, out):
        self.note("ringpost-sim load " + " ".join(words))
        return [self.programs.sim, "load", *words, "--bootstrap", str(subject.bootstrap), "--out", str(out)]

    def once(self, subject, words, seconds=0):
        """One load against a subject that runs; its report."""
        words = [str(word) for word in words]
        out = subject.folder / "load.json"
        command = self.command(subject, words, out)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + EXTRA_WAIT)
        except subprocess.TimeoutExpired:
            raise Failure(f"{subject.name}: load {' '.join(words)} took too long") from None
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no word"])[-1]
            raise Failure(f"{subject.name}: load {' '.join(words)} ended with {done.returncode}: {last}")
        return json.loads(out.read_text())

    def fresh(self, name, words, seconds=0, options=()):
        """One load against a subject of its own."""
        self.note(shown(name, options))
        with started(self.programs, name, options, self.scratch) as subject:
            return self.once(subject, words, seconds)

    def interleaved(self, names, words, seconds=0):
        """The same load against each subject in turn, as often as there are runs."""
        reports = Reports(names)
        for _ in range(self.runs):
            for name in names:
                with reports.trying():
                    reports[name].append(self.fresh(name, words, seconds))
        return reports.checked()

    def together(self, names, words, seconds=0):
        """The same against all of them at once, for what takes minutes and next to nothing of the machine."""
        reports = Reports(names)
        for _ in range(self.runs):
            with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
                runs = {name: pool.submit(self.fresh, name, words, seconds) for name in names}
            for name, run in runs.items():
                with reports.trying():
                    reports[name].append(run.result())
        return reports.checked()


def pick(report, path):
    """A value by its documented name."""
    value = report
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
        if value is None:
            raise Failure(f"the report has no {path}: {'; '.join(report.get('notes', []))}")
    return value


def median(reports, path):
    return statistics.median(pick(report, path) for report in reports)


def marks(reports):
    """What a reader of these figures has to know."""
    found = set()
    for report in reports:
        if report["generator_bound"] or any("generator-bound" in note for note in report["notes"]):
            found.add("generator-bound")
        if report["machine"]["others_cores"] > OTHERS_CORES:
            found.add("disturbed")
        if any("not resumed" in note for note in report["notes"]):
            found.add("not resumed")
        pushes = report.get("pushes", {})
        if pushes.get("failed") or any(pushes.get("refused", {}).values()):
            found.add("refused")
    return sorted(found)
