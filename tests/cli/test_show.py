"""What is printed fits the terminal it is printed on."""

from splitdeconv.cli import show


def test_a_narrow_terminal_gets_one_line_a_value(monkeypatch, capsys):
    rows = [("up", "128 -> 256 (k=2 s=2 p=0)", "1.0"), ("down", "8 -> 16", "12.5")]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    show.print_table(("layer", "axes", "MMAC"), rows)
    first = "layer: up\naxes: 128 -> 256 (k=2 s=2 p=0)\nMMAC: 1.0\n\n"
    second = "layer: down\naxes: 8 -> 16\nMMAC: 12.5\n\n"
    assert capsys.readouterr().out == first + second
    monkeypatch.setenv("COLUMNS", "60")
    show.print_table(("layer", "axes", "MMAC"), rows)
    assert "up      128 -> 256 (k=2 s=2 p=0)    1.0" in capsys.readouterr().out
