"""Untrusted files are processed in a child process with limits on time and memory.

A model file is data, but the runtimes that execute it for verification are large C++ programs: what
crashes, hangs or eats memory there takes the child down and is reported here as one clear error.
The child ends with this process, whatever ends it, and what it wrote goes with it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from .. import privacy
from ..errors import SplitDeconvError
from ..formats.detect import LARGEST
from . import temporary
from .guard import Guarded

_GIB = 1 << 30
_SECONDS, _COPIES = 1e-6, 16  # for each byte of a model
#: Bytes of a model in other files, beyond which more address space is not given; times that they are mapped at once.
_MOST_OUTSIDE, _MAPPED = 128 << 30, 4
_STACKS = 64 << 20  # for each core: 8 MiB of address space in each of a few pools of threads
#: Exit code of a child that could not even write down what went wrong.
NO_ROOM = 74
# Variables of Python's that say where things are; others would change what the child does.
_KEPT = {"PYTHONHOME", "PYTHONHASHSEED", "PYTHONNOUSERSITE", "PYTHONUSERBASE", "PYTHONPYCACHEPREFIX", "PYTHONUTF8"}
_KEPT |= {"PYTHONDONTWRITEBYTECODE", "PYTHONPLATLIBDIR", "PYTHONEXECUTABLE", "PYTHONFAULTHANDLER"}


@dataclass(frozen=True)
class Limits:
    """What the child may use.

    Args:
        seconds: of wall-clock time, in all.
        bytes: of address space.
        silence: seconds without a sign of life: a stage entered, or a run of a model ended. None
            for `seconds`.
        grows: the seconds and the bytes of address space to allow more for each byte that the model
            keeps in other files; 0 for what the user has fixed.
    """

    seconds: float
    bytes: int
    silence: float | None = None
    grows: tuple[float, float] = (0, 0)

    @classmethod
    def of(cls, size, keras=False, seconds=None, memory=None) -> "Limits":
        """The default limits for files of `size` bytes, or those asked for.

        Reading, rewriting and running a model takes a few copies of it beside its activations, for
        which there is room below 2 GiB, what TensorFlow maps, and the stacks of the threads, which
        the runtimes start for each core.

        Time is limited twice. An endless model is stopped by its silence: a minute (two for
        TensorFlow, which takes long to load) and a second per megabyte, or 50 times the longest run
        of a model so far, since a runtime's plain kernels are that much slower than its fast ones.
        In all, ten times that may pass, which is meant for 8 samples of a model of some 100 GMAC on
        one core.

        Args:
            size: of the model and what comes with it, in bytes.
            keras: whether TensorFlow will be loaded.
            seconds, memory: what to allow instead; memory in GiB.

        Raises:
            SplitDeconvError: a limit that cannot be set.
        """
        for name, value, most in (("timeout", seconds, 10**8), ("memory", memory, 2**20)):
            if value is not None and not (isinstance(value, int | float) and 0 < value <= most):
                raise SplitDeconvError(
                    "the limit cannot be set", where=name, expected=f"more than 0, at most {most:,}", got=repr(value)
                )
        silence = (120 if keras else 60) + size * _SECONDS
        return cls(
            seconds or 10 * silence,
            int(memory * _GIB) if memory else _base(keras) + _COPIES * size,
            seconds or silence,
            (0 if seconds else _SECONDS, 0 if memory else _COPIES),
        )

    def grown(self, outside=None, longest=0.0) -> "Limits":
        """These limits for a model that keeps so many bytes in other files, and whose longest run
        took so long.

        Args:
            outside: bytes; None for as many as are allowed for. What exceeds the largest file is mapped, not copied.
            longest: seconds.
        """
        outside = _MOST_OUTSIDE if outside is None else min(outside, _MOST_OUTSIDE)
        mapped = _MAPPED * max(0, outside - LARGEST)
        outside = min(outside, LARGEST)
        time, memory = self.grows
        silence = self.seconds if self.silence is None else self.silence
        return replace(
            self,
            seconds=self.seconds + 10 * time * outside,
            bytes=self.bytes + (int(memory * outside) + mapped if memory else 0),
            silence=max(silence + time * outside, 50 * longest),
        )

    def __str__(self):
        return f"{self.seconds:.0f} s and {self.bytes / _GIB:.1f} GiB"


def _base(keras):
    """Bytes of address space for a model of no size."""
    return (3 if keras else 2) * _GIB + (os.cpu_count() or 1) * _STACKS


def run(job, folder, limits, progress=None):
    """Do one job in a child process.

    Args:
        job: a mapping for `splitdeconv.convert.job.run`, fit for JSON.
        folder: an empty folder for the exchange; the child writes nowhere else.
        limits: `Limits`.
        progress: called with the name of each stage the child enters.

    Returns:
        What the job returned.

    Raises:
        SplitDeconvError: the job's own refusal; or the child crashed, hung, ran out of memory, or
            could not be started or write to `folder`.
    """
    folder = Path(folder)
    with temporary.writing(folder):
        (folder / "job.json").write_text(json.dumps({**job, "folder": str(folder), "limits": asdict(limits)}))
        (folder / "tmp").mkdir()
        (folder / "log").touch()
    where = job.get("where", "the model")
    with _start(folder) as child:
        code, problem, limits = _wait(child, folder, limits, progress)
    stage = _stage(folder)
    if code is None:
        raise _failed(f"{problem} while {stage}", where, limits, "a process that was still running")
    try:
        answer = json.loads((folder / "result.json").read_text())
    except (OSError, ValueError):
        if code == NO_ROOM:
            raise temporary.refuse(folder.parent) from None
        raise _failed(f"ended without a result while {stage}", where, limits, _cause(code, folder)) from None
    if "error" in answer:
        raise SplitDeconvError(**answer["error"])
    return answer["result"]


def _start(folder):
    """The child, at work."""
    streams = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    try:
        with (folder / "log").open("ab") as log:
            return Guarded(_command(folder), folder, stdout=log, env=environment(folder / "tmp"), **streams)
    except OSError as error:
        raise SplitDeconvError(
            "no child process can be started",
            where=sys.executable,
            expected="memory and descriptors for one more process",
            got=error.strerror,
            fix="end other programs, or raise the limits of the system (ulimit)",
        ) from None


def _command(folder):
    """What the child runs. -P: a file called numpy.py beside the model must not be imported."""
    return [sys.executable, "-P", "-m", "splitdeconv.convert._worker", str(folder)]


def _wait(child, folder, limits, progress):
    """(exit code or None if the time is over, which limit was hit, the limits at the end)."""
    start = heard = time.monotonic()
    seen = told = None
    now = limits = limits.grown(0)
    while True:
        try:
            return child.wait(0.2), None, now
        except subprocess.TimeoutExpired:
            passed = time.monotonic()
        stage, pulse = _stage(folder), _read(folder / "pulse")
        if (stage, pulse) != told:
            told, heard = (stage, pulse), passed
            now = limits.grown(*_signs(pulse))
        if progress and stage != seen:
            seen = stage
            progress(stage)
        if passed - start > now.seconds:
            return None, f"took longer than {now.seconds:.0f} s", now
        if passed - heard > now.silence:
            return None, f"got no further for {now.silence:.0f} s", now


def _signs(pulse):
    """Bytes in other files and the longest run in seconds, as the child tells them."""
    try:
        outside, longest = pulse.split()
        return max(0, int(outside)), max(0.0, float(longest))
    except ValueError:
        return 0, 0.0


def _stage(folder):
    return _read(folder / "stage") or "starting"


def _read(path):
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""


def environment(temporary) -> dict[str, str]:
    """The variables of a child: the parent's, with this package first, Python's defaults, and silent runtimes.

    Args:
        temporary: the folder for its temporary files.
    """
    package = str(Path(__file__).resolve().parents[2])
    paths = [package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON") or name in _KEPT}
    home = Path(kept.get("KERAS_HOME") or Path("~/.keras").expanduser())
    return {
        **kept,
        **privacy.VARIABLES,
        "PYTHONPATH": os.pathsep.join(paths),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",  # a proof on the CPU: the same everywhere, and nothing of a GPU's memory taken
        "MALLOC_ARENA_MAX": "2",  # arenas reserve address space, which is what is limited
        "MALLOC_MMAP_THRESHOLD_": str(1 << 20),  # what is freed goes back to the system at once
        "TMPDIR": str(temporary),
        # Keras writes its configuration to the home folder where there is none yet.
        **({} if (home / "keras.json").exists() else {"KERAS_HOME": str(temporary)}),
    }


def _cause(code, folder):
    """Why a child ended, in words: its signal or exit code, and the last thing it said."""
    reason = f"exit code {code}"
    if code < 0:
        reason = {
            signal.SIGKILL: "killed, by the system for its memory or by somebody",
            signal.SIGXCPU: "out of processor time",
        }.get(-code, f"crashed with {signal.Signals(-code).name}")
    with (folder / "log").open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
        lines = log.read().decode(errors="replace").strip().splitlines()
    return f"{reason}: {lines[-1][:200]}" if lines else reason


def _failed(what, where, limits, got):
    return SplitDeconvError(
        f"the process that handled the model {what}; nothing was written",
        where=where,
        expected=f"a result within {limits}",
        got=got,
        fix="the file may be damaged or hostile; if you trust it, allow more with --timeout and --memory",
    )
