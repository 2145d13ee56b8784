"""Programs are run without a shell, within a time limit, and can't flood memory."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from gradc.runtime.process import run
from tests.runtime.kernels import python


def test_run_gives_status_and_both_outputs(script: Callable[..., str]) -> None:
    ended = run([script("echo out; echo err >&2; exit 3")], timeout=10)
    assert ended.status == 3
    assert sorted(ended.output.split()) == ["err", "out"]
    assert ended.ending == "ended with status 3"


def test_run_passes_arguments_unchanged(script: Callable[..., str]) -> None:
    odd = ["a b", "$HOME", "`id`", "; exit 9", "é:", "'", '"', ""]
    ended = run([script('for a in "$@"; do echo "[$a]"; done'), *odd], timeout=10)
    assert ended.output.splitlines() == [f"[{word}]" for word in odd]


def test_run_keeps_the_first_part_of_a_long_output(script: Callable[..., str]) -> None:
    ended = run([script("head -c 3000000 /dev/zero | tr '\\0' x; exit 1")], timeout=30, keep=1000)
    assert ended.status == 1
    assert ended.output == "x" * 1000


def test_run_kills_the_whole_group_in_time(script: Callable[..., str], tmp_path: object) -> None:
    mark = f"{tmp_path}/pid"
    ended = run([script(f'sleep 100 & echo $! > "{mark}"; wait')], timeout=0.5)
    assert ended.status is None and "did not finish" in ended.ending
    with open(mark) as file:
        grandchild = int(file.read())
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            with open(f"/proc/{grandchild}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":  # dead, waiting for init
                    break
        except FileNotFoundError:
            break
        time.sleep(0.02)
    else:
        pytest.fail("the grandchild lives on")


def test_run_names_the_signal(script: Callable[..., str]) -> None:
    ended = run([script("kill -SEGV $$")], timeout=10)
    assert ended.status == -11 and ended.ending == "was killed by signal 11"


def test_run_does_not_wait_for_a_grandchild_that_holds_the_output(script: Callable[..., str]) -> None:
    ended = run([script("sleep 5 & echo done")], timeout=30)
    assert ended.status == 0 and ended.seconds < 4
    assert ended.output == "done\n"


def test_run_does_not_hang_when_the_output_is_closed_early(script: Callable[..., str]) -> None:
    ended = run([script("exec >&- 2>&-; sleep 0.3; exit 5")], timeout=10)
    assert ended.status == 5


def test_run_reads_nothing_from_standard_input(script: Callable[..., str]) -> None:
    assert run([script("cat; echo end")], timeout=10).output == "end\n"


def test_run_leaks_no_descriptors(script: Callable[..., str]) -> None:
    program = script("exit 0")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        run([program], timeout=10)
    with pytest.raises(OSError):
        run(["/no/such/program"], timeout=10)
    assert len(os.listdir("/proc/self/fd")) == before


def test_run_works_where_children_are_reaped_by_others(script: Callable[..., str]) -> None:
    python(
        "import signal\nfrom gradc.runtime.process import run\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        f"ended = run([{script('echo done; exit 3')!r}], timeout=20)\n"
        "assert ended.output == 'done\\n' and ended.status == 0 and ended.seconds < 10"
    )


def test_children_do_not_ignore_broken_pipes(script: Callable[..., str]) -> None:
    ignored = int(run([script("grep SigIgn /proc/self/status")], timeout=10).output.split()[1], 16)
    assert not ignored >> (signal.SIGPIPE - 1) & 1
