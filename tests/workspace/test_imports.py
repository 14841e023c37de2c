"""Who imports whom, by syntax trees: the wheel needs no study/, scripts need no tests."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STUDY = "splitdeconv.study"


def imports(code, module, is_package=False):
    """Absolute names of every module that a module imports, and of what it imports from them."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *filter(None, [node.module])])
            names |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
        elif (
            isinstance(node, ast.Call)
            and getattr(node.func, "attr", getattr(node.func, "id", "")) == "import_module"
        ):
            names |= {
                argument.value for argument in node.args if isinstance(argument, ast.Constant)
            }
    return names


def within(names, package):
    return sorted(name for name in names if name == package or name.startswith(f"{package}."))


def found(folder, package):
    """For each file of a folder, what it imports of a package."""
    files = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        module = dotted.removesuffix(".__init__")
        files[module] = within(imports(path.read_text(), module, dotted != module), package)
    return files


@pytest.mark.parametrize(
    ("code", "module", "is_package", "expected"),
    [
        ("from ..study import gains", "splitdeconv.cli.plan", False, True),
        ("from .study.gains import costs", "splitdeconv", True, True),
        ("from . import study", "splitdeconv.ops", False, True),
        ("def f():\n    import splitdeconv.study.charts", "splitdeconv.ops", False, True),
        ("import_module('splitdeconv.study')", "splitdeconv.ops", False, True),
        ("from . import study", "splitdeconv.dlp.roofline", False, False),
        ("from splitdeconv import studying", "splitdeconv.ops", False, False),
    ],
)
def test_imports_are_seen_in_every_spelling(code, module, is_package, expected):
    assert bool(within(imports(code, module, is_package), STUDY)) == expected


def test_nothing_in_the_wheel_imports_study():
    files = {module: names for module, names in found("splitdeconv", STUDY).items() if names}
    inside = {module for module in files if module.startswith(STUDY)}
    assert inside, "study imports modules of its own, which must be seen"
    assert not {module: names for module, names in files.items() if module not in inside}


@pytest.mark.parametrize("folder", ["splitdeconv", "benchmarks", "tools"])
def test_nothing_outside_the_tests_imports_them(folder):
    files = found(folder, "tests")
    assert len(files) > 5
    assert not {module: names for module, names in files.items() if names}
