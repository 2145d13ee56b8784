"""A key gives its kernel: from the cache, or compiled once; every fault is one clear error or no fault at all."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gradc.config import config
from gradc.errors import CacheError, CacheWarning, CompileError, ToolchainNotFoundError
from gradc.runtime import build, cache, folders, toolchain
from gradc.runtime.entry import Entry
from tests.runtime.kernels import PRELUDE, call, entry_path, finish, key_of, never, python, start, unit

KEY = key_of("a kernel")
IS_ROOT = os.geteuid() == 0
STRANGER = 65534
quiet = pytest.mark.filterwarnings("ignore::gradc.errors.CacheWarning")


# ---- the usual way -----------------------------------------------------------------------------------


def test_a_kernel_is_compiled_once_and_then_found(own_cache: Path) -> None:
    constants = (np.arange(100.0), np.zeros((0, 2), np.float32))
    new = build.obtain(KEY, lambda: unit(7, constants=constants))
    assert not new.cached and new.seconds > 0 and new.reason == "no entry"
    assert new.path == str(entry_path(own_cache, KEY))
    old = build.obtain(KEY, never)
    assert old.cached and old.seconds == 0 and old.reason == "hit"
    for loaded in (new, old):
        assert call(loaded) == 7 and loaded.prepare and loaded.prepare != loaded.entry
        assert loaded.manifest == {"value": 7}
        np.testing.assert_array_equal(loaded.constants[0], constants[0])
        assert loaded.constants[1].shape == (0, 2) and not loaded.constants[0].flags.writeable
        assert loaded.build["isa"] == toolchain.isa() and loaded.build["key"] == KEY
    assert old.build == new.build
    assert build.stats() == {"hits": 1, "misses": 1, "corrupt": 0, "compiled": 1}
    assert not [name for name in sys.modules if name.startswith("_gradc_kernel")]


def test_another_process_finds_it_without_a_compiler(own_cache: Path, tmp_path: Path) -> None:
    build.obtain(KEY, lambda: unit(11))
    code = f"""
def never():
    raise AssertionError
loaded = build.obtain("{KEY}", never)
print(call(loaded), loaded.cached)
try:
    build.obtain("{"0" * 64}", never)
except Exception as error:
    print(type(error).__name__, error)
"""
    output, _ = python(code, GRADC_CACHE_DIR=str(own_cache), PATH=str(tmp_path), CC="")
    first, second = output.splitlines()
    assert first == "11 True"
    assert second.startswith("ToolchainNotFoundError") and "apt install gcc" in second


def test_units_are_never_asked_for_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    with config.change_flags(cc="/no/such/cc"), pytest.raises(ToolchainNotFoundError):
        build.obtain(KEY, never)


def test_a_key_is_64_hexadecimal_digits() -> None:
    for bad in ("", "../../x", "g" * 64, "A" * 64, "0" * 63, "0" * 64 + "\n"):
        with pytest.raises(ValueError, match="64 hexadecimal"):
            build.obtain(bad, never)


def test_errors_of_generate_pass_through_and_leave_nothing(own_cache: Path) -> None:
    def fail() -> build.Unit:
        raise OSError("mine")

    with pytest.raises(OSError, match="mine"):
        build.obtain(KEY, fail)
    assert os.listdir(own_cache / "locks") in ([], ["trimmed"])
    assert call(build.obtain(KEY, lambda: unit(3))) == 3


def test_odd_directories_work(tmp_path: Path) -> None:
    for name in ("with blank", "accent é", "colon:comma,", "-dash", "quote'\"$(id)", "a=b"):
        with config.change_flags(cache_dir=str(tmp_path / name)):
            loaded = build.obtain(key_of(name), lambda: unit(5))
            assert call(loaded) == 5 and loaded.path.startswith(str(tmp_path / name))
            assert build.obtain(key_of(name), never).cached


def test_equal_units_give_equal_bytes(tmp_path: Path) -> None:
    found = set()
    for number, name in enumerate(("one", "another directory")):
        variables = {
            "GRADC_CACHE_DIR": str(tmp_path / name),
            "HOME": str(tmp_path / f"home{number}"),
            "TMPDIR": str(tmp_path),
            "PYTHONHASHSEED": str(number),
        }
        code = f"os.chdir({('/', str(tmp_path))[number]!r}); print(build.obtain('{KEY}', lambda: unit(9)).path)"
        found.add(Path(python(code, **variables)[0].strip()).read_bytes())
    assert len(found) == 1


def test_a_denormal_survives_a_kernel() -> None:
    build.obtain(KEY, lambda: unit(1, extra="double tenth(double x);\ndouble tenth(double x) { return x / 10; }"))
    assert np.array([1e-308])[0] / 10 != 0.0


def test_a_longer_compilation_may_ask_for_less_optimisation() -> None:
    plain = unit(1)
    build.obtain(KEY, lambda: build.Unit(plain.text, {}, (), "-O2"))
    assert "-O2" in build.obtain(KEY, never).build["flags"]


def test_threads_that_want_one_key_compile_it_once(counting_cc: tuple[str, Callable[[], int]]) -> None:
    path, count = counting_cc
    results: list[int] = []
    with config.change_flags(cc=path):
        threads = [
            threading.Thread(target=lambda: results.append(call(build.obtain(KEY, lambda: unit(8))))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == [8] * 8 and count() == 1


def test_many_kernels_keep_their_own_code_under_rtld_global(own_cache: Path) -> None:
    """199 kernels, all with the same symbol names, loaded with RTLD_GLOBAL in force."""
    code = """
