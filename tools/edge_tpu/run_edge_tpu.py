"""Time the .tflite files beside this script on a Coral Edge TPU: edge_tpu_results.csv.

python3 run_edge_tpu.py [--cpu] [--turns 30] [--calls 10] [NETWORK ...]

It needs numpy, and tflite-runtime or ai-edge-litert. Of each network, NAME_FORM_edgetpu.tflite (as
edgetpu_compiler names them) are timed in turn, in a process of their own, because a libedgetpu that
does not fit the interpreter ends the process. With --cpu the files that were not compiled are timed
on this CPU, one thread, and marked so. Outputs are compared between the forms, in steps (LSB).
"""

import argparse
import csv
import ctypes
import datetime
import hashlib
import json
import math
import os
import platform
import subprocess
import sys
import time

import numpy as np

FOLDER = os.path.dirname(os.path.abspath(__file__))
FORMS = ("native", "nzp", "rows", "stacked")
MAPPED = b"edgetpu-custom-op"
COLUMNS = (
    "network,form,processor,seconds,low,high,baseline,speedup,speedup_low,speedup_high,turns,calls,"
    "lsb_max,lsb_share,on_cpu,skipped,sha256,device,date,versions"
)


def main():
    """Time every network, keep the table after each."""
    given = arguments()
    if given.child:
        print("\n" + json.dumps(measured(json.loads(given.child))))
        return
    processor = "CPU" if given.cpu else "Edge TPU"
    found = files(given.cpu)
    unknown = sorted(set(given.networks) - set(found))
    if unknown or not found:
        kind = "NAME_FORM.tflite" if given.cpu else "NAME_FORM_edgetpu.tflite"
        sys.exit(f"no files {kind} of {', '.join(unknown) or 'any network'}: see README.md")
    # The device is opened in a process of its own, which it may end.
    reason = None if given.cpu else ask(given, {}).get("failed")
    if reason:
        sys.exit(f"{reason}\nSee README.md; --cpu times the uncompiled files on this CPU instead.")
    rows = []
    for network in given.networks or sorted(found):
        answer = ask(given, found[network])
        for row in table(answer, found[network]):
            row.update(network=network, processor=processor, calls=given.calls)
            row["device"] = f"{processor}, host {host()}"
            row["date"] = datetime.date.today().isoformat()
            row["versions"] = json.dumps(answer.get("versions", {"python": sys.version.split()[0]}))
            rows.append(row)
            show(row)
        write(given.to, rows)
    print(f"wrote {given.to}; bring it back as data/measured/edge_tpu_results.csv")


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="by default all")
    parser.add_argument("--cpu", action="store_true", help="this CPU instead of the Edge TPU")
    parser.add_argument("--turns", type=int, default=30, help="rounds of all forms, at least 6")
    parser.add_argument("--calls", type=int, default=10, help="timed calls of a form in a round")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for a network")
    parser.add_argument("--delegate", default="libedgetpu.so.1", help="the library of the device")
    parser.add_argument("--to", default=os.path.join(FOLDER, "edge_tpu_results.csv"))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.turns < 6 or given.calls < 1:
        parser.error("expected at least 6 turns, which an interval of 95 % needs, and 1 call")
    return given


def files(cpu):
    """{network: {form: path}} of the files beside this script."""
    found = {}
    for name in sorted(os.listdir(FOLDER)):
        stem, ending = os.path.splitext(name)
        if ending != ".tflite" or stem.endswith("_edgetpu") == cpu:
            continue
        network, _, form = stem.replace("_edgetpu", "").rpartition("_")
        if form in FORMS:
            found.setdefault(network, {})[form] = os.path.join(FOLDER, name)
    # The baseline is the first: native where there is one.
    return {
        network: {form: forms[form] for form in FORMS if form in forms}
        for network, forms in found.items()
    }


def runtime():
    """(module of the interpreter, name of its package)."""
    try:
        from tflite_runtime import interpreter

        return interpreter, "tflite-runtime"
    except ImportError:
        try:
            from ai_edge_litert import interpreter
        except ImportError:
            sys.exit("neither tflite-runtime nor ai-edge-litert is installed: see README.md")
        return interpreter, "ai-edge-litert"


def ask(given, paths):
    """The answer of a child process that measures the files of one network."""
    task = {"paths": paths, "turns": given.turns, "calls": given.calls}
    task["delegate"] = None if given.cpu else given.delegate
    command = [sys.executable, os.path.abspath(__file__), "--child", json.dumps(task)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=given.timeout, check=False)
    except subprocess.TimeoutExpired:
        return {"failed": f"no answer in {given.timeout:.0f} seconds (--timeout)"}
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    if done.returncode == 0 and lines:
        return json.loads(lines[-1])
    said = done.stderr.decode(errors="replace").strip().splitlines()
    why = said[-1] if said else f"exit code {done.returncode}"
    if done.returncode < 0:
        why = f"signal {-done.returncode}: libedgetpu may not fit the interpreter"
    return {"failed": f"the process ended ({why})"}


