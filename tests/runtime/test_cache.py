"""Entries are verified before use, published whole, bounded in number; nobody else's files are trusted."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradc.config import config
from gradc.errors import CacheError, CacheWarning
from gradc.runtime import cache, folders
from gradc.runtime.entry import pack, unpack
from tests.runtime.kernels import entry_path, finish, key_of, python, start

KEY = key_of("a kernel")
CODE = bytes(range(256)) * 8  # stands for a shared object: nothing here loads it
IS_ROOT = os.geteuid() == 0
STRANGER = 65534


def accept(_: dict[str, Any]) -> str:
    return ""


def put(store: cache.KernelStore, key: str = KEY, code: bytes = CODE, constants: tuple[np.ndarray, ...] = ()) -> Path:
    with store.staging() as folder:
        staged = Path(folder) / "entry.so"
        staged.write_bytes(pack(code, {"key": key, "unit": {}}, constants))
        staged.chmod(0o600)
        return Path(store.publish(key, str(staged), (), lambda path: False))


# ---- bytes -------------------------------------------------------------------------------------------


def test_pack_and_unpack_give_back_everything() -> None:
    constants = [
        np.arange(7.0),
        np.zeros((0, 3), np.float32),
        np.array(5, np.int8),
        np.asfortranarray(np.arange(6, dtype=np.int64).reshape(2, 3)),
        np.array([True, False]),
        np.array([1 + 2j]),
    ]
    raw = pack(CODE, {"key": KEY, "unit": {"names": ("x", "é")}}, constants)
    assert raw == pack(CODE, {"unit": {"names": ("x", "é")}, "key": KEY}, constants)
    assert raw.startswith(CODE)
    entry = unpack("there", raw)
    assert entry is not None and entry.path == "there"
    assert entry.manifest["unit"] == {"names": ["x", "é"]}
    for old, new in zip(constants, entry.constants, strict=True):
        assert new.dtype == old.dtype and new.shape == old.shape and new.flags.c_contiguous
        assert not new.flags.writeable and new.__array_interface__["data"][0] % 64 == 0
        np.testing.assert_array_equal(old, new)


def test_pack_refuses_what_is_not_plain_native_data() -> None:
    for bad in (np.array([None]), np.arange(3, dtype=np.dtype(float).newbyteorder())):
        with pytest.raises(TypeError, match="native"):
            pack(CODE, {}, [bad])


def test_unpack_notices_every_truncation_and_bit_flip() -> None:
    raw = pack(CODE, {"key": KEY, "unit": {}}, [np.arange(100.0)])
    rng = random.Random(0)
    for size in [0, 1, 8, 39, 40, 63, 64, len(CODE), len(raw) - 1, *rng.sample(range(len(raw)), 20)]:
        assert unpack("cut", raw[:size]) is None
    for _ in range(150):
        bad = bytearray(raw)
        bad[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        assert unpack("flipped", bytes(bad)) is None
    for tail in (1, 100, 2000):
        assert unpack("zeroed", raw[:-tail] + bytes(tail)) is None
        assert unpack("longer", raw + bytes(tail)) is None


def test_no_pickle_is_imported() -> None:
    text = Path(cache.__file__).read_text()
    assert "pickle" not in text and "marshal" not in text


# ---- entries in a directory --------------------------------------------------------------------------


def test_lookup_finds_what_was_published(own_cache: Path) -> None:
    store = cache.main_store()
    assert store.lookup(KEY, accept).reason == "no entry"
    path = put(store, constants=(np.arange(3),))
    assert path == entry_path(own_cache, KEY)
    found = store.lookup(KEY, accept)
    assert found.entry is not None and found.reason == "hit" and found.unfit == ()
    np.testing.assert_array_equal(found.entry.constants[0], np.arange(3))
    assert stat.S_IMODE(own_cache.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(own_cache / "tmp") == []


def test_an_objection_is_a_miss_with_its_reason() -> None:
    store = cache.main_store()
    path = put(store)
    found = store.lookup(KEY, lambda manifest: "it is blue")
    assert found.entry is None and found.reason == "it is blue" and found.unfit == (str(path),)


def test_a_name_is_never_used_twice(own_cache: Path) -> None:
    store = cache.main_store()
    first = put(store)
    second = put(store)
    assert (first.name, second.name) == (f"{KEY}.so", f"{KEY}.1.so")
    first.unlink()
    found = store.lookup(KEY, accept)
    assert found.entry is not None and found.entry.path == str(second)
    with store.staging() as folder:
        staged = Path(folder) / "entry.so"
        staged.write_bytes(second.read_bytes())
        used = {str(first)}  # a name that this process has loaded code from, since unlinked
        third = store.publish(KEY, str(staged), (str(second),), used.__contains__)
    assert Path(third).name == f"{KEY}.2.so" and not second.exists()


def test_a_damaged_entry_is_a_counted_miss_with_one_warning() -> None:
    store = cache.main_store()
    path = put(store)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.warns(CacheWarning, match="damaged"):
        found = store.lookup(KEY, accept)
    assert found.entry is None and found.unfit == (str(path),) and cache.COUNTERS["corrupt"] == 1
    store.lookup(KEY, accept, again=True)
    assert cache.COUNTERS["corrupt"] == 1
    with config.change_flags(cache_errors=True), pytest.raises(CacheError, match="damaged"):
        store.lookup(KEY, accept)


@pytest.mark.filterwarnings("ignore::gradc.errors.CacheWarning")
def test_swapped_entries_are_damaged() -> None:
    store = cache.main_store()
    other = key_of("another kernel")
    one, two = put(store), put(store, other)
    raw = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(raw)
    assert store.lookup(KEY, accept).entry is None
    assert store.lookup(other, accept).entry is None
    assert cache.COUNTERS["corrupt"] == 2


def test_junk_in_the_directory_is_passed_over(own_cache: Path) -> None:
    store = cache.main_store()
    put(store)
    folder = own_cache / KEY[:2]
    for name in ("x", ".hidden", f"{KEY}.so.tmp", f"{KEY}.x.so", f".{KEY}.so", "short.so", f"{KEY}..so"):
        (folder / name).write_bytes(b"junk")
    (folder / f"{KEY}.7.so").mkdir()
    (own_cache / "zz").write_bytes(b"")
    (own_cache / "README").write_bytes(b"")
    assert store.lookup(KEY, accept).entry is not None
    assert [path for _, _, path in store.entries()] == [str(entry_path(own_cache, KEY))]
    store.trim()
    assert (folder / "x").exists()


@pytest.mark.filterwarnings("ignore::gradc.errors.CacheWarning")
def test_odd_files_in_an_entrys_place_are_refused_without_hanging(own_cache: Path, tmp_path: Path) -> None:
    store = cache.main_store()
    good = put(store)
    saved = tmp_path / "saved"
    good.rename(saved)

    def sparse() -> None:
        with open(good, "wb") as file:
            file.truncate(1 << 40)

    makers = {
        "fifo": lambda: os.mkfifo(good, 0o600),
        "link": lambda: good.symlink_to(saved),
        "dangling link": lambda: good.symlink_to(tmp_path / "nowhere"),
        "directory": good.mkdir,
        "empty": lambda: good.write_bytes(b""),
        "huge": sparse,
    }
    for kind, make in makers.items():
        make()
        started = time.monotonic()
        found = store.lookup(KEY, accept)
        assert found.entry is None and found.unfit == (str(good),), kind
        assert time.monotonic() - started < 5, kind
        put(store)  # heals under another name
        assert store.lookup(KEY, accept).entry is not None, kind
        (good.rmdir if kind == "directory" else good.unlink)()
        (good.parent / f"{KEY}.1.so").unlink()


@pytest.mark.parametrize("mode", [0o666, 0o620, 0o602])
def test_an_entry_that_others_can_write_is_refused(mode: int) -> None:
    store = cache.main_store()
    put(store).chmod(mode)
    with pytest.warns(CacheWarning, match="can be written by others"):
        assert store.lookup(KEY, accept).entry is None


@pytest.mark.skipif(not IS_ROOT, reason="needs root, to give files away")
def test_a_foreign_entry_is_refused() -> None:
    store = cache.main_store()
    os.chown(put(store), STRANGER, STRANGER)
    with pytest.warns(CacheWarning, match="belongs to user 65534"):
        assert store.lookup(KEY, accept).entry is None


# ---- the directory -----------------------------------------------------------------------------------


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folders.directory() == config.cache_dir
    with config.change_flags(cache_dir=""):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert folders.directory() == str(tmp_path / "xdg" / "gradc")
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert folders.directory() == str(tmp_path / ".cache" / "gradc")
        monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
        with pytest.raises(FileNotFoundError, match="GRADC_CACHE_DIR"):
            folders.directory()
        assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770])
def test_a_directory_that_others_can_write_is_refused(own_cache: Path, mode: int) -> None:
    own_cache.mkdir()
    own_cache.chmod(mode)
    with pytest.raises(folders.Unsafe, match="can be written by others"):
        cache.main_store()


def test_a_file_or_dangling_link_in_its_place_is_refused(own_cache: Path) -> None:
    own_cache.write_text("")
    with pytest.raises(NotADirectoryError):
        cache.main_store()
    own_cache.unlink()
    own_cache.symlink_to(own_cache.parent / "nowhere")
    with pytest.raises(FileNotFoundError):
        cache.main_store()


def test_a_link_of_ours_may_stand_for_the_directory(own_cache: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(0o700)
    own_cache.symlink_to(tmp_path / "real")
    assert cache.main_store().path == str(tmp_path / "real")


@pytest.mark.skipif(not IS_ROOT, reason="needs root, to give directories away")
def test_foreign_directories_links_and_ancestors_are_refused(own_cache: Path, tmp_path: Path) -> None:
    own_cache.mkdir(0o700)
    os.chown(own_cache, STRANGER, STRANGER)
    with pytest.raises(folders.Unsafe, match="belongs to user 65534"):
        cache.main_store()
    os.chown(own_cache, 0, 0)
    os.chown(tmp_path, STRANGER, STRANGER)
    with pytest.raises(folders.Unsafe, match="above the cache"):
        cache.main_store()
    os.chown(tmp_path, 0, 0)
    own_cache.rename(tmp_path / "real")
    own_cache.symlink_to(tmp_path / "real")
    os.chown(own_cache, STRANGER, STRANGER, follow_symlinks=False)
    with pytest.raises(folders.Unsafe, match="belongs to user 65534"):
        cache.main_store()


def test_an_ancestor_that_everyone_can_write_is_refused(own_cache: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(folders.Unsafe, match="can be written by everyone"):
        cache.main_store()
    tmp_path.chmod(0o1777)  # as /tmp
    cache.main_store()


@pytest.mark.parametrize("name", ["tmp", "locks", "failed", KEY[:2]])
def test_links_below_the_directory_are_not_followed(own_cache: Path, tmp_path: Path, name: str) -> None:
    store = cache.main_store()
    (tmp_path / "elsewhere").mkdir(0o700)
    (own_cache / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(folders.Unsafe):
        store.folder(name)
    assert store.keep_failed(KEY, "text") == "" or name != "failed"
    with store.lock(KEY):
        pass
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_link_in_a_locks_place_is_not_followed(own_cache: Path, tmp_path: Path) -> None:
    store = cache.main_store()
    target = tmp_path / "target"
    target.write_text("precious")
    Path(store.folder("locks"), KEY).symlink_to(target)
    Path(store.folder("locks"), "trimmed").symlink_to(target)
    with store.lock(KEY):
        store.trim()
    assert target.read_text() == "precious"


def test_the_private_directory_is_shared_by_forks_and_removed_at_exit() -> None:
    output, _ = python(
        """
