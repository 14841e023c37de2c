"""Injuries to .keras files: the configuration, the weights' HDF5, the archive, and bytes."""

import io
import json
import zipfile

import h5py
import numpy as np

from benchmarks.fuzz.case import chance, pick, whole
from benchmarks.fuzz.edges import bytes_near, edge_array, real_near, text_near, whole_near

#: Classes a configuration may come to name; some of them do things when they are called.
_CLASSES = (
    ("keras.layers", "Conv2DTranspose"),
    ("keras.layers", "Conv3DTranspose"),
    ("keras.layers", "Conv2D"),
    ("keras.layers", "Lambda"),
    ("keras.layers", "TFSMLayer"),
    ("keras.layers", "StringLookup"),
    ("keras", "Sequential"),
    ("keras.utils", "get_file"),
    ("os", "system"),
    ("splitdeconv.layers", "SplitConv2DTranspose"),
    ("builtins", "eval"),
)


def damage(case, rng):
    """The case with one to three injuries; one in five of them to bytes."""
    if chance(rng, 0.2):
        return _injured(case, bytes_near(rng, case.data), ["bytes"])
    entries, done = _entries(case.data), []
    for _ in range(pick(rng, (1, 1, 1, 2, 3))):
        how = pick(
            rng, (_configuration, _configuration, _configuration, _weights, _weights, _archive)
        )
        done.append(how(entries, rng))
    return _injured(case, _zipped(entries, rng, done), done)


def _injured(case, data, done):
    return type(case)(case.kind, data, case.story, {}, tuple(done), case.options)


def _entries(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zipped(entries, rng, done):
    """The archive; at times with an entry twice, deflated, or of a name that leads elsewhere."""
    target = io.BytesIO()
    way = zipfile.ZIP_DEFLATED if chance(rng, 0.2) else zipfile.ZIP_STORED
    with zipfile.ZipFile(target, "w", way) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content, way)
        if chance(rng, 0.05):
            done.append("an entry beyond")
            archive.writestr(zipfile.ZipInfo("../beyond"), b"here")
    return target.getvalue()


def _configuration(entries, rng):
    """Change one value of config.json."""
    name = "metadata.json" if chance(rng, 0.03) else "config.json"
    try:
        config = json.loads(entries[name])
    except (KeyError, ValueError):
        return "no configuration left"
    places = list(_places(config))
    # Most of a configuration is not about geometry; half of the injuries are to be.
    telling = [
        (holder, key)
        for holder, key in places
        if any(word in _path_word(key) for word in _TELLING)
        or (isinstance(holder, list) and all(isinstance(n, (int, type(None))) for n in holder))
    ]
    holder, key = pick(rng, telling if telling and chance(rng, 0.6) else places)
    place = f"{name}: {key}"
    what = pick(rng, ("changed", "changed", "changed", "removed", "copied"))
    if what == "removed":
        del holder[key]
    elif what == "copied":
        other, at = pick(rng, places)
        holder[key] = json.loads(json.dumps(other[at]))
    elif key == "class_name" and chance(rng, 0.7):
        module, class_name = pick(rng, _CLASSES)
        holder |= {"module": module, "class_name": class_name}
    else:
        holder[key] = _value(rng, holder[key], [k for _, k in places if isinstance(k, str)])
    entries[name] = json.dumps(config).encode()
    return f"{place} {what}"


_TELLING = (
    "kernel_size",
    "strides",
    "padding",
    "dilation",
    "filters",
    "data_format",
    "groups",
    "shape",
    "use_bias",
)


def _path_word(key):
    return key if isinstance(key, str) else ""


def _places(part):
    """(Holder, key) of every value in a JSON tree."""
    if not isinstance(part, dict | list):
        return
    for key, value in part.items() if isinstance(part, dict) else enumerate(part):
        yield part, key
        yield from _places(value)


def _value(rng, value, names):
    """Another value of the same kind; now and then of another kind."""
    if chance(rng, 0.1):
        return pick(rng, (None, 0, -1, 1.5, "same", [], {}, [1, 1], True))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return whole_near(rng, value, -(2**31), 2**31)
    if isinstance(value, float):
        return real_near(rng, value)
    if isinstance(value, str):
        words = (
            "same",
            "valid",
            "channels_first",
            "channels_last",
            "float16",
            "float64",
            "relu",
            "softmax",
        )
        return pick(rng, words) if chance(rng, 0.4) else text_near(rng, value, names)
    if isinstance(value, list) and value:
        return [*value, value[-1]] if chance(rng, 0.5) else value[:-1]
    return pick(rng, ({}, [], None, 1))


def _weights(entries, rng):
    """Change one dataset of the HDF5 file, or put a link in its place."""
    name = "model.weights.h5"
    if name not in entries:
        return "no weights left"
    target = io.BytesIO(entries[name])
    try:
        with h5py.File(target, "r+") as file:
            paths = []
            file.visititems(lambda path, item: paths.append(path) if _is_small(item) else None)
            if not paths:
                return "no weights in it"
            path, how = pick(rng, paths), pick(rng, _HOW)
            how(file, path, rng)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError):
        return "weights that could not be opened"
    entries[name] = target.getvalue()
    return f"HDF5: {how.__name__[1:]}"


def _is_small(item):
    """Whether it is a dataset, and none that an earlier injury has made huge."""
    return isinstance(item, h5py.Dataset) and item.size < 2**24


def _edge_values(file, path, rng):
    file[path][...] = edge_array(rng, file[path][()])


def _another_shape(file, path, rng):
    values = np.atleast_1d(file[path][()])
    del file[path]
    file[path] = pick(rng, (values.reshape(-1), values[..., None], values[:0], np.tile(values, 2)))


def _another_type(file, path, rng):
    values = file[path][()]
    del file[path]
    with np.errstate(all="ignore"):
        file[path] = np.nan_to_num(values).astype(pick(rng, ("f2", "f8", "i4", "u1", "c8", "S4")))


def _removed(file, path, rng):
    del file[path]


def _huge(file, path, rng):
    del file[path]
    file.create_dataset(path, shape=(2 ** whole(rng, 20, 40),), dtype="f4", chunks=(1024,))


def _link(file, path, rng):
    del file[path]
    elsewhere = (
        h5py.ExternalLink("/etc/hostname", "/x") if chance(rng, 0.5) else h5py.SoftLink("/nowhere")
    )
    file[path] = elsewhere


def _external(file, path, rng):
    shape = file[path].shape
    del file[path]
    count = 4 * max(1, int(np.prod(shape)))
    file.create_dataset(path, shape=shape, dtype="f4", external=[("/etc/hostname", 0, count)])


def _attribute(file, path, rng):
    file[path].attrs["name"] = pick(rng, ("", "kernel", 7, b"\xff"))


_HOW = (
    _edge_values,
    _edge_values,
    _another_shape,
    _another_type,
    _removed,
    _huge,
    _link,
    _external,
    _attribute,
)


def _archive(entries, rng):
    """Change what the archive holds."""
    name = pick(rng, sorted(entries)) if entries else None
    how = pick(rng, ("removed", "renamed", "bytes", "emptied"))
    if name is None:
        return "nothing left"
    content = entries.pop(name)
    if how == "renamed":
        others = "Config.json", "../config.json", "/config.json", "model.h5", f"a/{name}"
        entries[pick(rng, others)] = content
    elif how != "removed":
        entries[name] = b"" if how == "emptied" else bytes_near(rng, content)
    return f"archive: {name} {how}"