import re, numpy as np
sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)
mark = 0x12345678
first = build.obtain("0" * 64, lambda: unit(mark))
store = cache.main_store()
raw = open(first.path, "rb").read()
entry = store.lookup("0" * 64, lambda manifest: "").entry
binary = raw[: FOOTER.unpack(raw[-FOOTER.size :])[0]]
assert binary.count(mark.to_bytes(4, "little")) == 1
wrong = 0
for number in range(1, 200):
    key = "%064x" % number
    with store.staging() as folder:
        staged = os.path.join(folder, "e")
        with open(staged, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            changed = binary.replace(mark.to_bytes(4, "little"), number.to_bytes(4, "little"))
            file.write(pack(changed, {**entry.manifest, "key": key}, []))
        store.publish(key, staged, (), lambda path: False)
    loaded = build.obtain(key, None)
    wrong += call(loaded) != number
print(wrong, call(first) == mark)
"""
    assert python(code, GRADC_CACHE_DIR=str(own_cache))[0].split() == ["0", "True"]


# ---- the compile-everything route --------------------------------------------------------------------


def test_without_the_wrapper_object_a_child_process_compiles_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_WRAPPER", "/no/such/wrapper.o")
    before = os.getcwd()
    loaded = build.obtain(KEY, lambda: unit(21))
    assert call(loaded) == 21 and loaded.build["route"] == "child" and os.getcwd() == before
    assert build.obtain(KEY, never).cached


def test_a_wrapper_object_that_does_not_fit_is_done_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    foreign = tmp_path / "wrapper.o"
    foreign.write_bytes(b"an object of another system")
    monkeypatch.setattr(build, "_WRAPPER", str(foreign))
    loaded = build.obtain(KEY, lambda: unit(22))
    assert call(loaded) == 22 and loaded.build["route"] == "child"


# ---- compilers that misbehave ------------------------------------------------------------------------


def failing(cc: str, value: int = 1) -> CompileError:
    """The error that a compiler causes; afterwards the same call with a good compiler works."""
    with config.change_flags(cc=cc), pytest.raises(CompileError) as caught:
        build.obtain(KEY, lambda: unit(value))
    error = caught.value
    assert error.command and error.command[0] == cc
    assert call(build.obtain(KEY, lambda: unit(value))) == value
    return error


def test_a_failing_compiler_shows_its_first_words(script: Callable[..., str]) -> None:
    cc = script("for i in 1 2 3 4 5 6 7 8 9; do echo word $i >&2; done; exit 1")
    text = str(failing(cc))
    assert "ended with status 1" in text and "word 1" in text and "word 9" not in text and cc in text
    assert len(text.splitlines()) <= 8


def test_the_rejected_text_is_kept(script: Callable[..., str], own_cache: Path) -> None:
    failing(script("exit 1"), 17)
    kept = own_cache / "failed" / f"{KEY}.c"
    assert kept.read_text() == unit(17).text


def test_an_error_in_the_text_is_shown() -> None:
    with pytest.raises(CompileError, match="nonsense") as caught:
        build.obtain(KEY, lambda: build.Unit("int nonsense", {}))
    assert "nonsense" in caught.value.output


def test_a_symbol_that_nobody_defines_is_found_at_build(own_cache: Path) -> None:
    lost = unit(0, extra="int gradc_lost(void);").text.replace("return 0; }\nint", "return gradc_lost(); }\nint")
    with pytest.raises(CompileError, match="gradc_lost"):
        build.obtain(KEY, lambda: build.Unit(lost, {}))
    assert not entry_path(own_cache, KEY).exists()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("exit 0", "wrote no shared object"),
        ("kill -SEGV $$", "was killed by signal 11"),
        ("head -c 1500000 /dev/zero | tr '\\0' x >&2; exit 1", "ended with status 1"),
    ],
)
def test_other_failures_are_errors_of_the_compiler(script: Callable[..., str], body: str, words: str) -> None:
    error = failing(script(body))
    assert words in str(error) and len(str(error)) < 10_000 and len(error.output) <= 16384


def test_a_hanging_compiler_is_given_up(script: Callable[..., str]) -> None:
    cc = script('case "$*" in *"-###"*) exit 0;; esac; sleep 60')
    with config.change_flags(cc_timeout=1):
        error = failing(cc)
    assert "did not finish" in str(error) and "GRADC_CC_TIMEOUT" in str(error)


def test_a_compiler_that_is_no_program(tmp_path: Path) -> None:
    bad = tmp_path / "cc"
    bad.write_bytes(b"\x7fELF nonsense")
    bad.chmod(0o755)
    with config.change_flags(cc=str(bad)), pytest.raises(CompileError, match="can't be run"):
        build.obtain(KEY, lambda: unit(1))


def test_a_talkative_compiler_that_succeeds_is_fine(script: Callable[..., str]) -> None:
    with config.change_flags(cc=script('head -c 1500000 /dev/zero >&2; exec cc "$@"')):
        assert call(build.obtain(KEY, lambda: unit(2))) == 2


def test_another_compiler_or_cpu_is_a_miss_under_a_new_name(
    script: Callable[..., str], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.obtain(KEY, lambda: unit(1))
    with config.change_flags(cc=script('echo "gcc version 99" >&2; exec cc "$@"')):
        second = build.obtain(KEY, lambda: unit(2))
        assert call(second) == 2 and second.reason == "the entry was made by another compiler"
        assert second.path.endswith(f"{KEY}.1.so") and os.listdir(own_cache / KEY[:2]) == [f"{KEY}.1.so"]
        assert call(build.obtain(KEY, never)) == 2
    monkeypatch.setattr(toolchain, "cpu_isa", lambda: ())
    third = build.obtain(KEY, lambda: unit(3))
    assert call(third) == 3 and "CPU" in third.reason and third.build["isa"] == []


# ---- damage ------------------------------------------------------------------------------------------


def test_a_damaged_entry_heals(own_cache: Path) -> None:
    first = build.obtain(KEY, lambda: unit(1))
    path = Path(first.path)
    raw = path.read_bytes()
    path.unlink()
    path.write_bytes(raw[:9000])
    path.chmod(0o600)
    with pytest.warns(CacheWarning, match="damaged"):
        second = build.obtain(KEY, lambda: unit(2))
    assert call(second) == 2 and second.reason == "damaged entry" and build.stats()["corrupt"] == 1
    assert not path.exists()
    assert call(build.obtain(KEY, never)) == 2 and call(first) == 1


DAMAGE = """
import random
rng = random.Random({seed})
key = "{key}"
def never():
    raise AssertionError
path = build.obtain(key, lambda: unit(5)).path
good = open(path, "rb").read()
for number in range({rounds}):
    path = [p for _, _, p in cache.main_store().entries()][0]
    bad = bytearray(good)
    if number % 2:
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
    else:
        del bad[rng.randrange(len(bad)):]
    os.unlink(path)
    with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
        file.write(bad)
    looked = cache.main_store().lookup(key, build._objection)
    assert looked.entry is None, number
assert call(build.obtain(key, lambda: unit(6))) == 6
assert call(build.obtain(key, never)) == 6
print(cache.COUNTERS["corrupt"])
"""


def test_cuts_and_flips_never_reach_the_loader(own_cache: Path) -> None:
    output, _ = python(DAMAGE.format(seed=1, key=KEY, rounds=170), GRADC_CACHE_DIR=str(own_cache))
    assert int(output) == 171


def test_a_new_file_under_a_loaded_name_is_not_mistaken_for_it(own_cache: Path) -> None:
    """The dynamic linker gives the old code for a path it knows: a copy in memory is loaded instead."""
    first = build.obtain(KEY, lambda: unit(1))
    os.unlink(first.path)
    code = f"build.obtain('{KEY}', lambda: unit(2))"
    python(code, GRADC_CACHE_DIR=str(own_cache))
    second = build.obtain(KEY, never)
    assert second.path == first.path and (call(first), call(second)) == (1, 2)


def test_an_entry_evicted_after_it_was_verified_is_loaded_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    path = build.obtain(KEY, lambda: unit(3)).path
    monkeypatch.setattr(build, "_LOADED", {})
    original = build._load

    def evict(entry: Entry) -> object:
        os.unlink(path)
        return original(entry)

    monkeypatch.setattr(build, "_load", evict)
    loaded = build.obtain(KEY, never)
    assert loaded.cached and call(loaded) == 3


def test_an_entry_that_the_c_library_can_not_serve_is_replaced(own_cache: Path) -> None:
    build.obtain(KEY, lambda: unit(3))
    code = f"""
original = build._load
calls = []
def load(entry):
    calls.append(entry.path)
    if "{KEY}.so" in entry.path:
        raise ImportError("version GLIBC_2.99 not found")
    return original(entry)
build._load = load
loaded = build.obtain("{KEY}", lambda: unit(4))
print(call(loaded), os.path.basename(loaded.path), "GLIBC_2.99" in loaded.reason, len(calls))
"""
    assert python(code, GRADC_CACHE_DIR=str(own_cache))[0].split() == ["4", f"{KEY}.1.so", "True", "3"]


def test_clearing_the_cache_is_a_miss(own_cache: Path) -> None:
    build.obtain(KEY, lambda: unit(1))
    folders.remove_tree(str(own_cache))
    again = build.obtain(KEY, lambda: unit(2))
    assert not again.cached and call(again) == 2


@pytest.mark.skipif(not IS_ROOT, reason="needs root, to give files away")
@pytest.mark.parametrize("kind", ["foreign entry", "open entry", "open directory", "foreign directory", "link"])
def test_planted_code_does_not_run(own_cache: Path, tmp_path: Path, kind: str) -> None:
    canary = tmp_path / "canary"
    trap = (
        "#include <stdio.h>\nstatic __attribute__((constructor)) void trap(void) "
        f'{{ FILE *f = fopen("{canary}", "w"); if (f) fclose(f); }}'
    )
    planted = build.obtain(KEY, lambda: unit(1, extra=trap))
    path = Path(planted.path)
    canary.unlink()
    if kind == "foreign entry":
        os.chown(path, STRANGER, STRANGER)
    elif kind == "open entry":
        path.chmod(0o666)
    elif kind == "open directory":
        own_cache.chmod(0o777)
    elif kind == "foreign directory":
        os.chown(own_cache, STRANGER, STRANGER)
    else:
        path.rename(tmp_path / "planted.so")
        path.symlink_to(tmp_path / "planted.so")
    output, errors = python(f"print(call(build.obtain('{KEY}', lambda: unit(2))))", GRADC_CACHE_DIR=str(own_cache))
    assert output.strip() == "2" and errors.count("CacheWarning") == 1
    assert not canary.exists()


# ---- unusable directories ----------------------------------------------------------------------------


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a tmpfs with options."""
    places: list[Path] = []

    def make(options: str) -> Path:
        place = tmp_path / f"mount{len(places)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"mode=0700,{options}", "none", place]
        if not IS_ROOT or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("can't mount here")
        places.append(place)
        return place

    yield make
    for place in places:
        subprocess.run(["umount", "-l", place], check=True)


WORKS = f"""
key = "{KEY}"
loaded = [build.obtain(key, lambda: unit(4)) for _ in range(2)] + [build.obtain("0" * 64, lambda: unit(6))]
print([call(item) for item in loaded], [item.cached for item in loaded])
"""


def works(**variables: str) -> tuple[list[bool], str]:
    """Run WORKS: results are right and the second use is a hit; gives (what was cached, standard error)."""
    output, errors = python(WORKS, **variables)
    assert output.startswith("[4, 4, 6] ")
    return [word == "True" for word in output[10:].strip("[] \n").split(", ")], errors


def test_no_home_is_one_warning(tmp_path: Path) -> None:
    cached, errors = works(GRADC_CACHE_DIR="", XDG_CACHE_HOME="", HOME="/nonexistent", TMPDIR=str(tmp_path))
    assert cached == [False, True, False]
    assert errors.count("CacheWarning") == 1 and "GRADC_CACHE_DIR" in errors
    assert not os.path.exists("/nonexistent") and os.listdir(tmp_path) == []


def test_cache_errors_are_raised_if_asked_for(own_cache: Path) -> None:
    own_cache.write_text("")
    with config.change_flags(cache_errors=True), pytest.raises(CacheError, match="not a directory"):
        build.obtain(KEY, never)


@pytest.mark.parametrize("options", ["size=4k", "size=24k", "size=48k", "nr_inodes=4", "nr_inodes=9"])
def test_a_full_disk_is_one_warning(mount: Callable[[str], Path], options: str) -> None:
    place = mount(options)
    with config.change_flags(cache_dir=str(place)), pytest.warns(CacheWarning) as given:
        for number in range(5):
            assert call(build.obtain(key_of(str(number)), lambda: unit(number))) == number  # noqa: B023 (called at once)
        for number in range(5):
            assert call(build.obtain(key_of(str(number)), never)) == number
    assert len(given) == 1
    assert not (place / "tmp").exists() or os.listdir(place / "tmp") == []


def test_a_noexec_cache_works(mount: Callable[[str], Path]) -> None:
    place = mount("noexec")
    cached, errors = works(GRADC_CACHE_DIR=str(place))
    assert cached == [False, True, False] and "Warning" not in errors
    cached, errors = works(GRADC_CACHE_DIR=str(place))
    assert cached == [True, True, True] and "Warning" not in errors


def test_a_read_only_cache_gives_hits_and_one_warning(mount: Callable[[str], Path]) -> None:
    place = mount("size=10m")
    with config.change_flags(cache_dir=str(place)):
        build.obtain(KEY, lambda: unit(4))
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    cached, errors = works(GRADC_CACHE_DIR=str(place))
    assert cached == [True, True, False] and errors.count("CacheWarning") == 1 and "Read-only" in errors


@pytest.mark.skipif(not IS_ROOT, reason="needs root, to be someone else")
def test_a_cache_that_only_root_may_write_gives_hits_to_others() -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o755)
        with config.change_flags(cache_dir=str(folder / "kernels")):
            build.obtain(KEY, lambda: unit(4))
        for path in folder.rglob("*"):
            path.chmod(0o755)
        output, errors = python(
            "warnings.simplefilter('error'); os.setgid(65534); os.setuid(65534)\n"
            f"print(call(build.obtain('{KEY}', None)))",
            GRADC_CACHE_DIR=str(folder / "kernels"),
        )
        assert output.strip() == "4", errors
    finally:
        folders.remove_tree(str(folder))


