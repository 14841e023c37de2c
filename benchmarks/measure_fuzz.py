"""Convert 10,000 seeded files of each format, sound and injured: nothing crashes, hangs or differs.

python benchmarks/measure_fuzz.py [FILES] [--formats onnx tflite keras] [--start N] [--workers 2]

Each file is drawn by its number (`benchmarks.fuzz`), converted in the same way as in the
converter's child process, and compared with its original in the runtimes themselves. Every 100th
file, and each file that kills or hangs a process, also goes through the command line. The script
prints a summary with the numbers of the files that failed, and writes data/measured/fuzz.csv after
every 500 files. With `--start` equal to the number of files in that table, it goes on from there.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Lock

import numpy as np
import pandas as pd
from rich.progress import Progress

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.fuzz.attempt import BAD  # noqa: E402
from benchmarks.fuzz.case import FORMATS  # noqa: E402
from benchmarks.fuzz.workers import Worker  # noqa: E402
from splitdeconv.study import measured  # noqa: E402 - found by the line above

MOST = ("longest", "most")  # what rows begin with that hold a maximum
PATIENCE = 150  # seconds; the converter's own limit is one minute of silence, two for Keras
PART = 500  # files after which the table is written, so that a run may end at any time
EVERY = 100  # files between two that the command line is given, too
# Listed besides those that must not be: what verification caught, and what it refused though it is
# the same.
LISTED = (*BAD, "caught", "refused alike", "runtime")


def main(arguments):
    """Run the formats one after another, and keep each part when it is done."""
    for kind in arguments.formats:
        first, last = arguments.start, arguments.start + arguments.files
        if first not in (0, _kept(kind)[0].get("files")):
            continue
        while first < last:
            files = min(PART, last - first)
            table = measure(kind, first, files, arguments.workers)
            before, others = _kept(kind)
            if first:
                table = _joined(before, table)
            print(measured.write("fuzz", pd.concat([others, table]) if len(others) else table))
            first += files


def _kept(kind):
    """(The values kept of a format, the rows of the others)."""
    kept = measured.read("fuzz")
    others = kept[kept["format"] != kind] if "format" in kept else kept[:0]
    values = kept.drop(others.index)
    return (values.set_index("what")["value"] if len(values) else pd.Series(dtype=float)), others


def _joined(before, table):
    """The table of a resumed run: sums of counts, and the largest of the others."""
    values = table.set_index("what")["value"]
    largest = values.index.str.startswith(MOST)
    joined = before.add(values, fill_value=0)
    joined[values.index[largest]] = np.fmax(values[largest], before.reindex(values.index[largest]))
    order = [*before.index, *values.index.difference(before.index, sort=False)]
    rows = joined[order].rename_axis("what").rename("value").reset_index()
    return rows.assign(format=table["format"].iloc[0])[list(table)]


def measure(kind, first, files, workers):
    """The table of so many files of one format, from the number `first` on."""
    numbers, lock, records = count(first), Lock(), []
    last = first + files
    with Progress() as progress:
        bar = progress.add_task(f"converting {kind} files", total=files)

        def work(_):
            with Worker(kind) as worker:
                while True:
                    with lock:
                        number = next(numbers)
                    if number >= last:
                        return
                    record = worker.run(number)
                    asked = number % EVERY == 0 or record.outcome in ("crash", "hang")
                    said = _on_the_command_line(worker.case(number)) if asked else None
                    records.append((_settled(record, said), said))
                    progress.advance(bar)

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, range(workers)))
    return _summary(kind, sorted(records, key=lambda pair: pair[0].number))


def _settled(record, said):
    """A runtime that dies in the converter's child is no fault if the command line goes on."""
    died = record.outcome in ("crash", "hang") and record.stage != "converted"
    if died and said and not said.startswith("BAD"):
        return replace(record, outcome="runtime", detail=f"{record.detail}; {said}")
    return record


def _summary(kind, records):
    """Print what came out, and return it as a table."""
    outcomes = Counter(record.outcome for record, _ in records)
    outcomes.update(f"command line: {said.partition(',')[0]}" for _, said in records if said)
    rows = [("files", len(records)), *((name, outcomes.get(name, 0)) for name in BAD)]
    rows += [(name, n) for name, n in sorted(outcomes.items()) if name not in BAD]
    rows += [("longest, s", round(max(record.seconds for record, _ in records), 2))]
    rows += [("most memory, MiB", round(max(record.memory for record, _ in records)))]
    table = pd.DataFrame([(kind, *row) for row in rows], columns=["format", "what", "value"])
    print(table.to_string(index=False))
    for record, said in records:
        if record.outcome in LISTED or (said or "").startswith("BAD"):
            print(
                f"draw({kind!r}, {record.number}): {record.outcome}, {record.detail} {said or ''}"
            )
    return table


def _on_the_command_line(case):
    """How `splitdeconv convert` takes a file: "exit 0", "exit 1", or what is bad about it."""
    said = "BAD"
    for _ in range(2):  # a machine may be busy with other things; a hang repeats itself
        said = _once(case)
        if not said.startswith("BAD: late"):
            break
    return said


def _once(case):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        files = {f"in.{case.kind}": case.data, **case.files}
        for name, content in files.items():
            (folder / name).write_bytes(content)
        (folder / "tmp").mkdir()
        path, out = folder / f"in.{case.kind}", folder / f"out.{case.kind}"
        options = [f"--{name}={value}" for name, value in case.options.items()]
        command = [
            sys.executable,
            "-m",
            "splitdeconv",
            "convert",
            path,
            "-o",
            out,
            "--samples",
            "2",
        ]
        environment = {**os.environ, "TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT)}
        try:
            done = subprocess.run(
                [*command, *options],
                capture_output=True,
                text=True,
                cwd=folder,
                env=environment,
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired:
            return f"BAD: late, over {PATIENCE} s"
        unharmed = all((folder / name).read_bytes() == content for name, content in files.items())
        left = {p.name for p in folder.iterdir()} - set(files) - {"tmp", out.name}
        left |= {f"tmp/{p.name}" for p in (folder / "tmp").iterdir()}
        told = done.returncode == 0 or (
            done.returncode == 1 and done.stderr.startswith("splitdeconv: ")
        )
        good = told and unharmed and not left and (done.returncode == 0) == out.exists()
    if not good or "Traceback" in done.stdout + done.stderr:
        return f"BAD: exit {done.returncode}, left {sorted(left)}, {done.stderr[-300:]}"
    return f"exit {done.returncode}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("files", type=int, nargs="?", default=10_000)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--start", type=int, default=0, help="the first file's number")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    main(parser.parse_args())
