"""Programs that measure by themselves, and what others did on the machine meanwhile.

Owner: a measurement. Always: such a program and all it started are gone when the call ends; its files lie where those of the
loads do.
"""

import os
import pathlib
import resource
import signal
import subprocess
import time

from .load import OTHERS_CORES
from .subjects import Failure

WAIT = 1800


class Bench:
    """Calls of programs for one target."""

    def __init__(self, loads):
        self.loads = loads
        self.others = []

    def said(self, program, words, wait=WAIT, codes=(0,), **environment):
        """What it printed, if it ended with one of these codes."""
        name = pathlib.Path(program).name
        self.loads.note(" ".join([name, *words]))
        if self.loads.scratch:
            environment["TMPDIR"] = str(self.loads.scratch)
        before, since = _busy_s() - _own_s(), time.monotonic()
        # A group of its own: what it starts ends with it.
        process = subprocess.Popen([program, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, **environment}, process_group=0)
        try:
            out, errors = process.communicate(timeout=wait)
        except subprocess.TimeoutExpired:
            raise Failure(f"{name} took more than {wait} s") from None
        finally:
            _end_group(process)
        if process.returncode not in codes:
            raise Failure(f"{name} {' '.join(words)}: {(errors or out)[-500:]}")
        self.others.append((_busy_s() - _own_s() - before) / (time.monotonic() - since))
        return out

    def marks(self):
        return ["disturbed"] if any(cores > OTHERS_CORES for cores in self.others) else []


def _end_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _busy_s():
    """CPU time of all, in seconds since the start of the machine."""
    user, nice, system, _, _, irq, softirq, *_ = (
        int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _own_s():
    """That of ours which have ended, and of this program."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    return sum(each.ru_utime + each.ru_stime for each in used)
