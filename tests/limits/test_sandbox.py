"""The child process: its limits, and whatever becomes of it told as one error."""

import json
import os
import sys
import textwrap
import time
from pathlib import Path

import pytest

from splitdeconv.convert import exchange
from splitdeconv.limits import sandbox
from splitdeconv.limits.sandbox import Limits
from tests.formats.tflite.models import Deconv, deconv_model
from tests.processes import gone
from tests.refusals import refused

ROOMY = Limits(60, 4 << 30)


@pytest.fixture
def child(monkeypatch, tmp_path):
    """Run a script in place of the worker, with ROOMY limits or others."""

    def run(script, limits=ROOMY, progress=None):
        code = (
            f"import sys\nfrom pathlib import Path\nfolder = Path({str(tmp_path)!r})\n"
            + textwrap.dedent(script)
        )
        monkeypatch.setattr(sandbox, "_command", lambda *_: [sys.executable, "-c", code])
        order = sandbox.Order({"verb": "inspect"}, limits, "up.tflite")
        return sandbox.run("a module", order, tmp_path, progress)

    return run


def test_the_result_comes_back(child):
    assert child("(folder / 'result.json').write_text('{\"result\": [1, 2]}')") == [1, 2]


def test_a_refusal_comes_back_with_its_parts(child):
    error = {"problem": "p", "where": "w", "expected": "e", "got": "g", "fix": "f"}
    with refused("^p\n") as caught:
        child(f"(folder / 'result.json').write_text({json.dumps({'error': error})!r})")
    assert vars(caught.value) == error


@pytest.mark.parametrize(
    ("script", "got"),
    [
        ("import os; os.abort()", "was ended by signal 6 (Aborted)"),
        ("import ctypes; ctypes.string_at(0)", "was ended by signal 11 (Segmentation fault)"),
        ("sys.exit(3)", "ended with code 3"),
        ("print('the last words'); sys.exit(4)", "ended with code 4: the last words"),
        ("raise RuntimeError('unforeseen')", "ended with code 1: RuntimeError: unforeseen"),
        ("(folder / 'result.json').write_text('{\"result\": ')", "ended with code 0"),
        ("(folder / 'result.json').write_text('[]')", "ended with code 0"),
        ("(folder / 'result.json').write_text('{}')", "ended with code 0"),
        ("(folder / 'result.json').write_text('{\"error\": {\"text\": 1}}')", "ended with code 0"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
            "was ended by signal 9 (Killed), as the system does when memory runs out",
        ),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGXCPU)",
            "was ended by signal 24 (CPU time limit exceeded)",
        ),
    ],
)
def test_a_child_that_dies_is_one_error(child, script, got):
    with refused("ended without a result while starting; nothing was written") as caught:
        child(script)
    assert caught.value.got == f"a process that {got}"
    assert caught.value.where == "up.tflite"
    assert "--memory" in caught.value.fix


def test_a_child_that_hangs_is_killed_with_its_children(child, tmp_path):
    start = time.monotonic()
    with refused("took longer than 1 s while verifying") as caught:
        child(
            """
            import os, time
            (folder / "stage").write_text("verifying")
            other = os.fork()
            if other:
                (folder / "pids").write_text(f"{os.getpid()} {other}")
            time.sleep(60)
            """,
            Limits(1, 4 << 30),
        )
    assert time.monotonic() - start < 10
    assert caught.value.expected == "a result within 1 s and 4.0 GiB"
    for pid in map(int, (tmp_path / "pids").read_text().split()):
        assert gone(pid)


def test_a_child_that_shows_no_sign_of_life_is_killed(child):
    with refused("made no progress for 1 s while verifying") as caught:
        child(
            """
            import time
            (folder / "stage").write_text("verifying")
            time.sleep(60)
            """,
            Limits(60, 4 << 30, silence=1),
        )
    assert "--timeout" in caught.value.fix


def test_signs_of_life_keep_a_child_alive(child):
    script = """
        import time
        from splitdeconv.limits import allowance
        from splitdeconv.limits.sandbox import Limits
        allowance.begin(folder, Limits(60, 4 << 30))
        allowance.watched(time.sleep)(1.2)  # from now on, 50 times that may pass in silence
        time.sleep(4)
        (folder / "result.json").write_text('{"result": 1}')
        """
    assert child(script, Limits(60, 4 << 30, silence=3)) == 1


def test_stages_are_reported(child):
    seen = []
    child(
        """
        import time
        for stage in ("reading", "rewriting"):
            (folder / "stage").write_text(stage)
            time.sleep(0.7)
        (folder / "result.json").write_text('{"result": null}')
        """,
        progress=seen.append,
    )
    assert seen[-2:] == ["reading", "rewriting"]


def test_memory_is_limited(child):
    script = """
        from splitdeconv.limits import allowance
        from splitdeconv.limits.sandbox import Limits
        allowance.begin(folder, Limits(5, 2**30))
        try:
            bytearray(2**31)
        except MemoryError:
            import resource
            cpu = resource.getrlimit(resource.RLIMIT_CPU)
            core = resource.getrlimit(resource.RLIMIT_CORE)
            (folder / "result.json").write_text(f'{{"result": [{cpu[0]}, {core[0]}]}}')
        """
    assert child(script) == [5 * os.cpu_count() + 1, 0]


