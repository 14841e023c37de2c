"""Injuries to .tflite files: fields of the flatbuffer's tables, and bytes."""

import numpy as np

from benchmarks.fuzz.case import chance, pick, whole
from benchmarks.fuzz.edges import bytes_near, edge_array, real_near, whole_near
from benchmarks.fuzz.tflite_builder import pack, unpack

#: How many bits the fields have that are not int32.
_NARROW = {"type": 8, "padding": 8, "fusedActivationFunction": 8, "deprecatedBuiltinCode": 8}
_UNSIGNED = ("buffer", "opcodeIndex", "offset", "size", "subgraphIndex", "tensorIndex", "version")


def damage(case, rng):
    """The case with one to three injuries; one in four of them to bytes."""
    if chance(rng, 0.25):
        return _injured(case, bytes_near(rng, case.data), ["bytes"])
    model = unpack(case.data)
    # What cannot be written any more was no injury; the file before it is taken.
    data, done = case.data, []
    for _ in range(pick(rng, (1, 1, 1, 2, 3))):
        injury = _injure(model, rng)
        try:
            with np.errstate(all="ignore"):
                data = pack(model)
        except Exception:  # flatbuffers' builder raises whatever it meets
            model = unpack(data)
        else:
            done.append(injury)
    return _injured(case, data, done or ["none that could be written"])


def _injured(case, data, done):
    return type(case)(case.kind, data, case.story, {}, tuple(done), case.options)


def _injure(model, rng):
    """Change one field of one table; returns its name."""
    if chance(rng, 0.15):
        buffers = [b for b in model.buffers if b.data is not None and len(b.data) >= 4]
        if buffers:
            buffer = pick(rng, buffers)
            size, kinds = len(buffer.data), ("<f4", "<i4", "i1", "u1")
            kind = pick(rng, [k for k in kinds if size % np.dtype(k).itemsize == 0])
            buffer.data = edge_array(rng, np.array(buffer.data, "u1").view(kind)).view("u1")
            return f"Buffer values at the edge, as {kind}"
    parts = [part for part in _tables(model) if vars(part)]
    kinds = sorted({type(part).__name__ for part in parts})
    kind = pick(rng, kinds)
    part = pick(rng, [p for p in parts if type(p).__name__ == kind])
    name = pick(rng, sorted(vars(part)))
    setattr(part, name, _other(getattr(part, name), name, rng, model))
    return f"{kind[:-1]}.{name}"


def _tables(part):
    """A table and all in it."""
    yield part
    for value in vars(part).values():
        for one in value if isinstance(value, list) else (value,):
            if hasattr(one, "__dict__"):
                yield from _tables(one)


def _other(value, name, rng, model):
    """Another value for a field."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, np.integer)):
        bits = _NARROW.get(name, 31)
        low = 0 if name in _UNSIGNED or bits == 8 else -(2**bits)
        return whole_near(rng, int(value), low, 2 ** min(bits, 6) if bits == 8 else 2**bits - 1)
    if isinstance(value, float):
        return real_near(rng, value)
    if isinstance(value, bytes):
        names = [t.name for graph in model.subgraphs for t in graph.tensors if t.name]
        return pick(rng, names) if names and chance(rng, 0.6) else bytes_near(rng, value)
    if isinstance(value, np.ndarray) and value.size:
        return _array(value, rng)
    if isinstance(value, list) and value:
        return _list(list(value), rng)
    if value is None and name in ("shapeSignature", "shape", "inputs", "outputs", "intermediates"):
        return np.array([whole(rng, -1, 3) for _ in range(whole(rng, 1, 4))], "<i4")
    return None


def _array(value, rng):
    """One element changed, removed, repeated or swapped."""
    value, at, other = value.copy(), int(rng.integers(value.size)), int(rng.integers(value.size))
    how = pick(rng, ("changed", "changed", "removed", "repeated", "swapped"))
    if how == "removed":
        return np.delete(value, at)
    if how == "repeated":
        return np.insert(value, at, value[at])
    if how == "swapped":
        value[[at, other]] = value[[other, at]]
    elif value.dtype.kind == "f":
        value[at] = real_near(rng, float(value[at]))
    else:
        info = np.iinfo(value.dtype)
        value[at] = whole_near(rng, int(value[at]), int(info.min), int(info.max))
    return value


def _list(value, rng):
    at, other = (int(n) for n in rng.integers(len(value), size=2))
    how = pick(rng, ("removed", "repeated", "swapped", "copied"))
    if how == "removed":
        del value[at]
    elif how == "repeated":
        value.insert(at, value[at])
    elif how == "swapped":
        value[at], value[other] = value[other], value[at]
    else:
        value[at] = value[other]
    return value
