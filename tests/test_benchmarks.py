"""The benchmarks compute what they say: seawater against its integral, hand-written C and gradc against NumPy."""

from __future__ import annotations

import shutil

import mpmath
import numpy as np
import pytest

from benchmarks import measure, peers, run, worker
from benchmarks.row import Call, Seconds, TimesHand, TimesNumpy
from benchmarks.workloads import seawater

ROWS = worker.all_rows()


@pytest.fixture(scope="module")
def hand():
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    return worker.hand_library(str(run.compile_hand("cc")))


def test_seawater_slope_is_derivative_of_the_integrated_volume():
    arrays = seawater.inputs()
    slopes = seawater.enthalpy_slope(np, *arrays.values())
    with mpmath.workdps(30):
        def enthalpy(s, t, p):
            def volume(q):
                a0, a1, a2, a3, b0, b1, b2 = seawater._polynomials(mpmath, s, t)
                return (a0 + q * (a1 + q * (a2 + q * a3))) / (b0 + q * (2 * b1 + q * b2))
            return 10000 * mpmath.quad(volume, [0, p])

        for k in range(3):
            s, t, p = (mpmath.mpf(float(array[k])) for array in arrays.values())
            exact = mpmath.diff(lambda value, s=s, p=p: enthalpy(s, value, p), t)
            assert slopes[k] == pytest.approx(float(exact), rel=1e-8)


@pytest.mark.parametrize("row", [row for row in ROWS if row.hand], ids=lambda row: row.name)
def test_hand_written_c_agrees_with_numpy(row, hand):
    expected = row.numpy(row.inputs()).answers()
    assert measure.wrong_answer(row.hand(hand, row.inputs()).answers(), expected, row.tolerance) is None


@pytest.mark.nightly        # by day `make bench`, which CI runs too, compares answers
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_gradc_agrees_with_numpy(row):
    call = worker.builder_of(row, "gradc")(peers.load("gradc"), row.inputs())
    assert measure.wrong_answer(call.answers(), row.numpy(row.inputs()).answers(), row.tolerance) is None


def test_wrong_answers_are_noticed():
    right = [np.array([1.0, 2.0])]
    assert measure.wrong_answer([np.array([1.0, 2.0])], right, 1e-12) is None
    assert "off by" in measure.wrong_answer([np.array([1.0, 2.1])], right, 1e-12)
    assert "off by" in measure.wrong_answer([np.array([1.0, np.nan])], right, 1e-12)
    assert "shape" in measure.wrong_answer([np.ones((2, 1))], right, 1e-12)
    assert "outputs" in measure.wrong_answer([], right, 1e-12)


def test_bounds_are_met_or_not():
    times = {"gradc": 1.0, "hand": 0.95, "numpy": 1.5}
    assert run.met(Seconds(1.0), times) == "yes"
    assert run.met(TimesHand(1.05), times) == "no"
    assert run.met(TimesHand(1.1), times) == "yes"
    assert run.met(TimesNumpy(0.5), times) == "no"
    assert run.met(None, times) == ""
    assert run.met(TimesHand(1.1), {"gradc": 1.0}) == ""


def test_time_of_a_call_is_measured():
    fast, slow = Call(lambda: None), Call(lambda: sum(range(20_000)))
    times = measure.interleaved({"fast": fast, "slow": slow}, 0.002)
    assert 0 < times["fast"] < times["slow"]
