"""Make a virtual environment that also sees the packages of this one: python -m tools.layered DIR.

What is installed into it comes on top, and the environment below stays as it is.
"""

import argparse
import subprocess
import sys
import sysconfig
from pathlib import Path


def make(folder: Path) -> None:
    """Make the environment `folder`, empty but for a reference to this one's packages."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    below = sysconfig.get_path("purelib")
    schemes = {"base": str(folder.resolve()), "platbase": str(folder.resolve())}
    above = Path(sysconfig.get_path("purelib", "venv", schemes))
    # `addsitedir` reads the .pth files there as well, the editable installation among them.
    (above / "below.pth").write_text(f"import site; site.addsitedir({below!r})\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    make(parser.parse_args().folder)
