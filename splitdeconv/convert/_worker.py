"""The child process of `sandbox`: limit yourself, read the job, do it, leave the answer in a file."""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path


def main(folder):
    """Do the job in `folder`."""
    folder = Path(folder)
    job = json.loads((folder / "job.json").read_text())
    _limit(job["limits"])
    from ..errors import SplitDeconvError

    try:
        from .jobs import run

        answer = {"result": run(job)}
    except SplitDeconvError as error:
        answer = {"error": {name: _text(getattr(error, name)) for name in _FIELDS}}
    except MemoryError:
        answer = {"error": _out_of_memory(job)}
    partial = folder / "result.partial"
    partial.write_text(json.dumps(answer))
    partial.replace(folder / "result.json")


_FIELDS = ("problem", "where", "expected", "got", "fix")


def _limit(limits):
    """No more address space and processor time than allowed, and no core files."""
    with suppress(ImportError):  # only POSIX has it
        import resource

        cores = os.cpu_count()
        for which, most in (
            (resource.RLIMIT_AS, limits["bytes"]),
            (resource.RLIMIT_CPU, int(limits["seconds"] * cores) + 1),
            (resource.RLIMIT_CORE, 0),
        ):
            with suppress(ValueError, OSError):  # a tighter limit that is already there stays
                resource.setrlimit(which, (most, most))


def _out_of_memory(job):
    return {
        "problem": "the model needs more memory than it is allowed; nothing was written",
        "where": job.get("where", "the model"),
        "expected": f"at most {job['limits']['bytes'] / 2**30:.1f} GiB",
        "got": "an allocation that failed",
        "fix": "the file may be damaged or hostile; if you trust it, allow more with --memory",
    }


def _text(value):
    return None if value is None else str(value)


if __name__ == "__main__":
    main(sys.argv[1])
