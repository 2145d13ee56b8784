"""The compiler is found, identified, and called as promised."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gradc.config import config
from gradc.errors import CompileError, GraphError, ToolchainNotFoundError
from gradc.runtime import toolchain

SPEAKS = 'echo "gcc version {version} (fake)" >&2; echo " {proper} -quiet" >&2; exit 0'


def test_find_names_the_system_compiler() -> None:
    found = toolchain.find()
    assert os.path.isabs(found.path)
    assert found.kind in ("gcc", "clang")
    assert "version" in found.version
    assert len(found.identity) == 64
    assert any(os.path.basename(file[0]).startswith(("cc1", "clang")) for file in found.files)


def test_find_prefers_config_then_cc_then_path(script: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    mine, theirs = script("exit 1", "mine"), script("exit 1", "theirs")
    monkeypatch.setenv("CC", theirs)
    assert toolchain.locate() == (theirs,)
    with config.change_flags(cc=mine):
        assert toolchain.locate() == (mine,)
    monkeypatch.setenv("CC", "/no/such/compiler")
    located = toolchain.locate()
    assert located is not None and os.path.basename(located[0]) == "cc"


def test_a_command_may_have_arguments_and_odd_paths(tmp_path: Path, script: Callable[..., str]) -> None:
    folder = tmp_path / "a b: é"
    folder.mkdir()
    odd = script("exit 1", "a b: é/my cc")
    with config.change_flags(cc=odd):
        assert toolchain.locate() == (odd,)
    with config.change_flags(cc=f"'{odd}' -B /x"):
        assert toolchain.locate() == (odd, "-B", "/x")


def test_a_missing_compiler_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(toolchain, "_zig", lambda: None)
    assert toolchain.locate() is None
    with pytest.raises(ToolchainNotFoundError) as caught:
        toolchain.find()
    for advice in ("apt install gcc", "pip install gradc[compiler]", "GRADC_CC"):
        assert advice in str(caught.value)
    with config.change_flags(cc="/no/such/cc"), pytest.raises(ToolchainNotFoundError, match="/no/such/cc"):
        toolchain.find()


def test_ziglang_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "ziglang"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    zig = package / "zig"
    zig.write_text("#!/bin/sh\necho 'clang version 21 (zig)' >&2\n")
    zig.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    assert toolchain.locate() == (str(zig), "cc")
    found = toolchain.find()
    assert found.kind == "zig"
    flags = toolchain.unit_flags(found)
    assert "-mcpu=baseline" in flags and flags.index("-mcpu=baseline") < min(
        [flags.index(flag) for flag in flags if flag.startswith("-m") and flag != "-mcpu=baseline"], default=99
    )
    assert not [flag for flag in toolchain.link_flags(found) if "noseparate" in flag]


def test_identity_sees_a_changed_version_or_program(tmp_path: Path, script: Callable[..., str]) -> None:
    proper = script("exit 0", "cc1")
    driver = script(SPEAKS.format(version="1", proper=proper))
    with config.change_flags(cc=driver):
        first = toolchain.find()
        record = first.record()
        assert toolchain.find() is first
        assert toolchain.is_current(record)
        script("exit 0 # another compiler proper", "cc1")
        assert not toolchain.is_current(record)
        assert toolchain.find().identity != first.identity
        second = toolchain.find()
        script(SPEAKS.format(version="2", proper=proper))
        assert not toolchain.is_current(second.record())
        assert toolchain.find().version == "gcc version 2 (fake)"


def test_identity_survives_a_copy(tmp_path: Path, script: Callable[..., str]) -> None:
    """The same compiler elsewhere (another machine's image of the same files) keeps the cache."""
    driver = script(SPEAKS.format(version="1", proper="/bin/true"), "one")
    os.makedirs(tmp_path / "other")
    os.link(driver, tmp_path / "other" / "two")
    with config.change_flags(cc=driver):
        record = toolchain.find().record()
    with config.change_flags(cc=str(tmp_path / "other" / "two")):
        assert toolchain.is_current(record)


def test_a_missing_compiler_keeps_entries_current(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    record = toolchain.find().record()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(toolchain, "_zig", lambda: None)
    assert toolchain.is_current(record)
    with config.change_flags(cc="/no/such/cc"):
        assert toolchain.is_current(record)


def test_a_compiler_that_does_not_answer_is_an_error(
    script: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchain, "_PROBE_SECONDS", 0.2)
    with config.change_flags(cc=script("sleep 60")), pytest.raises(CompileError, match="did not finish"):
        toolchain.find()
    with config.change_flags(cc=script("exit 1", "mute")):
        assert toolchain.find().kind == "unknown"


def test_target_chooses_the_instruction_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    every = toolchain.LEVELS["x86-64-v4"]
    monkeypatch.setattr(toolchain, "cpu_isa", lambda: every[:-1])
    assert toolchain.isa() == list(every[:-1])
    with config.change_flags(target="x86-64"):
        assert toolchain.isa() == []
    with config.change_flags(target="x86-64-v2"):
        assert toolchain.isa() == ["sse3", "ssse3", "sse4.1", "sse4.2", "popcnt"]
        assert "-mavx" not in toolchain.unit_flags(toolchain.find())
    with config.change_flags(target="x86-64-v4"), pytest.raises(GraphError, match="avx512vl"):
        toolchain.isa()
    with config.change_flags(target="pentium"), pytest.raises(GraphError, match="x86-64-v3"):
        toolchain.isa()
    assert toolchain.runs_here(every[:3]) and not toolchain.runs_here(every)


def test_the_flags_hold_no_fast_math_and_no_native() -> None:
    found = toolchain.find()
    argv = toolchain.unit_argv(found, "/s/unit.c", "/s/unit.so", objects=["/w.o"], optimize="-O2")
    assert argv[0] == found.path and all(os.path.isabs(word) for word in argv if word.endswith((".c", ".so", ".o")))
    assert "-std=c11" in argv and "-O2" in argv and "-O3" not in argv and "-fvisibility=hidden" in argv
    assert not [word for word in argv if "native" in word or "fast-math" in word or word == "-Ofast"]
    for flag in ("-ffast-math", "-Ofast", "-funsafe-math-optimizations"):
        with config.change_flags(cc_flags=f"-g {flag}"), pytest.raises(CompileError, match=flag):
            toolchain.unit_flags(toolchain.find())
    with config.change_flags(cc_flags="-Wall  -Werror"):
        assert toolchain.unit_flags(toolchain.find())[-2:] == ["-Wall", "-Werror"]


def test_the_environment_of_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPENDENCIES_OUTPUT", "/somewhere/else")
    monkeypatch.delenv("HOME", raising=False)
    env = toolchain.environment("/scratch")
    assert "DEPENDENCIES_OUTPUT" not in env
    assert env["TMPDIR"] == "/scratch" and env["LC_ALL"] == "C"
    assert env["ZIG_GLOBAL_CACHE_DIR"].startswith("/scratch")


def test_the_headers_are_where_include_dir_says() -> None:
    assert {"gradc_runtime.h", "gradc_entry.h"} <= set(os.listdir(toolchain.include_dir()))
