"""Files of programs, with members or parts of the program changed."""

import io
import json
import re
import zipfile


def edited(content, member, change):
    """The file with one member changed; None removes it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if re.search(member, name):
                data = change(data)
            if data is not None:
                new.writestr(name, data)
    return buffer.getvalue()


def program(change):
    """A change of the program's JSON."""

    def changed(data):
        tree = json.loads(data)
        change(tree)
        return json.dumps(tree).encode()

    return changed
