"""Where fetched files are kept."""

from splitdeconv.pretrained import cache_folder, download


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.delenv("SPLITDECONV_DATA", raising=False)
    checkout = tmp_path / "checkout"
    (checkout / "splitdeconv" / "pretrained").mkdir(parents=True)
    monkeypatch.setattr(
        download, "__file__", str(checkout / "splitdeconv" / "pretrained" / "download.py")
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "splitdeconv"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "splitdeconv"
    (checkout / "data").mkdir()
    (checkout / "data" / "README.md").write_text("")
    (checkout / "pyproject.toml").write_text("")
    assert cache_folder() == checkout / "data" / "cache"
    monkeypatch.setenv("SPLITDECONV_DATA", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