store = cache.private_store()
child = os.fork()
if child == 0:
    os._exit(0 if cache.private_store() == store else 1)
print(os.waitpid(child, 0)[1])
print(store.path)
print(oct(os.stat(store.path).st_mode & 0o777))
"""
    )
    status, path, mode = output.split()
    assert status == "0" and mode == "0o700" and not os.path.exists(path)


# ---- locks -------------------------------------------------------------------------------------------


def test_a_lock_excludes_and_leaves_no_file(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = cache.main_store()
    monkeypatch.setattr(cache, "LOCK_SECONDS", 0.2)
    with store.lock(KEY):
        assert os.listdir(own_cache / "locks") == [KEY]
        started = time.monotonic()
        with store.lock(KEY):  # given up after LOCK_SECONDS: the lock only saves work
            pass
        assert time.monotonic() - started >= 0.2
        with store.lock(key_of("other")):
            assert time.monotonic() - started < 5
    assert os.listdir(own_cache / "locks") == []
    assert cache._HELD == set()


@pytest.mark.parametrize("fault", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
def test_without_working_locks_one_goes_on(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    def refuse(fd: int, operation: int) -> None:
        raise OSError(getattr(errno, fault), fault)

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = len(os.listdir("/proc/self/fd"))
    with cache.main_store().lock(KEY):
        pass
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_killed_holder_frees_the_lock_even_if_its_forked_child_lives(own_cache: Path) -> None:
    holder = start(
        f"""
