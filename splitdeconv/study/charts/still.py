"""The explorer in plain HTML: what is seen where no kernel answers its widgets."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape

_CONTROL = (
    "<div style='display:flex;gap:0.8em'><span style='flex:0 0 7em;text-align:right'>{}</span>"
    "<span style='border:1px solid #999;padding:0 0.5em;min-width:8em'>{}</span></div>"
)
_PAGE = """\
<div style="display:flex;flex-wrap:wrap;gap:1.5em">
<div style="flex:0 0 18em;line-height:1.9">{controls}</div>
<div style="flex:1 1 24em;min-width:0">{message}
{pictures}
{details}</div>
</div>"""


def still(
    controls: Mapping[str, str], message: str, pictures: Sequence[tuple[bytes, str]], details: str
) -> str:
    """A page of the explorer.

    Args:
        controls: what is chosen, by the label of its widget.
        message: the account in words, HTML.
        pictures: each as a PNG and in words.
        details: more of it, HTML.

    Returns:
        HTML that needs no script and no other file.
    """
    drawn = [
        f'<img alt="{escape(words)}" style="width:100%;max-width:860px;background:#fff" '
        f'src="data:image/png;base64,{b64encode(png).decode()}">'
        for png, words in pictures
    ]
    rows = [_CONTROL.format(escape(label), escape(chosen)) for label, chosen in controls.items()]
    return _PAGE.format(
        controls="\n".join(rows), message=message, pictures="\n".join(drawn), details=details
    )
