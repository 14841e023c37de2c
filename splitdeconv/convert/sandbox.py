"""Work on files that nobody vouches for happens in a child process with limits on time and memory.

A model file is data, but the runtimes that execute it for verification are large C++ programs: what crashes, hangs or
eats memory there takes the child down and is reported here as one clear error.
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from .. import privacy
from ..errors import SplitDeconvError

_GIB = 1 << 30


@dataclass(frozen=True)
class Limits:
    """What the child may use.

    Args:
        seconds: of wall-clock time.
        bytes: of address space.
    """

    seconds: float
    bytes: int

    @classmethod
    def of(cls, size, keras=False, seconds=None, memory=None) -> "Limits":
        """The default limits for a model of `size` bytes, or those asked for.

        Reading, rewriting and running a model takes a few copies of it beside what the runtime maps: 0.2 GiB for
        LiteRT and ONNX Runtime, 1.6 GiB for TensorFlow. Time covers 8 samples of a model of some 100 GMAC on one core.

        Args:
            size: of the model file, in bytes.
            keras: whether TensorFlow will be loaded.
            seconds, memory: what to allow instead; memory in GiB.

        Raises:
            SplitDeconvError: a limit that is none.
        """
        for name, value, most in (("timeout", seconds, 10**8), ("memory", memory, 2**20)):
            if value is not None and not (isinstance(value, int | float) and 0 < value <= most):
                raise SplitDeconvError(
                    "the limit cannot be set", where=name, expected=f"more than 0, at most {most:,}", got=repr(value)
                )
        default = (8 if keras else 4) * _GIB + 16 * size
        return cls(seconds or 300 + size / 1e6, int(memory * _GIB) if memory else default)

    def __str__(self):
        return f"{self.seconds:.0f} s and {self.bytes / _GIB:.1f} GiB"


def run(job, folder, limits, progress=None):
    """Do one job in a child process.

    Args:
        job: a mapping for `splitdeconv.convert.jobs.run`, fit for JSON.
        folder: an empty folder for the exchange; the child writes nowhere else.
        limits: `Limits`.
        progress: called with the name of each stage the child enters.

    Returns:
        What the job returned.

    Raises:
        SplitDeconvError: the job's own refusal; or the child crashed, hung, or ran out of memory.
    """
    folder = Path(folder)
    (folder / "job.json").write_text(json.dumps({**job, "folder": str(folder), "limits": asdict(limits)}))
    where = job.get("where", "the model")
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(
            _command(folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(),
            start_new_session=True,
        )
    try:
        code = _wait(child, folder, limits, progress)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    stage = _stage(folder)
    if code is None:
        raise _failed(f"took longer than the limit while {stage}", where, limits, f"more than {limits.seconds:.0f} s")
    try:
        answer = json.loads((folder / "result.json").read_text())
    except (OSError, ValueError):
        raise _failed(f"ended without a result while {stage}", where, limits, _cause(code, folder)) from None
    if "error" in answer:
        raise SplitDeconvError(**answer["error"])
    return answer["result"]


def _command(folder):
    """What the child runs. -P: a file called numpy.py beside the model must not be imported."""
    return [sys.executable, "-P", "-m", f"{__package__}._worker", str(folder)]


def _wait(child, folder, limits, progress):
    """The child's exit code; None if its time is over."""
    end = time.monotonic() + limits.seconds
    seen = None
    while (left := end - time.monotonic()) > 0:
        try:
            return child.wait(min(left, 0.2) if progress else left)
        except subprocess.TimeoutExpired:
            stage = _stage(folder)
            if progress and stage != seen:
                seen = stage
                progress(stage)
    return None


def _stage(folder):
    try:
        return (folder / "stage").read_text() or "starting"
    except OSError:
        return "starting"


def _environment():
    """The parent's, with this very package first and the runtimes' greetings off."""
    package = str(Path(__file__).resolve().parents[2])
    paths = [package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        **os.environ,
        **privacy.VARIABLES,
        "PYTHONPATH": os.pathsep.join(paths),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",  # a proof on the CPU: the same everywhere, and nothing of a GPU's memory taken
        "MALLOC_ARENA_MAX": "2",  # arenas reserve address space, which is what is limited
    }


def _cause(code, folder):
    """Why a child ended, in words: its signal or exit code, and the last thing it said."""
    reason = f"exit code {code}"
    if code < 0:
        reason = {
            signal.SIGKILL: "killed, by the system for its memory or by somebody",
            signal.SIGXCPU: "out of processor time",
        }.get(-code, f"crashed with {signal.Signals(-code).name}")
    lines = (folder / "log").read_bytes()[-4096:].decode(errors="replace").strip().splitlines()
    return f"{reason}: {lines[-1][:200]}" if lines else reason


def _failed(what, where, limits, got):
    return SplitDeconvError(
        f"the process that handled the model {what}; nothing was written",
        where=where,
        expected=f"a result within {limits}",
        got=got,
        fix="the file may be damaged or hostile; if you trust it, allow more with --timeout and --memory",
    )
