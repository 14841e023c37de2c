"""Damage model files in 3,000 seeded ways and convert each: no crash, no hang, no wrong model.

python benchmarks/measure_fuzz.py [FILES]

Every file goes through what the converter's child process runs, in a process that is replaced when it dies; what
kills or hangs it, and every 30th file, goes through the command line as well. What takes over 10 s there is run a
second time, for the machine may be busy with other things, while a hang repeats itself. Prints a summary and writes
data/measured/fuzz.csv: outcomes and how often, the longest time, the most memory; and the machine, day and versions.
"""

import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import TimeoutError as LateError
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
from rich.progress import track

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from splitdeconv import measured  # noqa: E402 - found by the line above
from tests.convert import fuzzing  # noqa: E402

SECONDS = 10
_LATE = " late"


def main(count):
    """Convert `count` damaged files."""
    outcomes, details, seconds, memory, odd = Counter(), Counter(), 0.0, 0.0, []
    pool = _pool()
    for number in track(range(count), "converting damaged files"):
        data, start = fuzzing.damaged(number), time.perf_counter()
        try:
            outcome, detail, peak = pool.submit(fuzzing.attempt, data).result(timeout=SECONDS)
        except (BrokenProcessPool, LateError) as error:
            outcome, detail, peak = "crash" if isinstance(error, BrokenProcessPool) else "hang", str(number), 0.0
            _end(pool)
            pool = _pool()
        else:
            seconds, memory = max(seconds, time.perf_counter() - start), max(memory, peak)
        outcomes[outcome] += 1
        details[outcome, detail] += 1
        if outcome in ("crash", "hang", "error", "wrong"):
            odd.append((number, outcome, detail))
        if outcome in ("crash", "hang") or number % 30 == 0:
            said = _on_the_command_line(data)
            if said.endswith(_LATE):
                outcomes["command line: late once"] += 1
                said = _on_the_command_line(data)
            outcomes[f"command line: {said}"] += 1
            if said.startswith("BAD"):
                odd.append((number, said, detail))
    _end(pool)
    table = pd.DataFrame(
        [("files", count), *sorted(outcomes.items()), ("longest, s", round(seconds, 2)), ("most memory, MiB", memory)],
        columns=["what", "value"],
    )
    print(table.to_string(index=False))
    print(*(f"{n:6} {outcome}: {detail}" for (outcome, detail), n in details.most_common(40)), sep="\n")
    print(*odd, sep="\n")
    measured.write("fuzz", table)


def _pool():
    """One process, limited as the converter's child is, warm before the clock starts."""
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_limit)
    for original in fuzzing.originals()[:: len(fuzzing.originals()) - 1]:
        pool.submit(fuzzing.attempt, original).result()
    return pool


def _limit():
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end(pool):
    """Stop a pool, its process too if it hangs."""
    for process in list((pool._processes or {}).values()):
        process.kill()
    pool.shutdown(wait=False, cancel_futures=True)


def _on_the_command_line(data):
    """How `splitdeconv convert` takes a file: "exit 0", "exit 1", or what is bad about it."""
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "in", Path(folder) / "out"
        path.write_bytes(data)
        start = time.perf_counter()
        command = [sys.executable, "-m", "splitdeconv", "convert", path, "-o", out, "--samples", "2"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        late = time.perf_counter() - start > SECONDS
        clean = (
            (done.returncode == 0) == out.exists()
            and path.read_bytes() == data
            and len(list(Path(folder).iterdir())) <= 2
        )
        told = done.returncode == 0 or (done.returncode == 1 and done.stderr.startswith("splitdeconv: "))
    if late or not clean or not told or "Traceback" in done.stdout + done.stderr:
        return f"BAD: exit {done.returncode}, {done.stderr[-300:]}{_LATE * late}"
    return f"exit {done.returncode}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)