def measured(task):
    """Times of each form, and how far its outputs are from the first form's."""
    module, package = runtime()
    answer = {"versions": versions(package, task["delegate"]), "forms": {}}
    try:
        if task["delegate"]:
            module.load_delegate(task["delegate"])
    except (OSError, ValueError) as error:
        return {"failed": f"the device cannot be used: {error}"}
    runs, outputs = {}, {}
    for form, path in task["paths"].items():
        try:
            runs[form] = Form(module, path, task["delegate"])
            outputs[form] = runs[form].outputs()
        except (RuntimeError, ValueError, OSError) as error:
            runs.pop(form, None)
            answer["forms"][form] = {"skipped": " ".join(str(error).split())[:300]}
    names = list(runs)
    times = {form: [] for form in names}
    for turn in range(task["turns"]):
        start = turn % max(1, len(names))
        for form in names[start:] + names[:start]:
            runs[form].invoke()  # untimed: the device loads the parameters of this form again
            seconds = []
            for _ in range(task["calls"]):
                begin = time.perf_counter()
                runs[form].invoke()
                seconds.append(time.perf_counter() - begin)
            times[form].append(float(np.median(seconds)))
    for form in names:
        ours, first = outputs[form], outputs[names[0]]
        apart = [np.abs(ours[place] - first[place]) for place in range(len(first))]
        answer["forms"][form] = {
            "times": times[form],
            "lsb_max": max(int(gap.max()) for gap in apart),
            "lsb_share": float(np.mean(np.concatenate([gap.ravel() for gap in apart]) > 0)),
            "on_cpu": runs[form].on_cpu,
        }
    return answer


class Form:
    """One file, ready to run on seeded inputs."""

    def __init__(self, module, path, delegate):
        with open(path, "rb") as file:
            mapped = MAPPED in file.read()
        if delegate and not mapped:
            raise ValueError("no operator is compiled for the Edge TPU: all would run on the CPU")
        delegates = [module.load_delegate(delegate)] if delegate else []
        self._interpreter = module.Interpreter(
            model_path=path, experimental_delegates=delegates, num_threads=1
        )
        self._interpreter.allocate_tensors()
        rng = np.random.default_rng(0)
        for port in self._interpreter.get_input_details():
            limits = np.iinfo(port["dtype"])
            values = rng.integers(limits.min, limits.max, port["shape"], endpoint=True)
            self._interpreter.set_tensor(port["index"], values.astype(port["dtype"]))
        self.invoke = self._interpreter.invoke
        self.on_cpu = self._left() if delegate else ""

    def outputs(self):
        """The outputs, as wide integers."""
        self.invoke()
        details = self._interpreter.get_output_details()
        return [self._interpreter.get_tensor(each["index"]).astype("int64") for each in details]

    def _left(self):
        """The operators beside the compiled one, as far as the interpreter tells."""
        try:
            names = [each["op_name"] for each in self._interpreter._get_ops_details()]
        except (AttributeError, KeyError):
            return "unknown"
        rest = sorted(n for n in names if n != MAPPED.decode() and "Delegate" not in n)
        return ", ".join(f"{name} {rest.count(name)}" for name in dict.fromkeys(rest))


def table(answer, paths):
    """One row per form: median and interval of its times, and of the ratio within each turn."""
    forms = answer.get("forms", {})
    timed = [form for form in paths if "times" in forms.get(form, {})]
    for form, path in paths.items():
        found = forms.get(form, {"skipped": answer.get("failed", "no answer")})
        with open(path, "rb") as file:
            row = {"form": form, "sha256": hashlib.sha256(file.read()).hexdigest()}
        row["skipped"] = found.get("skipped", "")
        if form in timed:
            own, base = np.array(found["times"]), np.array(forms[timed[0]]["times"])
            row["seconds"], row["low"], row["high"] = middle(own)
            row["speedup"], row["speedup_low"], row["speedup_high"] = middle(base / own)
            row.update(baseline=timed[0], turns=len(own), on_cpu=found["on_cpu"])
            row.update(lsb_max=found["lsb_max"], lsb_share=round(found["lsb_share"], 6))
        yield row


def middle(values):
    """Median and the order statistics that enclose it with a probability of at least 95 %."""
    ordered = np.sort(values)
    count, below, place = len(ordered), 0.0, 0
    # P(fewer than place + 1 values below the median) stays at most 2.5 % on each side.
    while below + math.comb(count, place) / 2.0**count <= 0.025:
        below += math.comb(count, place) / 2.0**count
        place += 1
    place = max(place - 1, 0)
    return float(np.median(ordered)), float(ordered[place]), float(ordered[count - 1 - place])


def versions(package, delegate):
    """Versions of what was run."""
    from importlib import metadata

    found = {"python": platform.python_version(), "numpy": np.__version__}
    try:
        found[package] = metadata.version(package)
    except metadata.PackageNotFoundError:
        found[package] = "unknown"
    if delegate:
        try:
            tell = ctypes.CDLL(delegate).edgetpu_version
            tell.restype = ctypes.c_char_p
            found["libedgetpu"] = tell().decode()
        except (OSError, AttributeError):
            found["libedgetpu"] = "unknown"
    return found


def host():
    """The processor of this machine, and how many cores."""
    name = platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            parts = [line.split(":", 1) for line in file if ":" in line]
        names = {key.strip(): value.strip() for key, value in parts}
        name = names.get("model name") or names.get("Model") or name
    except OSError:
        pass
    return f"{name}, {os.cpu_count()} logical cores"


def show(row):
    """Print a row."""
    name = f"{row['network']} {row['form']} ({row['processor']})"
    if row["skipped"]:
        print(f"{name}: skipped, {row['skipped']}", flush=True)
        return
    gain = f"{row['speedup']:.2f} ({row['speedup_low']:.2f} to {row['speedup_high']:.2f})"
    apart = f"outputs differ by at most {row['lsb_max']} LSB in {row['lsb_share']:.1%}"
    print(
        f"{name}: {row['seconds'] * 1e3:.3f} ms, {gain} of {row['baseline']}, {apart}", flush=True
    )


def write(path, rows):
    """The table, written whole."""
    part = f"{path}.partial"
    with open(part, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS.split(","), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )
    os.replace(part, path)


if __name__ == "__main__":
    main()
