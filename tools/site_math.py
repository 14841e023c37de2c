"""Formulas as pictures within the page, set by matplotlib, without MathJax or TeX."""

import base64
import html
import io
import re

from docutils import nodes
from matplotlib import mathtext
from matplotlib.font_manager import FontProperties

SIZE = 10  # points that are one em of the page


def picture(formula) -> str:
    r"""An <img> of a formula in TeX, as high as the text around it and on its baseline.

    Raises:
        ValueError: it is not what matplotlib sets, which is a part of TeX; of the rest, \bmod is
            understood.
    """
    line = " ".join(formula.split())  # a line of source may end within a formula
    text = "$" + re.sub(r"\\bmod\b", r"\\;\\mathrm{mod}\\;", line) + "$"
    font, svg = FontProperties(size=SIZE), io.BytesIO()
    _, height, depth, *_ = mathtext.MathTextParser("path").parse(text, dpi=72, prop=font)
    mathtext.math_to_image(text, svg, prop=font, dpi=72, format="svg")
    style = f"height:{height / SIZE:.3f}em;vertical-align:{-depth / SIZE:.3f}em"
    data = base64.b64encode(svg.getvalue()).decode()
    source = f"data:image/svg+xml;base64,{data}"
    return f'<img class="math" alt="{html.escape(formula)}" style="{style}" src="{source}">'


def inline(writer, node):
    """Write a formula within a line."""
    writer.body.append(picture(node.astext()))
    raise nodes.SkipNode


def block(writer, node):
    """Write a formula of its own."""
    writer.body.append(f'<p class="math">{picture(node.astext())}</p>')
    raise nodes.SkipNode


def setup(app):
    """What Sphinx calls of an extension."""
    app.add_html_math_renderer(
        "mathtext", inline_renderers=(inline, None), block_renderers=(block, None)
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
