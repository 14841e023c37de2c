"""Load a .keras file as data: nothing in it is called, and nothing outside it is read.

Keras' safe mode refuses code. It still resolves names in the file that belong to Keras, functions
that fetch weights among them: `keras.applications.vgg16.VGG16` as the `output_shape` of a Lambda
layer starts a download. So the names are checked first, and versions that read other files through
HDF5 are refused.
"""

import json
import re
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

from ...errors import SplitDeconvError
from ...extras import require
from .sizes import excess, opened

keras = require("keras", "tensorflow")

#: The first version that loads nothing from outside the file. 3.14.0 reads other HDF5 files through
#: virtual datasets and links in the weights where memory is short; 3.13.1 (and 3.12.0) any file
#: through external datasets; 3.11.3 any vocabulary of StringLookup; 3.10.0 calls `get_file`.
OLDEST = (3, 14, 1)
#: The parts of Keras that models are made of; the others (applications, datasets, saving, utils, ...)
#: are for programs.
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
_MODELS = ("", "models")  # here only classes: the functions load, save and download models
#: What Keras reads of an archive beside the configuration and the folder of assets; of weights the
#: first.
_WEIGHTS = ("model.weights.h5", "model.weights.npz")
_ASSETS = "assets/"
#: Bounds on the assets of one file, far above those of any model.
_MOST_ASSETS, _MOST_LEVELS = 10_000, 100
#: Bytes of a configuration, which takes some 30 times as much once parsed.
_LONGEST = 16 << 20


def load(data: bytes | Path):
    """The model in a .keras file.

    Args:
        data: the file's bytes or path.

    Raises:
        SplitDeconvError: the file is damaged, names something that is not a part of a model, or
            needs code that Keras does not have; this version of Keras does not load files safely.
    """
    _check_version()
    try:
        said = excess(data)
        if said:
            raise _refusal(said)
        model = _load(data)
    except (MemoryError, SplitDeconvError):
        raise
    except Exception as error:  # Keras reports a damaged file in many ways, all of them exceptions
        raise _refusal(f"{type(error).__name__}: {error}") from None
    if not isinstance(model, keras.Model):
        raise SplitDeconvError(
            "the file holds no model",
            where="a .keras file",
            expected="a keras.Model",
            got=type(model).__name__,
        )
    return model


def _check_version():
    numbers = tuple(map(int, re.findall(r"\d+", keras.__version__)[:3]))
    if numbers < OLDEST:
        raise SplitDeconvError(
            "this version of Keras does not load .keras files safely: they can make it read others",
            where="a .keras file",
            expected=f"Keras {'.'.join(map(str, OLDEST))} or later",
            got=f"Keras {keras.__version__}",
            fix="pip install --upgrade keras, or load a file that you trust in Python with "
            "keras.saving.load_model(path) and give the model to splitdeconv.convert",
        )


def _check_names(config):
    """Refuse a configuration that names what is not a part of a model in Keras."""
    left = [json.loads(config)]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            left += item.values()
            _check_name(item.get("module"), item.get("class_name"), item.get("config"))
        elif isinstance(item, list):
            left += item


def _check_name(module, name, config):
    called = name == "function"
    if called:
        name = config
    if not isinstance(module, str) or not isinstance(name, str):
        return
    package, *inside, last = f"{module}.{name}".split(".")  # Keras joins them, too
    if package != "keras":
        return  # Keras finds only what this process has registered
    part = next((word for word in inside if word != "src"), "")
    is_class = last[:1].isupper()
    # A class called as a function does while the model runs, out of safe mode, what its
    # constructor does, such as reading a vocabulary.
    if part not in ("", *PARTS) or (part in _MODELS and not is_class) or (called and is_class):
        raise _refusal(f"{module}.{name}, which is not a part of a model")


def _load(data):
    with TemporaryDirectory(prefix="splitdeconv-") as folder:
        # From a folder Keras reads weight after weight; of a file it may hold all of them beside the model's own.
        _unpack(data, folder)
        # What Keras will read, whatever else the archive holds.
        _check_names((Path(folder) / "config.json").read_bytes())
        try:
            # Of an optimizer that has not begun, for instance.
            with warnings.catch_warnings(action="ignore"):
                return keras.saving.load_model(folder, safe_mode=True)
        except MemoryError:
            raise
        except Exception as error:
            # Keras quotes the whole configuration before it says what happened.
            said = " ".join(str(error).replace(folder, "the file").split())
            said = said.rpartition("Exception encountered: ")[2]
            raise _refusal(f"{type(error).__name__}: {said}") from None


def _unpack(data, folder):
    """Put what Keras reads of a file into a folder, and nothing else, each under its very name.

    `zipfile` would put "/config.json" and "../config.json" in the place of "config.json".
    """
    with opened(data) as archive:
        names = set(archive.namelist())
        weights = [name for name in _WEIGHTS if name in names][:1]
        if not weights:
            raise _refusal("no weights")
        length = archive.getinfo("config.json").file_size
        if length > _LONGEST:
            raise _refusal(f"a configuration of {length:,} bytes")
        assets = [name for name in names if name.startswith(_ASSETS) and _is_plain(name)]
        levels = max((name.count("/") for name in assets), default=0)
        if len(assets) > _MOST_ASSETS or levels > _MOST_LEVELS:
            raise _refusal(f"{len(assets):,} assets, in folders of up to {levels:,} levels")
        for name in ("config.json", *weights, *assets):
            archive.extract(name, folder)
    # With fewer than four names in a folder Keras looks for no assets.
    (Path(folder) / "metadata.json").touch()


def _is_plain(name):
    """Whether each part of a path is a name."""
    return not {"", ".", ".."} & set(name.removesuffix("/").split("/"))


def _refusal(got):
    return SplitDeconvError(
        "Keras cannot load the model",
        where="a .keras file",
        expected="a sound model of Keras' own layers; code in the file is never executed (safe mode)",
        got=got[:400],
        fix="for a model with classes, losses or lambdas of your own: load it in Python with "
        "keras.saving.load_model(path, custom_objects={...}) and give the model to splitdeconv.convert",
    )
