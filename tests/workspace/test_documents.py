"""What documents, lock and environment files claim, held against the repository itself."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from tools import check_figures, docs

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# Made by git, make, Python and their tools: not part of the repository.
MADE = {".git", ".venv", "build", "dist", "figures", "cache", "__pycache__", "splitdeconv.egg-info"}
MADE |= {".pytest_cache", ".ruff_cache", ".hypothesis", ".ipynb_checkpoints"}
# What readers' own runs leave.
MADE |= {"my_figures", "out.ipynb"}
# What a document may mention before it is made.
GENERATED = ("build/", "figures/", "data/cache", "data/measured/", ".venv", "params/mine.yaml")
# Put together here, so that this file does not hold what it looks for.
REGISTRIES = [
    ".".join(parts)
    for parts in (("pypi", "org"), ("pythonhosted", "org"), ("debian", "org"), ("npmjs", "org"))
]
MACHINE = re.compile(
    r"(?<![\w.~}$/-])/(?:" + "|".join(("work", "root", "home", "tmp", "Users")) + r")/\w"
)


def texts():
    """Every text file of the repository, with its text."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in MADE]
        for path in (Path(folder, name) for name in names if name not in MADE):
            try:
                yield path.relative_to(ROOT).as_posix(), path.read_text()
            except UnicodeDecodeError:
                continue  # a picture


