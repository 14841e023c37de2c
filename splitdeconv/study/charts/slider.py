"""Two renderings of the same images in one place, and a control that moves the border between them.

It is HTML of a few lines without any library, so it works in a notebook, on the site and from a
file. Without scripts it shows half of each.
"""

from base64 import b64encode
from collections.abc import Mapping
from html import escape
from io import BytesIO

import numpy as np

from ...core.typing import NumpyArray
from ...extras import require

#: Pixels beyond which further images of a batch are left out.
WIDEST = 768
#: The class of its outermost element, by which the site finds it in an executed notebook.
CLASS = "image-slider"
_FULL = "width:100%;margin:0;display:block;image-rendering:pixelated;"
_PAGE = """\
<figure class="{name}" style="--border:50%;margin:0;max-width:48rem">
<div style="position:relative">
<img alt="{left_alt}" style="{full}" src="{left_data}">
<img alt="{right_alt}" src="{right_data}"
 style="{full}position:absolute;top:0;left:0;clip-path:inset(0 0 0 var(--border))">
<div style="position:absolute;top:0;bottom:0;left:var(--border);border-left:3px solid #fff;\
outline:1px solid #333"></div>
</div>
<label style="display:flex;gap:0.8em;align-items:center">{left}
<input type="range" min="0" max="100" value="50" style="flex:1" aria-label="{control}"
 oninput="this.closest('figure').style.setProperty('--border', this.value + '%')">
{right}</label>
<figcaption>{caption}</figcaption>
</figure>"""


class Slider:
    """What a notebook shows of two renderings.

    Attributes:
        html: all of it, pictures included.
    """

    def __init__(self, html: str) -> None:
        self.html = html

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return "Two renderings, and a control that moves the border between them."


def slider(images: Mapping[str, NumpyArray], subject: str) -> Slider:
    """Compare two renderings of the same images.

    Args:
        images: two of them by name, uint8 arrays of one shape ``(count, height, width, channels)``.
            Of a batch, the first that fit side by side are shown.
        subject: what the images are, for those who cannot see them.

    Returns:
        A `Slider`, which a notebook shows if it is the last expression of a cell.
    """
    (left, one), (right, other) = images.items()
    count = max(1, min(len(one), WIDEST // one.shape[2]))
    differing = int(np.count_nonzero(one[:count] != other[:count]))
    shown = f"{count} image{'s' if count > 1 else ''}"
    words = {
        "left": left,
        "right": right,
        "left_alt": f"{subject}: {shown}, computed by {left}",
        "right_alt": f"{subject}: the same {shown}, computed by {right}",
        "control": f"border between {left} on the left and {right} on the right, in per cent",
        "caption": f"{subject}: {differing:,} of {one[:count].size:,} values differ between "
        f"{left} and {right}. Move the border with the mouse or the arrow keys.",
    }
    return Slider(
        _PAGE.format(
            name=CLASS,
            full=_FULL,
            left_data=_png(one[:count]),
            right_data=_png(other[:count]),
            **{key: escape(text) for key, text in words.items()},
        )
    )


def _png(batch: NumpyArray) -> str:
    """Images side by side as an address that holds them, pixel by pixel."""
    strip = np.concatenate(list(batch), axis=1)
    picture = require("PIL.Image", "notebooks").fromarray(
        strip[..., 0] if strip.shape[-1] == 1 else strip
    )
    buffer = BytesIO()
    picture.save(buffer, "png", optimize=True)
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"
