"""The layout of a figure: computed once for all of its files, its title above what is drawn."""

from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import wrap
from typing import Any

_POINTS = 72  # an inch


def draw_title(fig: Any, title: str) -> None:
    """The title above everything that is drawn, in lines as wide as that."""
    size = 12
    drawn = fig.get_tightbbox()
    width, height = fig.get_size_inches()
    lines = wrap(title, int(drawn.width * _POINTS / (0.62 * size)))
    place = drawn.x0 / width, (drawn.y1 + 0.6 * size / _POINTS) / height
    look = {"size": size, "weight": "bold", "va": "bottom", "ha": "left", "gid": "title"}
    fig.text(*place, "\n".join(lines), **look)


@contextmanager
def laid_out(fig: Any) -> Iterator[None]:
    """Legends and labels in their places: the layout is not computed again for each file."""
    engine = fig.get_layout_engine()
    for text in [text for text in fig.texts if text.get_gid() == "title"]:
        text.remove()  # of an earlier call
    fig.draw_without_rendering()
    fig.set_layout_engine("none")
    try:
        yield
    finally:
        fig.set_layout_engine(engine)