def missing(text, folder):
    """The files of this repository that a document links to or quotes and that are not there."""
    links = [folder / link for link in re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", text)]
    quoted = re.findall(
        r"`((?:\.ci|benchmarks|data|notebooks|params|splitdeconv|tests|tools)/[\w./-]+)`", text
    )
    paths = [os.path.relpath(path, ROOT) for path in (*links, *(ROOT / path for path in quoted))]
    return [path for path in paths if not path.startswith(GENERATED) and not (ROOT / path).exists()]


def foreign(text):
    """Names of registries and paths of one machine, which do not belong into the repository."""
    return [host for host in REGISTRIES if host in text] + MACHINE.findall(text)


def test_documents_mention_only_what_there_is():
    found = {path.name: missing(path.read_text(), path.parent) for path in docs.documents(ROOT)}
    assert not {name: paths for name, paths in found.items() if paths}
    assert missing(
        "[a](../absent.md) `tools/absent.py` `figures/later.png` [b](https://x.y)",
        ROOT / "notebooks",
    ) == ["absent.md", "tools/absent.py"]


def test_the_readme_shows_only_figures_that_runs_make():
    # Badges are pictures of other sites.
    shown = re.findall(r"!\[[^]]+\]\((?!https:)([^)]+)\)", (ROOT / "README.md").read_text())
    promised = check_figures.promised(ROOT, quick=True)
    # The animation is no figure of a run: a test of its own draws it again.
    assert shown.pop(1) == "docs/split.svg"
    assert shown == [f"docs/{Path(path).stem}.png" for path in shown if Path(path).stem in promised]
    assert len(shown) == 2


def test_nothing_names_a_registry_or_a_path_of_one_machine():
    found = {name: foreign(text) for name, text in texts()}
    assert "Makefile" in found
    assert not {name: words for name, words in found.items() if words}
    path = "/".join(("", "home", "me"))
    assert foreign(f"from {REGISTRIES[0]} into {path}") == [REGISTRIES[0], path[:-1]]


def test_every_make_target_in_the_documents_exists():
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    found = {
        path: re.findall(r"(?:^|`)make ([a-z-]+)(?![\w/-])", path.read_text(), re.MULTILINE)
        for path in docs.documents(ROOT)
    }
    assert {"test", "reproduce", "lab"} <= {goal for goals in found.values() for goal in goals}
    assert not {
        path.name: set(goals) - targets for path, goals in found.items() if set(goals) - targets
    }


def test_ci_runs_what_the_readme_gives():
    commands = re.findall(r"^make .+$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert commands == ["make lint test-all", "make test-torch", "make reproduce QUICK=1"]
    readme = (ROOT / "README.md").read_text()
    for command in ("make test", *commands, "make reproduce"):
        assert re.search(rf"\b{command}\b", readme), command
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize("broken", ["lint", "test-all", "test-torch", "reproduce"])
def test_ci_fails_with_whatever_it_runs(tmp_path, broken):
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "run").write_text((ROOT / ".ci" / "run").read_text())
    targets = ("lint", "test-all", "test-torch", "reproduce")
    goals = "\n".join(f"{goal}:\n\t@{'false' if goal == broken else 'true'}" for goal in targets)
    (tmp_path / "Makefile").write_text(goals)
    options = {"cwd": "/", "env": {"PATH": os.environ["PATH"]}, "capture_output": True}
    assert (
        subprocess.run(["bash", tmp_path / ".ci" / "run"], check=False, **options).returncode != 0
    )
    (tmp_path / "Makefile").write_text(goals.replace("false", "true"))
    assert (
        subprocess.run(["bash", tmp_path / ".ci" / "run"], check=False, **options).returncode == 0
    )


def test_the_lock_pins_by_hash_and_names_no_address():
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert not re.search(r"^-", lock, re.MULTILINE)
    pins = [pin for pin in lock.replace("\\\n", " ").splitlines() if pin]
    assert len(pins) > 100
    for pin in pins:
        assert re.match(r"[a-z0-9.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", pin), pin


def requirements():
    """Every requirement that pyproject.toml declares, extras included: name to specifier."""
    every = [
        *PROJECT["dependencies"],
        *(line for extra in PROJECT["optional-dependencies"].values() for line in extra),
    ]
    split = [re.fullmatch(r"([\w.-]+)(?:\[\w+\])?(.*)", line).groups() for line in every]
    found = {}
    for name, specifier in split:
        assert found.setdefault(normal(name), specifier) == specifier, (
            f"{name} is declared twice, differently"
        )
    return found


def normal(name):
    """A distribution's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_holds_every_requirement():
    pinned = set(
        re.findall(r"^([a-z0-9.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    )
    # The CPU wheel carries the same package as `tensorflow`, in half the space. PyTorch has an
    # environment of its own.
    assert {normal(name) for name in requirements()} - pinned == {"tensorflow", "torch"}
    assert "tensorflow-cpu" in pinned


def test_the_lowest_versions_are_the_declared_bounds():
    lowest = dict(
        re.findall(
            r"^([a-z0-9.-]+)==(\S+)", (ROOT / "tests" / "lowest.txt").read_text(), re.MULTILINE
        )
    )
    lowest["tensorflow"] = lowest["tensorflow-cpu"]
    lowest |= re.findall(
        r"^(torch)==(\S+)", (ROOT / "tools" / "torch.txt").read_text(), re.MULTILINE
    )
    for name, specifier in requirements().items():
        bound = re.search(r"[>=]=([\d.]+)", specifier)[1].split(".")
        assert [*lowest[name].split("."), "0", "0"][: len(bound)] == bound, (
            f"{name}{specifier} is tested as {lowest[name]}"
        )


def test_conda_users_get_the_same_set():
    names = {"python-build": "build"}  # as conda-forge calls it
    lines = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    from_pip = lines.pop()["pip"]
    found = {}
    for line in [*lines, *from_pip]:
        name, specifier = re.fullmatch(r"(-e|[\w-]+)(?:\[\w+\])? *(.*)", line).groups()
        found[normal(names.get(name, name))] = specifier
    assert found.pop("-e") == "."
    assert found.pop("python") == PROJECT["requires-python"]
    assert {"pip", "make"} <= found.keys()
    # PyTorch is left out as in the lock.
    found["torch"] = requirements()["torch"]
    assert {name: found[name] for name in found if name not in ("pip", "make")} == requirements()
    assert {"jupyterlab", "numpy", "tensorflow", "pandas", "seaborn", "papermill"} <= found.keys()


def test_the_citation_names_version_licence_and_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"] == "Apache-2.0"
    assert (
        "Apache License\n                           Version 2.0, January 2004"
        in (ROOT / "LICENSE").read_text()
    )
    paper = citation["preferred-citation"]
    assert [author["family-names"] for author in paper["authors"]] == [
        "Xu",
        "Liu",
        "Wang",
        "Tu",
        "He",
        "Zhang",
    ]
    assert (paper["journal"], paper["volume"], paper["issue"]) == (
        "IEEE Transactions on Computers",
        69,
        8,
    )
    assert paper["identifiers"][0]["value"] == "arXiv:1907.01773"
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_hooks_use_the_pinned_tools():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    assert all(
        hook["entry"].startswith(".venv/bin/") and hook["language"] == "system"
        for hook in repository["hooks"]
    )
