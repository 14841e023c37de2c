"""The parameters of a notebook: read, checked and recorded by one call in its set-up cell.

papermill passes what it is given on a command line as text, numbers or YAML. `settle` turns that
into what the notebook declares, refuses what it cannot use with the choices there are, and finds
the files that a parameter names.
"""

import os
import re
from collections.abc import Callable, Collection, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml

from .. import dlp, figures
from ..convert import targets
from ..dlp.traffic import ZEROS
from ..errors import SplitDeconvError, check_choice, is_integer, shown
from ..formats import registry as formats
from ..networks import registry
from .account import FORMS

#: What errors call the place that a wrong value was given to.
WHERE = "the notebook's parameters"
_CHOICES: dict[str, Callable[[], Collection[str]]] = {
    "network": registry.names,
    "processor": dlp.processors,
    "method": lambda: dlp.METHODS,
    "target": targets.names,
    "form": lambda: FORMS,
    "padding": lambda: ("SAME", "VALID"),
    "zeros": lambda: ZEROS,
}
_PLURALS = {f"{name}s": name for name in ("network", "processor", "method")}
# What frameworks write of their own accord, below errors, would fill a notebook's cells. They read
# these when they are loaded, which is after a notebook's first cells.
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2", "TPU_MIN_LOG_LEVEL": "3", "TPU_STDERR_LOG_LEVEL": "3"}
# What a value of each type is called.
_WORDS = {str: "a text", int: "an integer", float: "a number", bool: "True or False"}


def settle(namespace: MutableMapping[str, Any], notebook: str, *, models: bool = False) -> None:
    """Read, check and record the parameters of a notebook, in place.

    Parameters are the variables that the notebook has annotated so far: str, int, float, bool or a
    list of one of these. Text that is given for anything but a str is read as YAML, of which JSON
    is a part. A single value stands for a list of one. Parameters such as `network`, `processors`
    and `zeros` must be choices of the library; an empty list of choices stands for all of them.
    Frameworks that the notebook loads afterwards write only errors, unless the environment says
    otherwise.

    Args:
        namespace: of the notebook, `globals()`.
        notebook: its name, for the manifest of its figures.
        models: whether `network` and `networks` may also be paths of model files. These become
            absolute; `titles` and `slug` name them.

    Raises:
        SplitDeconvError: a value has another type than its parameter declares, differs from all
            choices, is not positive, or is the path of a file that does not exist.
    """
    for variable, level in _QUIET.items():
        os.environ.setdefault(variable, level)
    given, files = {}, list[Path]()
    for name, annotation in namespace.get("__annotations__", {}).items():
        several = get_origin(annotation) is list
        kind = get_args(annotation)[0] if several else annotation
        if name in namespace and kind in _WORDS:
            given[name] = _typed(namespace[name], kind, several, name)
            namespace[name] = _checked(given[name], name, models, files)
    figures.describe_run(notebook=notebook, parameters=given, inputs=files)


def titles(networks: Collection[str]) -> dict[str, str]:
    """What figures call networks: a benchmark network by its name in print, a file by its own name.

    Args:
        networks: names, and paths of model files.

    Returns:
        One title for each; files of the same name carry their folder's, too.

    Example:
        >>> titles(["gpgan", "/models/mine.onnx"])
        {'gpgan': 'GP-GAN', '/models/mine.onnx': 'mine.onnx'}
    """
    known = registry.titles()
    names = [Path(network).name for network in networks]
    return {
        network: known.get(network)
        or (name if names.count(name) == 1 else f"{Path(network).parent.name}/{name}")
        for network, name in zip(networks, names, strict=True)
    }


def slug(network: str) -> str:
    """A network, or the path of a model file, as part of a figure's name.

    Example:
        >>> slug("fcn8s"), slug("/models/My model (2).onnx")
        ('fcn8s', 'my_model_2_onnx')
    """
    if network in registry.NETWORKS:
        return network
    return re.sub(r"[^a-z0-9-]+", "_", Path(network).name.lower()).strip("_-")


def located(text: str) -> Path:
    """The file that a parameter names, relative to where make or papermill was started.

    `make` starts kernels in another folder than its own and says so in the environment variable
    SPLITDECONV_START; papermill starts them in its own.

    Raises:
        SplitDeconvError: there is no such file.
    """
    start = Path(os.environ.get("SPLITDECONV_START") or Path.cwd())
    path = start / Path(text).expanduser()
    if not path.is_file():
        raise SplitDeconvError(
            "there is no such file",
            where=WHERE,
            expected=f"a path relative to {start}, or an absolute one",
            got=shown(text),
        )
    return path.resolve()


def _typed(value: Any, kind: type, several: bool, name: str) -> Any:
    """A value, or each of several in a list, as a parameter of a type that is called `name`."""
    if isinstance(value, str) and (several or kind is not str):
        # Other text remains as it is, and is refused unless text is wanted.
        with suppress(yaml.YAMLError):
            value = yaml.safe_load(value)
    if not several:
        return _scalar(value, kind, name)
    values = list(value) if isinstance(value, list | tuple) else [value]
    return [_scalar(one, kind, name) for one in values]


def _scalar(value: Any, kind: type, name: str) -> Any:
    """A value of a type; numbers are positive, and a seed may be 0."""
    words = _WORDS[kind]
    if kind is float and is_integer(value):
        value = float(value)
    fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if kind is int:
        least = 0 if name == "seed" else 1
        fits, words = fits and value >= least, f"{words}, {least} or more"
    if kind is float:
        fits, words = fits and 0 < value < float("inf"), f"{words} above 0"
    if not fits:
        raise SplitDeconvError(f"invalid {name}", where=WHERE, expected=words, got=shown(value))
    return value


def _checked(value: Any, name: str, models: bool, files: list[Path]) -> Any:
    """A value of the right type, as one of the choices that its name stands for."""
    singular = _PLURALS.get(name, name)
    if singular == "model":
        return value and _one(value, singular, True, files)
    if singular not in _CHOICES:
        return value
    if singular == name:
        return _one(value, name, models, files)
    chosen = [_one(one, singular, models, files) for one in value or _CHOICES[singular]()]
    return list(dict.fromkeys(chosen))


def _one(value: str, name: str, models: bool, files: list[Path]) -> str:
    """One of the choices, or the path of a file, which is noted among the figures' inputs."""
    known: Collection[str] = _CHOICES[name]() if name in _CHOICES else ()
    endings: tuple[str, ...] = ()
    words = ""
    if name in ("processor", "target"):
        endings, words = (".yaml", ".yml"), "a .yaml file"
    elif name in ("network", "model") and models:
        endings, words = tuple(f".{kind}" for kind in formats.names()), f"a {formats.listed()} file"
    if value not in known and endings and value.lower().endswith(endings):
        path = located(value)
        files.append(path)
        return str(path)
    other = f"{', or ' if known else ''}the path of {words}" if words else ""
    check_choice(value, known, name, WHERE, other=other)
    return value