@quiet
@pytest.mark.parametrize("name", ["rename", "fsync", "mkdir"])
@pytest.mark.parametrize("fault", ["ENOSPC", "EXDEV", "EBUSY", "ESTALE", "EIO", "EDQUOT"])
def test_faults_of_the_file_system_end_in_the_private_directory(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch, name: str, fault: str
) -> None:
    cache.main_store()
    real = getattr(os, name)

    def inject(*args: object, **options: object) -> object:
        if str(own_cache) in (args[0] if isinstance(args[0], str) else os.readlink(f"/proc/self/fd/{args[0]}")):
            raise OSError(getattr(errno, fault), fault)
        return real(*args, **options)

    monkeypatch.setattr(os, name, inject)
    loaded = build.obtain(KEY, lambda: unit(13))
    assert call(loaded) == 13 and not loaded.path.startswith(str(own_cache))
    assert build.obtain(KEY, never).cached


def test_faults_while_cleaning_up_are_nothing(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise OSError(16, "busy")

    for name in ("unlink", "rmdir", "utime"):
        monkeypatch.setattr(os, name, refuse)
    loaded = build.obtain(KEY, lambda: unit(14))
    assert call(loaded) == 14 and loaded.path.startswith(str(own_cache))
    assert build.obtain(KEY, never).cached


# ---- many processes, killed ones, forks ---------------------------------------------------------------


def test_eight_processes_with_one_cold_key(own_cache: Path, counting_cc: tuple[str, Callable[[], int]]) -> None:
    path, count = counting_cc
    code = f"print(call(build.obtain('{KEY}', lambda: unit(5))))"
    processes = [start(code, GRADC_CACHE_DIR=str(own_cache), GRADC_CC=path) for _ in range(8)]
    assert [finish(process)[0].strip() for process in processes] == ["5"] * 8
    assert 1 <= count() <= 2
    assert [item for item in os.listdir(own_cache / "locks") if item != "trimmed"] == []


def test_a_stopped_holder_does_not_stop_others(own_cache: Path, script: Callable[..., str]) -> None:
    holder = start(
        f"print(call(build.obtain('{KEY}', lambda: unit(5))))",
        GRADC_CACHE_DIR=str(own_cache),
        GRADC_CC=script('case "$*" in *"-###"*) ;; *) sleep 30;; esac; exec cc "$@"'),
    )
    lock = own_cache / "locks" / KEY
    while not lock.exists():
        time.sleep(0.01)
    try:
        output, _ = python(
            f"cache.LOCK_SECONDS = 0.5\nprint(call(build.obtain('{KEY}', lambda: unit(5))))",
            GRADC_CACHE_DIR=str(own_cache),
        )
        assert output.strip() == "5"
    finally:
        holder.kill()
        holder.communicate()


def test_kill_at_any_moment_leaves_a_usable_cache(own_cache: Path, script: Callable[..., str]) -> None:
    slow = script('case "$*" in *"-###"*) ;; *) sleep 0.1;; esac; exec cc "$@"')
    rng = random.Random(3)
    code = f"sys.stdout.write('r'); sys.stdout.flush(); build.obtain('{KEY}', lambda: unit(5))"
    for _ in range(8):
        victim = start(code, GRADC_CACHE_DIR=str(own_cache), GRADC_CC=slow)
        assert victim.stdout is not None and victim.stdout.read(1) == "r"
        time.sleep(rng.uniform(0, 0.3))
        victim.kill()
        victim.communicate()
        if rng.random() < 0.5:
            folders.remove_tree(str(own_cache / KEY[:2]))
    started = time.monotonic()
    output, errors = python(f"print(call(build.obtain('{KEY}', lambda: unit(5))))", GRADC_CACHE_DIR=str(own_cache))
    assert output.strip() == "5" and errors == "" and time.monotonic() - started < 20
    assert call(build.obtain(KEY, never)) == 5


def test_fork_while_another_thread_compiles(own_cache: Path, counting_cc: tuple[str, Callable[[], int]]) -> None:
    path, count = counting_cc
    code = f"""
import threading
def work():
    assert call(build.obtain("{KEY}", lambda: unit(5))) == 5
thread = threading.Thread(target=work)
thread.start()
children = []
for _ in range(3):
    time.sleep(0.02)
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    children.append(pid)
thread.join()
print([os.waitpid(pid, 0)[1] for pid in children])
"""
    output, _ = python(code, GRADC_CACHE_DIR=str(own_cache), GRADC_CC=path)
    assert output.strip() == "[0, 0, 0]" and count() <= 2


def test_fork_after_a_kernel_was_loaded() -> None:
    first = build.obtain(KEY, lambda: unit(5))
    pid = os.fork()
    if pid == 0:
        right = call(first) == 5 and call(build.obtain(KEY, never)) == 5
        right = right and call(build.obtain(key_of("new"), lambda: unit(6))) == 6
        os._exit(0 if right else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert call(build.obtain(key_of("new"), never)) == 6


def test_importing_the_runtime_starts_no_program_and_imports_no_cffi() -> None:
    output, _ = python("print([n for n in ('cffi', 'setuptools', 'subprocess', 'distutils') if n in sys.modules])")
    assert output.strip() == "[]"
    assert "build" in PRELUDE
