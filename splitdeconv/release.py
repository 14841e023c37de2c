"""The version of this package: of its checkout, or else of the installed distribution."""

import tomllib
from importlib import metadata
from pathlib import Path

#: The version of a copy that is neither a checkout nor installed.
UNKNOWN = "0+unknown"


def version() -> str:
    """The version, as `splitdeconv.__version__` gives it; never an error."""
    try:
        settings = Path(__file__).parents[1] / "pyproject.toml"
        project = tomllib.loads(settings.read_text())["project"]
        if project["name"] == "splitdeconv":
            return project["version"]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # installed from a wheel, which has no such file
    try:
        return metadata.version("splitdeconv")
    except metadata.PackageNotFoundError:
        return UNKNOWN
