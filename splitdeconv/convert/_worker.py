"""The child process of `sandbox`: limit yourself, read the job, do it, leave the answer in a file."""

import json
import sys
import traceback
from contextlib import suppress
from pathlib import Path

_FIELDS = ("problem", "where", "expected", "got", "fix")
# As the dynamic linker, threads and the system put it, in exceptions of many types.
_NO_MEMORY = ("failed to map segment", "cannot allocate memory", "Cannot allocate memory", "can't start new thread")


def main(folder):
    """Do the job in `folder`; returns the exit code."""
    folder = Path(folder)
    job = json.loads((folder / "job.json").read_text())
    from ..errors import SplitDeconvError
    from ..limits import allowance, sandbox, temporary

    limits = sandbox.Limits(**job["limits"])
    allowance.begin(folder, limits)
    # Keras would import it, and it would write its list of fonts to the home folder; nothing is
    # drawn here.
    sys.modules.setdefault("matplotlib", None)
    try:
        from .job import run

        answer = {"result": run(job)}
    except SplitDeconvError as error:
        answer = {"error": {name: _text(getattr(error, name)) for name in _FIELDS}}
    except Exception as error:
        if isinstance(error, OSError) and error.errno in temporary.FULL:
            return sandbox.NO_ROOM
        lacking = isinstance(error, MemoryError) or any(text in str(error) for text in _NO_MEMORY)
        answer = {"error": _out_of_memory(job, limits) if lacking else _unforeseen(error, job, folder)}
    partial = folder / "result.partial"
    try:
        partial.write_text(_without(folder, json.dumps(answer)))
    except OSError:
        return sandbox.NO_ROOM
    partial.replace(folder / "result.json")
    return 0


def _without(folder, answer):
    """The answer without the exchange folder, which runtimes name in what they say and which is gone by then."""
    for each in {str(folder), str(folder.resolve())}:
        answer = answer.replace(json.dumps(each + "/")[1:-1], "")
    return answer


def _out_of_memory(job, limits):
    return {
        "problem": "the model needs more memory than it is allowed; nothing was written",
        "where": job.get("where", "the model"),
        "expected": f"at most {limits.grown(0).bytes / 2**30:.1f} GiB",
        "got": "an allocation that failed",
        "fix": "the file may be damaged or hostile; if you trust it, allow more with --memory",
    }


def _unforeseen(error, job, folder):
    """An error of this package's own, with the place where it happened."""
    from ..errors import one_line

    stage = "starting"
    with suppress(OSError):
        stage = (folder / "stage").read_text()
    place = traceback.extract_tb(error.__traceback__)[-1]
    return {
        "problem": f"internal error while {stage}; nothing was written",
        "where": job.get("where", "the model"),
        "got": f"{one_line(error, typed=True)} ({Path(place.filename).name}, line {place.lineno})",
        "fix": "please report this message, and the model if you can",
    }


def _text(value):
    return None if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
