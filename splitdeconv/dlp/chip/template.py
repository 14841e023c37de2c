"""A processor as a commented YAML file to start from: every key with its meaning and type.

The comments are the documentation of `Processor`, so that they say what the code says.
"""

import inspect
import re
import textwrap
from dataclasses import fields, replace

from ...datafiles import plain_yaml, schema
from ..processor import Processor, ProcessorLike, Technology, load_processor

_START = "pe_array_32x7"
_WIDTH = 100


def template(source: ProcessorLike | None = None) -> str:
    """The text of a file that describes a processor, to change into one's own.

    Args:
        source: the processor whose values and origins it has. By default those of a small systolic
            array, with the origin of each marked as taken from it.

    Returns:
        YAML that `load_processor` reads. Its name is "my_processor".

    Raises:
        SplitDeconvError: as `load_processor`.

    Example:
        >>> import splitdeconv as sd
        >>> print(sd.dlp.template().partition("clock_mhz")[2].splitlines()[0])
        : 800
    """
    processor = load_processor(_START if source is None else source)
    # Defaults need no origin, so that a processor may have one for fewer than all.
    origins = dict(processor.origins)
    if source is None:
        taken = f"assumed: that of {processor.name}; replace it by your source"
        origins = dict.fromkeys(origins, taken)
    title = "My processor" if source is None else f"Copy of {processor.name}"
    return commented(replace(processor, name="my_processor", title=title, origins=origins), _HEADER)


def commented(record: Processor | Technology, header: str) -> str:
    """A record as the text of its file, with the meaning and type of every key.

    Args:
        record: what is written.
        header: the first comment.
    """
    cls = type(record)
    meanings, kinds = entries(cls), schema.expectations(cls)
    lines, before = _comment(header), ""
    for name in (field.name for field in fields(cls) if field.name != "origins"):
        meaning = f"{meanings[name]} Expected: {kinds[name]}."
        # One comment for keys that are described together.
        lines += ["", *_comment(meaning)] if meaning != before else []
        lines.append(f"{name}: {plain_yaml.written(getattr(record, name))}")
        before = meaning
    lines += ["", *_comment(meanings["origins"]), "origins:"]
    lines += [f"  {name}: {plain_yaml.written(text)}" for name, text in record.origins.items()]
    return "\n".join(lines) + "\n"


_HEADER = (
    "A processor. Change the values and their origins, then: splitdeconv processor THIS_FILE, and "
    "splitdeconv simulate NETWORK --processor THIS_FILE."
)


def entries(cls: type) -> dict[str, str]:
    """The meaning of each field of a dataclass, from the Args of its docstring.

    Fields that are described together, ``a, b: ...``, have the same.
    """
    meanings: dict[str, str] = {}
    text = (inspect.getdoc(cls) or "").partition("Args:\n")[2]
    described = re.split(r"\n\n", text, maxsplit=1)[0]
    for names, meaning in re.findall(
        r"^    (\w+(?:, \w+)*): (.*(?:\n {8}.*)*)", described, re.MULTILINE
    ):
        sentence = re.sub(r"\s+", " ", meaning)
        sentence = f"{sentence[0].upper()}{sentence[1:]}".rstrip(".") + "."
        meanings |= dict.fromkeys(names.split(", "), sentence)
    return meanings


def _comment(text: str) -> list[str]:
    wrapper = textwrap.TextWrapper(_WIDTH, initial_indent="# ", subsequent_indent="# ")
    wrapper.break_on_hyphens = False
    return wrapper.wrap(text)
