"""The stages: keys, warm starts, fallbacks, logs, deep graphs."""

from __future__ import annotations

import gc
import math
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.compile import maker, pipeline
from gradc.compile.ingest import ingest
from gradc.compile.mode import get_mode
from gradc.errors import CompileError, ToolchainNotFoundError, ToolchainWarning
from gradc.runtime import build


@pytest.fixture
def cache(tmp_path: Path):
    with gradc.config.change_flags(cache_dir=str(tmp_path)):
        yield tmp_path


def logistic() -> tuple:
    x = at.dmatrix("x")
    return x, gradc.grad(at.sum(1 / (1 + at.exp(-x))), x)


def key(inputs, outputs, mode="c", name="f", **options) -> str:
    return pipeline.key_of(ingest(inputs, outputs, **options), name, get_mode(mode))


def test_equal_graphs_have_equal_keys() -> None:
    assert key(*([v] for v in logistic())) == key(*([v] for v in logistic()))


def test_whatever_changes_code_changes_the_key() -> None:
    x, g = logistic()
    s = gradc.shared(np.zeros((2, 2)), name="s")
    keys = [key([x], g), key([x], g, name="g"), key([x], [g, g]), key([x], g * 2.0), key([x], g * 2.5),
            key([x], g, mode=gradc.Mode("c", None)), key([x], g, mode=gradc.Mode().excluding("sigmoid")),
            key([x], g + s), key([x], g + s, updates={s: g}), key([x], [g + s, g])]
    with gradc.config.change_flags(math="accurate"):
        keys.append(key([x], g))
    y = at.dmatrix("y")
    keys.append(key([y], gradc.grad(at.sum(1 / (1 + at.exp(-y))), y)))
    assert len(set(keys)) == len(keys)


def test_user_lines_do_not_change_the_key() -> None:
    x = at.dvector("x")
    one = x + 1
    two = x + 1
    assert one.source != two.source and key([x], one) == key([x], two)


def test_importing_gradc_imports_no_stage_behind_the_cache() -> None:
    """Nor what is slow to import and not needed: numpy.polynomial for sixteen numbers, string for the alphabet."""
    unwanted = ("gradc.passes", "gradc.loops", "numpy.polynomial", "string")
    code = f"import sys, gradc; print([m for m in sys.modules if m.startswith({unwanted})])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_warm_start_runs_neither_optimizer_nor_compiler(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, g = logistic()
    first = gradc.function([x], g)
    compiled = build.stats()["compiled"]
    with monkeypatch.context() as patch:
        for stage in ("optimize", "lower", "generate"):
            patch.setattr(pipeline.stages(), stage, None)
        again = gradc.function(*logistic_as_arguments())
    assert build.stats()["compiled"] == compiled
    assert first.info["cached"] is False and again.info["cached"] is True
    assert "compiled" in repr(first) and "cached" in repr(again)
    value = np.linspace(-3, 3, 6).reshape(2, 3)
    assert np.array_equal(first(value), again(value))
    assert again.c_source() == first.c_source()


def logistic_as_arguments() -> tuple:
    x, g = logistic()
    return [x], g


def test_a_run_time_error_after_a_warm_start_names_the_live_line(cache: Path) -> None:
    def make():
        x, y = at.dvectors("x", "y")
        return [x, y], x * y  # the line
    gradc.function(*make())
    inputs = at.dvectors("x", "y")
    here = inputs[0] * inputs[1]
    f = gradc.function(list(inputs), here)
    assert f.info["cached"] is True
    with pytest.raises(gradc.errors.ShapeError, match=rf"where: .*test_pipeline\.py:{here.source[1]}"):
        f([1], [1, 2])


def test_c_source_is_one_readable_unit() -> None:
    x, g = logistic()
    text = gradc.function([x], g, name="dlogistic").c_source()
    assert "dlogistic" in text.splitlines()[0] and "#include <gradc_runtime.h>" in text
    assert str(Path(__file__).parent) not in text
    assert gradc.function([x], g, name="dlogistic", mode="interpret").c_source() == text


def test_garbage_collection_is_as_it_was() -> None:
    x, g = logistic()
    for enabled in (True, False):
        (gc.enable if enabled else gc.disable)()
        try:
            gradc.function([x], g, mode="interpret")
            with pytest.raises(gradc.errors.MissingInputError):
                gradc.function([], g)
            assert gc.isenabled() is enabled
        finally:
            gc.enable()