store = cache.main_store()
with store.lock("{KEY}"):
    child = os.fork()
    if child == 0:
        time.sleep(20)
        os._exit(0)
    print(child, flush=True)
    time.sleep(20)
""",
        GRADC_CACHE_DIR=str(own_cache),
    )
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    holder.kill()
    holder.wait()
    try:
        started = time.monotonic()
        with cache.main_store().lock(KEY):
            assert time.monotonic() - started < 5
    finally:
        os.kill(child, 9)
        holder.communicate()


# ---- size and age ------------------------------------------------------------------------------------


def names(store: cache.KernelStore) -> list[str]:
    return [os.path.basename(path)[:64] for _, _, path in store.entries()]


@pytest.mark.parametrize("limit", ["bytes", "entries"])
def test_trim_keeps_the_newest_under_the_limits(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    store = cache.main_store()
    keys = [key_of(str(number)) for number in range(30)]
    paths = [put(store, key) for key in keys]
    for number, path in enumerate(paths):
        os.utime(path, (number, number))
    size = paths[0].stat().st_size
    monkeypatch.setattr(cache, "MAX_BYTES", 10 * size + 1 if limit == "bytes" else 1 << 30)
    monkeypatch.setattr(cache, "MAX_ENTRIES", 10 if limit == "entries" else 1000)
    store.trim()
    assert names(store) == keys[20:]


def test_publishing_keeps_the_cache_within_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    store = cache.main_store()
    monkeypatch.setattr(cache, "MAX_BYTES", 100_000)
    keys = [key_of(str(number)) for number in range(120)]
    for key in keys:
        put(store, key)
    assert sum(size for _, size, _ in store.entries()) <= 100_000
    assert keys[-1] in names(store)


def test_a_hit_makes_an_entry_young_at_most_once_a_day() -> None:
    store = cache.main_store()
    path = put(store)
    now = time.time()
    for age, touched in ((3600, False), (2 * 86400, True), (50 * 365 * 86400, True), (-10 * 365 * 86400, True)):
        os.utime(path, (now - age, now - age))
        assert store.lookup(KEY, accept).entry is not None
        assert (abs(path.stat().st_mtime - now) < 600) == touched


def test_clocks_that_jump_lose_nothing() -> None:
    store = cache.main_store()
    keys = [key_of(str(number)) for number in range(4)]
    for key, when in zip(keys, (0, 1, 4_102_444_800, time.time()), strict=True):
        os.utime(put(store, key), (when, when))
    store.trim()
    assert sorted(names(store)) == sorted(keys)


def test_trim_sweeps_what_killed_processes_left(own_cache: Path) -> None:
    store = cache.main_store()
    old, fresh = Path(store.folder("tmp"), "old"), Path(store.folder("tmp"), "fresh")
    for folder in (old, fresh):
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "file").write_text("")
        (folder / "link").symlink_to("/")
    lock = Path(store.folder("locks"), KEY)
    lock.write_text("")
    past = time.time() - 7200
    for path in (old, lock):
        os.utime(path, (past, past))
    store.trim()
    assert not old.exists() and not lock.exists() and (fresh / "deep" / "file").exists()


def test_few_rejected_texts_are_kept(own_cache: Path) -> None:
    store = cache.main_store()
    paths = [store.keep_failed(key_of(str(number)), f"text {number} é") for number in range(30)]
    assert Path(paths[-1]).read_text(encoding="utf-8") == "text 29 é"
    assert len(os.listdir(own_cache / "failed")) == cache._KEPT_FAILURES


# ---- many processes ----------------------------------------------------------------------------------

WRITER = """
import numpy as np
key = {key!r}
store = cache.main_store()
until = time.monotonic() + {seconds}
number = 0
while time.monotonic() < until:
    number += 1
    with store.staging() as folder:
        staged = os.path.join(folder, "e")
        with open(staged, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(pack(bytes(5000), {{"key": key, "n": number}}, [np.full(5000, number)]))
        found = store.lookup(key, lambda manifest: "replace it")
        store.publish(key, staged, found.unfit, lambda path: False)
print(number)
"""
READER = """
warnings.simplefilter("error")
key = {key!r}
store = cache.main_store()
until = time.monotonic() + {seconds}
seen = 0
while time.monotonic() < until:
    entry = store.lookup(key, lambda manifest: "").entry
    if entry is not None:
        assert (entry.constants[0] == entry.manifest["n"]).all()
        seen += 1
print(seen, cache.COUNTERS["corrupt"])
"""


def test_readers_never_see_a_partial_entry(own_cache: Path) -> None:
    variables = {"GRADC_CACHE_DIR": str(own_cache)}
    writers = [start(WRITER.format(key=KEY, seconds=1.5), **variables) for _ in range(2)]
    readers = [start(READER.format(key=KEY, seconds=1.5), **variables) for _ in range(4)]
    for process in writers:
        assert int(finish(process)[0]) > 10
    for process in readers:
        seen, corrupt = map(int, finish(process)[0].split())
        assert seen > 10 and corrupt == 0


@pytest.mark.skipif(not IS_ROOT, reason="needs root, to mount")
def test_a_read_only_cache_gives_hits(own_cache: Path) -> None:
    put(cache.main_store())
    if subprocess.run(["mount", "--bind", own_cache, own_cache], capture_output=True).returncode:
        pytest.skip("can't mount here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", own_cache], check=True)
        store = cache.main_store()
        assert store.lookup(KEY, accept).entry is not None
        with pytest.raises(OSError, match="Read-only"):
            put(store, key_of("other"))
    finally:
        subprocess.run(["umount", own_cache], check=True)
