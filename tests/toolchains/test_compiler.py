"""What goes wrong with a vendor's compiler is a refusal with all its parts."""

import pytest

from splitdeconv import SplitDeconvError
from splitdeconv.toolchains import compiler, edgetpu, vela
from tests.toolchains.standins import executable


def raised(run, *arguments, **options):
    with pytest.raises(SplitDeconvError) as caught:
        run(*arguments, **options)
    return caught.value


def test_every_refusal_says_where_what_was_expected_what_came_and_what_to_do(tmp_path):
    known = 'test "$1" = --version && echo 5.2.0 || '
    made = {
        name: executable(tmp_path / name, f"{known}{script}")
        for name, script in (("slow", "exec sleep 60"), ("broken", "exit 3"), ("empty", "exit 0"))
    }
    (tmp_path / "odd").write_bytes(b"\0")
    (tmp_path / "odd").chmod(0o755)
    made |= {"odd": str(tmp_path / "odd")}
    refusals = [
        raised(compiler.given, "too large to export", "models"),
        raised(edgetpu.compile_model, b"", compiler="no_such_compiler"),
    ]
    for path in made.values():
        refusals += [
            raised(vela.compile_model, b"", "ethos_u55", timeout=0.5, vela=path),
            raised(edgetpu.compile_model, b"", timeout=0.5, compiler=path),
        ]
    problems = [error.problem for error in refusals]
    assert problems[0] == "too large to export"
    assert problems[2:6] == [
        "Vela took longer than 0.5 s",
        "edgetpu_compiler took longer than 0.5 s",
        "Vela ended with code 3",
        "edgetpu_compiler ended with code 3",
    ]
    assert problems[-2:] == [
        "Vela cannot be run: Exec format error",
        "edgetpu_compiler cannot be run: Exec format error",
    ]
    for error in refusals:
        assert all((error.where, error.expected, error.got, error.fix)), error


def test_the_bytes_of_a_file_are_what_was_given():
    assert compiler.given(b"a", "models") == b"a"