def test_the_worker_reports_memory_it_lacks():
    problem = "needs more memory than allowed; nothing was written"
    with (
        exchange.job("inspect", bytes(500 << 20), memory=0.5, options={}) as job,
        refused(problem) as caught,
    ):
        job.run()
    assert caught.value.expected == "at most 0.5 GiB"


def test_the_child_runs_as_python_does_by_default(child, monkeypatch):
    for name, value in (
        ("WARNINGS", "error"),
        ("OPTIMIZE", "2"),
        ("INSPECT", "1"),
        ("HASHSEED", "7"),
    ):
        monkeypatch.setenv(f"PYTHON{name}", value)
    script = """
        import json, os, tempfile
        flags = [sys.warnoptions, sys.flags.optimize, os.environ["PYTHONHASHSEED"]]
        result = {"result": [*flags, tempfile.gettempdir()]}
        (folder / "result.json").write_text(json.dumps(result))
        """
    *flags, temporary = child(script)
    assert flags == [[], 0, "7"]
    assert Path(temporary).name == "tmp"


@pytest.mark.parametrize("configured", [False, True])
def test_keras_writes_no_configuration_at_home(child, monkeypatch, tmp_path, configured):
    home = tmp_path / "home" / ".keras"
    home.mkdir(parents=True)
    if configured:
        (home / "keras.json").write_text("{}")
    monkeypatch.setenv("HOME", str(home.parent))
    monkeypatch.delenv("KERAS_HOME", raising=False)
    script = """
        import json, os
        (folder / "result.json").write_text(json.dumps({"result": os.environ.get("KERAS_HOME")}))
        """
    assert child(script) == (None if configured else str(tmp_path / "tmp"))


def test_a_child_imports_nothing_from_beside_the_model(tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit('imported from the working folder')")
    (tmp_path / "up.tflite").write_bytes(deconv_model(Deconv()))
    monkeypatch.chdir(tmp_path)
    with exchange.job("inspect", "up.tflite", options={}) as job:
        assert job.run()["format"] == "tflite"


def test_a_refusal_names_the_file_as_its_user_did(tmp_path, monkeypatch):
    (tmp_path / "half.tflite").write_bytes(deconv_model(Deconv())[:-200])
    monkeypatch.chdir(tmp_path)
    for name in ("half.tflite", str(tmp_path / "half.tflite")):
        with (
            exchange.job("inspect", name, options={}) as job,
            refused("the TFLite file is damaged") as caught,
        ):
            job.run()
        assert caught.value.where == name
        assert caught.value.fix == "export or copy it again"


def test_the_folder_of_the_exchange_goes_away(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with exchange.job("inspect", deconv_model(Deconv()), options={}) as job:
        assert job.folder.parent == tmp_path
        job.run()
    assert not list(tmp_path.iterdir())


def test_limits_grow_with_the_file():
    small, large = Limits.of(1000), Limits.of(10**9)
    assert (small.silence, small.seconds, small.bytes >> 30) == (
        pytest.approx(60, abs=1),
        10 * small.silence,
        2,
    )
    assert large.silence == pytest.approx(small.silence + 1000, abs=1)
    assert large.bytes - small.bytes == 16 * (10**9 - 1000)
    assert Limits.of(1000, keras=True).bytes - small.bytes == 1 << 30
    assert Limits.of(1000, keras=True).silence > small.silence + 50
    assert Limits.of(1000, seconds=5, memory=1.5) == Limits(5, 3 << 29, 5)


def test_limits_grow_with_what_lies_in_other_files_and_with_the_work():
    whole, apart = Limits.of(10**9), Limits.of(1000).grown(10**9 - 1000)
    for name in ("seconds", "bytes", "silence"):
        assert getattr(apart, name) == pytest.approx(getattr(whole, name))
    assert (
        Limits.of(1000).grown(10**15) == Limits.of(1000).grown()
    )  # more than can be converted is refused anyway
    assert Limits.of(1000).grown(0, 7).silence == 350
    fixed = Limits.of(1000, seconds=5, memory=1.5)
    assert fixed.grown(10**9) == fixed


@pytest.mark.parametrize("name", ["seconds", "memory"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), 1e30, "5"])
def test_limits_are_numbers_that_can_be_set(name, value):
    with refused("invalid limit") as caught:
        Limits.of(1000, **{name: value})
    assert caught.value.where == {"seconds": "timeout", "memory": "memory"}[name]
    assert caught.value.got == repr(value)


def test_what_is_timed_allocates_as_other_programs_do(tmp_path):
    given = "MALLOC_MMAP_THRESHOLD_"
    assert given in sandbox.variables(tmp_path)
    assert given not in sandbox.variables(tmp_path, timed=True)
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "run", lambda module, order, *_: asked.append(order.timed) or [])
        for verb, options in (("time", {"threads": [1]}), ("layers", {})):
            with exchange.job(verb, b"TFL3" * 9, options=options) as job:
                job.run()
    assert asked == [True, False]
