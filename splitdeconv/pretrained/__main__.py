"""`python -m splitdeconv.pretrained [NAME ...]`: fetch trained generators and models, or all."""

import argparse
import sys
from collections.abc import Sequence

from ..errors import SplitDeconvError
from .download import cached, fetch
from .registry import entry, files


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch the named files and report each; return 0 if all succeeded, else 1."""
    parser = argparse.ArgumentParser(prog="python -m splitdeconv.pretrained", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(files())}")
    try:
        for name in parser.parse_args(arguments).names or files():
            path = cached(name)
            done = "already there, nothing to do" if path else "fetched and checked"
            path = path or fetch(name)
            size, about = f"{entry(name).bytes / 1e6:.1f} MB", entry(name).about
            print(f"{name}: {done}: {path} ({size}, {about})", flush=True)
    except SplitDeconvError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
