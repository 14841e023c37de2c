"""A table that its reader can sort by clicking on the head of a column.

It is HTML of a few lines without any library, so it works in a notebook, on the site and from a
file. Without scripts it is an ordinary table.
"""

from html import escape
from string import Template

import pandas as pd

#: The class of its outermost element.
CLASS = "sortable-table"
# Numbers sort by value, what is missing comes last, and a second click turns the order round.
_SORT = """\
const head=this.closest('th'),rows=this.closest('table').tBodies[0],at=head.cellIndex;\
const down=head.ariaSort==='ascending';\
for(const other of head.parentNode.cells)other.ariaSort=null;\
head.ariaSort=down?'descending':'ascending';\
const key=row=>row.cells[at].dataset.key;\
const order=(a,b)=>{const x=key(a),y=key(b);if(x===''||y==='')return (x==='')-(y==='');\
const apart=isNaN(x)||isNaN(y)?x.localeCompare(y):x-y;return down?-apart:apart;};\
rows.append(...[...rows.rows].sort(order));"""
_PAGE = Template(
    """\
<div class="$name" style="max-height:$height;overflow:auto">
<table>
<caption>$caption</caption>
<thead><tr>$heads</tr></thead>
<tbody>
$rows
</tbody>
</table>
</div>"""
)


class Sortable:
    """What a notebook shows of a table.

    Attributes:
        html: all of it.
    """

    def __init__(self, html: str) -> None:
        self.html = html

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return "A table; click on the head of a column to sort by it."


def sortable(
    table: pd.DataFrame, caption: str, *, digits: int = 3, height: str = "36rem"
) -> Sortable:
    """Show a table that a click on the head of a column sorts.

    Args:
        table: its columns; the index is left out.
        caption: what it is, for its top.
        digits: significant digits of numbers that are not whole.
        height: how high it becomes before it scrolls, as CSS.

    Returns:
        A `Sortable`, which a notebook shows if it is the last expression of a cell.
    """
    button = "font:inherit;border:0;background:none;cursor:pointer;padding:0"
    heads = "".join(
        f'<th scope="col"><button type="button" style="{button}" onclick="{escape(_SORT)}">'
        f"{escape(str(name))}</button></th>"
        for name in table
    )
    rows = "\n".join(
        "<tr>" + "".join(_cell(value, digits) for value in row) + "</tr>"
        for row in table.itertuples(index=False, name=None)
    )
    words = {"name": CLASS, "height": height, "caption": escape(caption)}
    return Sortable(_PAGE.substitute(words, heads=heads, rows=rows))


def _cell(value: object, digits: int) -> str:
    """One cell, whose key is the value that it is sorted by."""
    if pd.isna(value):
        return '<td data-key=""></td>'
    text = f"{value:.{digits}g}" if isinstance(value, float) else str(value)
    return f'<td data-key="{escape(str(value))}">{escape(text)}</td>'
