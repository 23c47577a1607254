"""One call of `ringpost-sim load`, and what is read out of its JSON.

Owner: a measurement. Always: every call is bounded in time; a run whose counts are wrong is a failure, not a figure.
"""

import json
import statistics
import subprocess

from .subjects import Failure, started

# Beyond its own duration a load registers its devices, settles and ends them.
EXTRA_WAIT = 300


class Loads:
    """Runs loads and remembers the commands."""

    def __init__(self, programs, runs, scratch=None):
        self.programs = programs
        self.runs = runs
        self.scratch = scratch
        self.commands = []

    def command(self, subject, words, out):
        command = [self.programs.sim, "load", *words, "--bootstrap", str(subject.bootstrap), "--out", str(out)]
        shown = "ringpost-sim load " + " ".join(words)
        if shown not in self.commands:
            self.commands.append(shown)
        return command

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
        with started(self.programs, name, options, self.scratch) as subject:
            return self.once(subject, words, seconds)

    def interleaved(self, names, words, seconds=0):
        """The same load against each subject in turn, as often as there are runs: the reports by name."""
        reports = {name: [] for name in names}
        for _ in range(self.runs):
            for name in names:
                reports[name].append(self.fresh(name, words, seconds))
        return reports


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
        if report["machine"]["others_cores"] > 0.1:
            found.add("disturbed")
        if any("not resumed" in note for note in report["notes"]):
            found.add("not resumed")
    return sorted(found)
