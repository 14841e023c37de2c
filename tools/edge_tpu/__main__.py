"""Write every benchmark network in four forms, full int8, for an Edge TPU's own host to time.

python -m tools.edge_tpu FOLDER [NETWORK ...]

Files that are whole and were made by this version stay. The forms of a network are rewritten from
its native file and compared with it in every integer. FOLDER gets a README.md on how to compile
and time the files, and the script that does.
"""

import argparse
import json
import shutil
from pathlib import Path

from rich.progress import track

import splitdeconv as sd
from splitdeconv import networks
from splitdeconv.atomic import replacing
from splitdeconv.provenance import sha256
from splitdeconv.toolchains import edgetpu
from splitdeconv.toolchains.models import benchmark
from splitdeconv.toolchains.models.export import in_form

HERE = Path(__file__).parent
FORMS = ("native", "nzp", "rows", "stacked")
LIST = "files.json"
#: Its rules choose an interleave that the compiler takes.
TARGET = "edge_tpu"
#: Inputs on which a form is compared with the native file; each operator also runs alone.
SAMPLES = 2


def main(folder, names, options=benchmark.REDUCED):
    """Make what is missing, then describe what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    held = read(folder)
    unknown = sorted(set(names) - set(networks.names()))
    if unknown:
        raise SystemExit(f"no network is called {', '.join(unknown)}; expected {networks.names()}")
    for name in track(names or networks.names(), "writing networks"):
        make(folder, name, options.get(name, {}), held)
    shutil.copyfile(HERE / "run_edge_tpu.py", folder / "run_edge_tpu.py")
    text = (HERE / "README.md").read_text()
    write(folder / "README.md", text.replace("{files}", listed(held)))
    skipped = [entry for entry in held.values() if entry["skipped"]]
    for entry in skipped:
        print(f"{entry['network']} {entry['form']} is left out: {entry['skipped']}")
    print(f"{len(held) - len(skipped)} files in {folder}; {folder / 'README.md'} says what to do")


def read(folder):
    """What an earlier run wrote, by name of the file; nothing where the list is not readable."""
    try:
        held = json.loads((folder / LIST).read_text())
        return held if isinstance(held, dict) else {}
    except (OSError, ValueError):
        return {}


def make(folder, name, options, held):
    """The files of one network, as far as they are not there."""
    wanted = {form: f"{name}_{form}.tflite" for form in FORMS}
    fresh = {"version": sd.__version__, "options": options}
    if all(is_good(folder / file, held.get(file), fresh) for file in wanted.values()):
        return
    native = folder / wanted["native"]
    for form, file in wanted.items():
        if is_good(folder / file, held.get(file), fresh):
            continue
        entry = {"network": name, "form": form, "skipped": reason(name, form), **fresh}
        try:
            if not entry["skipped"]:
                entry |= made(name, form, options, native, folder / file)
        except sd.SplitDeconvError as error:
            entry["skipped"] = f"{error.problem}: {error.got}" if error.got else error.problem
        held[file] = entry
        write(folder / LIST, json.dumps(held, indent=1))
        if form == "native" and entry["skipped"]:
            for other in FORMS[1:]:
                held[wanted[other]] = {**entry, "form": other}
            write(folder / LIST, json.dumps(held, indent=1))
            return


def is_good(path, entry, fresh):
    """Whether a file is what the list says, or was left out for a reason, by this version."""
    if entry is None or any(entry.get(key) != value for key, value in fresh.items()):
        return False
    return bool(entry["skipped"]) or (path.is_file() and sha256(path) == entry["sha256"])


def reason(name, form):
    """Why a form is not made, or an empty text."""
    rows = networks.layer_table(name).query("kind == 'deconv'")
    zeros = int((rows["stride_h"] * rows["stride_w"]).max())
    inserted = form == "nzp" and zeros > benchmark.MOST_ZEROS
    return f"zero insertion has {zeros:,} times the useful operations" if inserted else ""


def made(name, form, options, native, path):
    """Write one file; what the list says of it."""
    if form == "native":
        done = sd.export(name, path, "native", "int8", overwrite=True, **options)
        finding = "; ".join(done.notes)
    else:
        data, _, proof = in_form(native.read_bytes(), form, TARGET, SAMPLES)
        finding = "; ".join(dict.fromkeys(output.finding for output in proof.outputs))
        write(path, data)
    checked = edgetpu.check(path.read_bytes())
    refused = checked[checked["verdict"] == "refused"]
    operators = [f"{row.operator} version {row.version}" for row in refused.itertuples()]
    return {
        "sha256": sha256(path),
        "bytes": path.stat().st_size,
        "finding": finding,
        "refused": sorted(set(operators)),
    }


def listed(held):
    """The table of the files, and the sentences on those that are left out."""
    lines = [
        "| file | bytes | options | compared with the native file | refused by the profile |",
        "|---|---:|---|---|---|",
    ]
    for file, entry in held.items():
        if not entry["skipped"]:
            options = ", ".join(f"{key} {value}" for key, value in entry["options"].items())
            against = "it is that file" if entry["form"] == "native" else entry["finding"]
            refused = ", ".join(entry["refused"]) or "nothing"
            lines.append(f"| `{file}` | {entry['bytes']:,} | {options} | {against} | {refused} |")
    out = [entry for entry in held.values() if entry["skipped"]]
    lines += [""] * bool(out)
    lines += [
        f"* {entry['network']} {entry['form']} is left out: {entry['skipped']}." for entry in out
    ]
    return "\n".join(lines)


def write(path, content):
    """Write a text or bytes in one step."""
    with replacing(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("networks", nargs="*")
    given = parser.parse_args()
    main(given.folder, given.networks)