def test_log_topics(capsys: pytest.CaptureFixture[str]) -> None:
    x, g = logistic()
    with gradc.config.change_flags(log="compile,passes"):
        gradc.function([x], g, name="logged")
    text = capsys.readouterr().err
    assert "gradc compile: logged: key" in text and "gradc compile: logged: obtain" in text
    assert "gradc passes: canonicalize" in text
    gradc.function([x], g, name="logged")
    assert capsys.readouterr().err == ""
    with gradc.config.change_flags(log="cache"):
        f = gradc.function([x], g, name="logged")
    assert capsys.readouterr().err == f"gradc cache: logged: hit, {f.info['path']}\n"


def test_without_a_compiler_functions_run_in_the_interpreter(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maker, "_SAID", set())
    monkeypatch.setattr(build.toolchain, "find", _no_compiler)
    x, g = logistic()
    with pytest.warns(ToolchainWarning, match="apt install gcc") as caught:
        f = gradc.function([x], g)
        gradc.function([x], g * 2)
    assert len(caught) == 1, "the warning comes once"
    assert caught[0].filename == __file__
    assert f.info["mode"] == "interpret (no C compiler)" and np.allclose(f([[0.0]]), 0.25)
    with pytest.raises(ToolchainNotFoundError, match="apt install gcc"):
        gradc.function([x], g, mode="c")


def _no_compiler():
    raise ToolchainNotFoundError("no C compiler was found; `apt install gcc`")


def test_without_the_extension_functions_run_in_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maker, "_SAID", set())
    monkeypatch.setattr(maker, "dispatch", None)
    x, g = logistic()
    with pytest.warns(ToolchainWarning, match="install gradc again"):
        f = gradc.function([x], g)
    assert np.allclose(f([[0.0]]), 0.25)
    with pytest.raises(ToolchainNotFoundError):
        gradc.function([x], g, mode="c")


def test_a_failing_compiler_is_an_error(cache: Path) -> None:
    x, g = logistic()
    with gradc.config.change_flags(cc="false"), pytest.raises(CompileError):
        gradc.function([x], g)
    assert np.allclose(gradc.function([x], g)([[0.0]]), 0.25)


def test_a_second_process_starts_warm(cache: Path) -> None:
    script = ("import gradc, gradc.tensor as at\n"
              "x = at.dmatrix('x')\n"
              "f = gradc.function([x], gradc.grad(at.sum(1 / (1 + at.exp(-x))), x))\n"
              "print(f.info['cached'], float(f([[0.0]])[0, 0]))\n")
    root = str(Path(gradc.__file__).parent.parent)
    outputs = [subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root,
                              env={**os.environ, "GRADC_CACHE_DIR": str(cache), "PYTHONHASHSEED": seed}).stdout.split()
               for seed in ("1", "2")]
    assert outputs == [["False", "0.25"], ["True", "0.25"]]


@pytest.mark.parametrize("depth", [2000, pytest.param(20_000, marks=pytest.mark.nightly)])
def test_deep_graphs_need_no_recursion(depth: int) -> None:
    x = at.dscalar("x")
    y = x
    for _ in range(depth):
        y = at.sin(y) + x
    f = gradc.function([x], gradc.grad(y, x), mode=gradc.Mode("interpret", None))
    assert np.isfinite(f(0.1))
    g = pickle.loads(pickle.dumps(f))
    assert g(0.1) == f(0.1)
    assert len(f.maker.fgraph.toposort()) > depth


def test_stages_that_are_made_again_are_those_of_the_flags_then(cache):
    """A pass reads the flag, too: it is part of the key."""
    xs, a = at.dvector("xs"), at.dscalar("a")
    slope = gradc.grad(gradc.scan(lambda x, h: at.tanh(a * h + x), xs, a)[0][-1], a)
    keys, loops = [], []
    for limit in (0, 1):
        with gradc.config.change_flags(checkpoint_bytes=limit):
            f = gradc.function([xs, a], slope, mode="c")
            keys.append(f.info["key"])
        f.maker.compiled.forget()
        loops.append(sum("scan" in str(eqn.op) for eqn in f.maker.compiled.optimized.eqns))
    assert keys[0] != keys[1] and loops == [2, 4]


@pytest.mark.usefixtures("users_flags")
def test_accurate_math_is_that_of_scalar_libm() -> None:
    x, data = at.dvector("x"), np.linspace(-20, 20, 4001)
    with gradc.config.change_flags(math="accurate"):
        accurate = gradc.function([x], at.sin(x), mode="c")(data)
    assert accurate.tolist() == [math.sin(v) for v in data]
    fast = gradc.function([x], at.sin(x), mode="c")(data)
    np.testing.assert_allclose(fast, accurate, rtol=1e-13)
    assert (fast != accurate).any(), "else the two are one"
