"""Files of processors and technologies: the package's, and changed ones."""

from importlib.resources import files

import yaml

from splitdeconv import dlp


def data(folder, name):
    return yaml.safe_load((files(dlp) / folder / f"{name}.yaml").read_text(encoding="utf-8"))


def written(path, content):
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def changed(content, dotted, value):
    """The content with another value at a dotted path; `KeyError` as the value removes the key."""
    *parents, last = dotted.split(".")
    at = content
    for key in parents:
        at = at[key]
    if value is KeyError:
        del at[last]
    else:
        at[last] = value
    return content
