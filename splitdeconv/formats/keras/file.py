"""Load a .keras file as data: no code in it is called, and nothing outside the file is read.

Keras' safe mode rejects code. But it still resolves names in the file that belong to Keras,
including functions that download weights: `keras.applications.vgg16.VGG16` as the `output_shape` of
a Lambda layer starts a download. Names are therefore checked first, and versions of Keras that read
other files through HDF5 are rejected.
"""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

# Keras finds the twins, which converted files name, only once they are registered.
from ... import layers as layers
from ...errors import SplitDeconvError
from ...extras import require
from . import sparing
from .sizes import excess, opened

if TYPE_CHECKING:
    import keras
else:
    keras = require("keras", "tensorflow")

#: The first version that loads nothing from outside the file. 3.14.0 reads other HDF5 files through
#: virtual datasets and links in the weights when memory is short; 3.13.1 (and 3.12.0) any file
#: through external datasets; 3.11.3 any vocabulary of StringLookup; 3.10.0 calls `get_file`.
OLDEST = (3, 14, 1)
#: The parts of Keras that models consist of; the others (applications, datasets, saving, utils and
#: so on) are for programs.
PARTS = [
    "activations",
    "constraints",
    "dtype_policies",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "quantizers",
    "random",
    "regularizers",
]
_MODELS = ("", "models")  # only classes: the functions load, save and download models
#: The members of an archive that Keras reads besides the configuration and the assets folder; it
#: reads the first weights file that exists.
_WEIGHTS = ("model.weights.h5", "model.weights.npz")
_ASSETS = "assets/"
#: Bounds on the assets of one file, far above those of any model.
_MOST_ASSETS, _MOST_LEVELS = 10_000, 100
#: Bytes of a configuration, which takes about 30 times as much memory once parsed.
_LONGEST = 16 << 20


class _UnfitError(Exception):
    """What is wrong with a file, for the error that names it."""


def load(
    data: bytes | Path, where: str = "a .keras file", like: keras.Model | None = None
) -> keras.Model:
    """The model in a .keras file.

    Args:
        data: the file's bytes or path.
        where: its name in errors.
        like: a model with which that of a path shares equal weights; see `sparing.reading`.

    Raises:
        SplitDeconvError: the file is damaged, names something that is not a part of a model, or
            needs code that Keras does not have; or this version of Keras loads files unsafely.
    """
    _check_version(where)
    try:
        inconsistency = excess(data)
        if inconsistency:
            raise _UnfitError(inconsistency)
        model = _load(data, like)
    except (MemoryError, SplitDeconvError):
        raise
    except _UnfitError as error:
        raise _refusal(str(error), where) from None
    except Exception as error:  # Keras reports a damaged file in many ways, all of them exceptions
        raise _refusal(f"{type(error).__name__}: {error}", where) from None
    if not isinstance(model, keras.Model):
        raise SplitDeconvError(
            "the .keras file contains an object that is not a model",
            where=where,
            expected="a keras.Model",
            got=type(model).__name__,
        )
    return model


def _check_version(where: str) -> None:
    numbers = tuple(map(int, re.findall(r"\d+", keras.__version__)[:3]))
    if numbers < OLDEST:
        raise SplitDeconvError(
            "this version of Keras is unsafe: .keras files can make it read other files",
            where=where,
            expected=f"Keras {'.'.join(map(str, OLDEST))} or later",
            got=f"Keras {keras.__version__}",
            fix="pip install --upgrade keras, or load a file that you trust in Python with "
            "keras.saving.load_model(path) and pass the model to splitdeconv.convert",
        )


def _check_names(config: bytes) -> None:
    """Reject a configuration that names something in Keras that is not a part of a model."""
    left = [json.loads(config)]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            left += item.values()
            _check_name(item.get("module"), item.get("class_name"), item.get("config"))
        elif isinstance(item, list):
            left += item


def _check_name(module: object, name: object, config: object) -> None:
    called = name == "function"
    if called:
        name = config
    if not isinstance(module, str) or not isinstance(name, str):
        return
    package, *inside, last = f"{module}.{name}".split(".")  # Keras joins them as well
    if package != "keras":
        return  # Keras finds only what this process has registered
    part = next((word for word in inside if word != "src"), "")
    is_class = last[:1].isupper()
    # A class that is called like a function runs its constructor outside safe mode while the model
    # runs, and a constructor may read a vocabulary file, for example.
    if part not in ("", *PARTS) or (part in _MODELS and not is_class) or (called and is_class):
        raise _UnfitError(f"{module}.{name}, which is not a part of a model")


def _load(data: bytes | Path, like: keras.Model | None) -> keras.Model:
    with TemporaryDirectory(prefix="splitdeconv-") as folder:
        # From a folder Keras reads one weight at a time; from a file it may hold all of them twice.
        _unpack(data, folder)
        # Check exactly what Keras will read, whatever else is in the archive.
        _check_names((Path(folder) / "config.json").read_bytes())
        try:
            # Keras warns about an optimizer that has not started, for example.
            with warnings.catch_warnings(action="ignore"):
                # Bytes are loaded for the user, whose model is to be exactly as Keras makes it.
                return _read(folder, like) if isinstance(data, Path) else _plainly(folder)
        except MemoryError:
            raise
        except Exception as error:
            # Keras quotes the whole configuration before the actual error.
            text = " ".join(str(error).replace(folder, "the file").split())
            reason = text.rpartition("Exception encountered: ")[2]
            raise _UnfitError(f"{type(error).__name__}: {reason}") from None


def _read(folder: str, like: keras.Model | None) -> keras.Model:
    """The model in a folder, loaded with few copies of its weights if possible."""
    with sparing.reading(like) as state:
        try:
            model = _plainly(folder)
            state.finish()
            return model
        except MemoryError:
            raise
        except Exception:
            if not state:
                raise
    # A layer may have used a variable before it had values.
    return _plainly(folder)


def _plainly(folder: str) -> keras.Model:
    return keras.saving.load_model(folder, safe_mode=True)


def _unpack(data: bytes | Path, folder: str) -> None:
    """Extract only what Keras reads of a file into a folder, with each member under its exact name.

    `zipfile` would extract "/config.json" and "../config.json" as "config.json".
    """
    with opened(data) as archive:
        names = set(archive.namelist())
        weights = [name for name in _WEIGHTS if name in names][:1]
        if not weights:
            raise _UnfitError("no weights")
        length = archive.getinfo("config.json").file_size
        if length > _LONGEST:
            raise _UnfitError(f"a configuration of {length:,} bytes")
        assets = [name for name in names if name.startswith(_ASSETS) and _is_plain(name)]
        levels = max((name.count("/") for name in assets), default=0)
        if len(assets) > _MOST_ASSETS or levels > _MOST_LEVELS:
            raise _UnfitError(f"{len(assets):,} assets, in folders nested up to {levels:,} levels")
        for name in ("config.json", *weights, *assets):
            archive.extract(name, folder)
    # Keras does not look for assets if a folder has fewer than four members.
    (Path(folder) / "metadata.json").touch()


def _is_plain(name: str) -> bool:
    """Whether each part of a path is a plain name."""
    return not {"", ".", ".."} & set(name.removesuffix("/").split("/"))


def _refusal(got: str, where: str) -> SplitDeconvError:
    return SplitDeconvError(
        "Keras cannot load the model",
        where=where,
        expected="a valid model of Keras' own layers; code in files is never run (safe mode)",
        got=got[:400],
        fix="for a model with custom classes, losses or lambdas: load it in Python with "
        "keras.saving.load_model(path, custom_objects={...}), then pass it to splitdeconv.convert",
    )
