"""Execute a notebook as a params file says, and publish the result in one step.

The figures that the params file lists go to figures/, all others to my_figures/NAME/. Those of a
user's own params file, whose name does not begin with the notebook's, always go there.

``python -m tools.run_notebook params/NAME.yaml build/executed/NAME.ipynb [--quick]``

A run that fails leaves no target behind: what it came to is kept in build/failed/, and the message
names notebook, cell and error. A quick run's result is marked by NAME.quick beside it, which tells
make that it does not serve a full run.
"""

import argparse
import json
import os
import signal
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError

from splitdeconv import privacy
from splitdeconv.figures import OWN_FOLDER
from tools import runs
from tools.machine import hold

# Kernels inherit these. PREFER_ENV_PATH: the kernel is this environment's, whatever kernels the
# user has installed.
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "",
    "JAX_PLATFORMS": "cpu",
    "JUPYTER_PREFER_ENV_PATH": "1",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYTHONHASHSEED": "0",
    "TF_CPP_MIN_LOG_LEVEL": "2",
} | privacy.VARIABLES

# What frameworks' C++ greets with goes to the error stream, below, instead of into cells; Python's
# output is kept.
KERNEL = ["--IPKernelApp.capture_fd_output=False"]


def main(arguments=None) -> int:
    """Run what the command line names; 0 done, 1 failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("params", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--quick", action="store_true", help="pass quick=True")
    options = parser.parse_args(arguments)
    # From here on the figures of an earlier run may be overwritten, so its result no longer stands
    # for them.
    options.target.unlink(missing_ok=True)
    try:
        run = runs.read(options.params)
    except ValueError as error:
        print(f"FAILED {error}", file=sys.stderr)
        return 1
    reason = "everything else has finished" if run.exclusive else "a timed run has finished"
    with hold(alone=run.exclusive, waiting=partial(say, run, f"waiting until {reason}")):
        return execute(run, options.target, options.quick)


def execute(run, target, quick) -> int:
    """Execute `run` in a kernel, rename the result to `target`; return 0 if done, 1 if failed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    running, failed = (
        target.parent.parent / folder / target.name for folder in ("running", "failed")
    )
    for path in (running, failed):
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
    cells = nbformat.read(run.notebook, as_version=4).cells
    place = Place(run, cells)
    prepare_environment(run, quick)
    log = running.with_suffix(".log")
    started = time.monotonic()
    try:
        with interruptible(), errors_to(log):
            papermill.execute_notebook(
                run.notebook,
                running,
                parameters=run.parameters | {"quick": quick},
                kernel_name="python3",
                cwd=run.notebook.parent,
                extra_arguments=KERNEL,
                progress_bar=False,
                on_cell_execute=place.enter,
            )
    except (papermill.PapermillExecutionError, DeadKernelError) as error:
        running.replace(failed)
        text = place.failure(error, failed, log.read_text(errors="replace"))
        print(text, file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        say(run, f"interrupted in cell {place.number}")
        return 130  # as shells count it
    minutes = (time.monotonic() - started) / 60
    granted = run.quick_minutes if quick else run.minutes
    say(run, f"done in {minutes:.1f} of {granted:g} minutes")
    if minutes > granted:
        say(run, f"WARNING: longer than the {granted:g} minutes that {run.path.name} grants it")
    publish(running, target, quick)
    others = run.notebook.parent.parent / OWN_FOLDER / run.name
    if others.is_dir():
        say(run, f"figures of its own are in {os.path.relpath(others)}/")
    return 0


def prepare_environment(run, quick):
    """Set what the kernel inherits: quiet, repeatable libraries, and where figures go.

    Relative paths among the parameters start from the repository's top, where make is called.
    """
    root = run.notebook.parent.parent
    os.environ.pop("JUPYTER_PATH", None)
    os.environ.pop("JPY_SESSION_NAME", None)
    os.environ |= ENVIRONMENT | {
        "SPLITDECONV_FIGURES": str(root / "figures"),
        "SPLITDECONV_START": str(root),
        "SPLITDECONV_COSTS": str(root / "build" / "costs"),
        "SPLITDECONV_RUN": json.dumps(
            {
                "run": run.name,
                "notebook": run.notebook.stem,
                "parameters": run.parameters | {"quick": quick},
                "figures": list(run.figures) if run.official else [],
                "others": str(root / OWN_FOLDER / run.name),
                "inputs": [str(path) for path in (run.notebook, run.path.resolve(), *run.inputs)],
            }
        ),
    }


@contextmanager
def interruptible():
    """Raise an interrupt when the block ends, at the latest: libraries may swallow it."""
    came = []

    def note(*_):
        came.append(True)
        raise KeyboardInterrupt

    usual = signal.signal(signal.SIGINT, note)
    try:
        yield
        if came:
            raise KeyboardInterrupt
    finally:
        signal.signal(signal.SIGINT, usual)


@contextmanager
def errors_to(path):
    """Send the error stream, the kernel's included, to a file for the block.

    Frameworks greet there, whatever their log level; Python's own errors are in the cells. It
    matters if a kernel dies.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with open(path, "wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


def publish(running, target, quick):
    """Rename into place; the mark of a quick result is there even if this is interrupted."""
    mark = target.with_suffix(".quick")
    if quick:
        mark.touch()
    running.replace(target)
    if not quick:
        mark.unlink(missing_ok=True)


class Place:
    """Where in the notebook the execution is, counted in the notebook's own cells from 1."""

    def __init__(self, run, cells):
        self.run, self.total, self.number, self.line = run, len(cells), 0, ""
        self.parameters = next(
            i for i, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", ())
        )

    def enter(self, cell, cell_index):
        """Note and tell that a cell starts."""
        if "injected-parameters" in cell.metadata.get("tags", ()):
            return
        # papermill has put that cell behind the one tagged `parameters`.
        self.number = cell_index + (cell_index <= self.parameters)
        self.line = next((line for line in cell.source.splitlines() if line.strip()), "")
        say(self.run, f"cell {self.number}/{self.total}: {self.line}")

    def failure(self, error, kept, log):
        """The message: which cell of which notebook, its first line, the error, where to look."""
        if isinstance(error, papermill.PapermillExecutionError):
            reason, trace = f"{error.ename}: {error.evalue}", "\n".join(error.traceback)
        else:
            reason = "the kernel died (out of memory?)"
            trace = "".join(log.splitlines(keepends=True)[-20:])
        return (
            f"{trace}\nFAILED {self.run.name}: notebooks/{self.run.notebook.name}, "
            f"cell {self.number}: {self.line}\n"
            f"  {reason}\n  executed so far: {os.path.relpath(kept)}"
        )


def say(run, text):
    """One line, prefixed by run and time: for a terminal, a log and ``make -j``."""
    print(f"{time.strftime('%H:%M:%S')} [{run.name}] {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
