"""Kernels kept on disk: found again, never stale, never trusted when damaged or foreign, never in the way."""

import ctypes
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from glassnet.engine import cache as cache_module
from glassnet.engine import compiler, kernels
from glassnet.engine.cache import KernelCache, cache_folder, default_cache, key_of

pytest.importorskip("numba")
posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX's")

# A process that wants one kernel and says whether Numba was needed.
WANT = """
import ctypes, sys
from glassnet.engine.kernels import addresses
def make():
    from numba.extending import intrinsic
    from numba import types
    from llvmlite import ir
    @intrinsic
    def store(typing_context, address, value):
        def generate(context, builder, signature, arguments):
            builder.store(arguments[1], builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()))
            return context.get_dummy_value()
        return types.void(types.int64, types.int64), generate
    def triple(x, y):
        store(y, 3 * x)
    return triple
y = ctypes.c_int64()
ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(addresses({"triple": make})["triple"])(14, ctypes.addressof(y))
print(y.value, "numba" in sys.modules)
"""


def start(**environment):
    environment = {**os.environ, "PYTHONPATH": str(Path(compiler.__file__).parents[2]), **environment}
    environment = {name: value for name, value in environment.items() if value is not None}
    command = [sys.executable, "-W", "error", "-c", WANT]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def answer(process):
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return out.split()


def test_what_was_put_is_found_by_name(tmp_path):
    kept = KernelCache(tmp_path / "new")
    assert kept.get("a") is None
    kept.put("a", b"code")
    kept.put("a", b"other code")
    assert kept.get("a") == b"other code"
    assert kept.get("b") is None
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.kernel"]  # no temporary file is left


@posix
def test_folders_and_files_belong_to_the_user_alone(tmp_path):
    KernelCache(tmp_path / "upper" / "lower").put("a", b"code")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {"upper": 0o700, "lower": 0o700, "a.kernel": 0o600}


@pytest.mark.parametrize("damage", [lambda c: c[:-1], lambda c: b"", lambda c: c[:-1] + b"x", lambda c: b"x" + c])
def test_a_damaged_file_is_thrown_away(tmp_path, damage):
    kept = KernelCache(tmp_path / "k")
    kept.put("a", b"code")
    (file,) = (tmp_path / "k").iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert kept.get("a") is None
    assert not file.exists()
    kept.put("a", b"code")
    assert kept.get("a") == b"code"


@posix
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
@pytest.mark.parametrize("which", ["file", "folder"])
def test_what_others_may_write_is_not_trusted(tmp_path, mode, which):
    kept = KernelCache(tmp_path / "k")
    kept.put("a", b"code")
    os.chmod(tmp_path / "k" / "a.kernel" if which == "file" else tmp_path / "k", mode | 0o100)
    assert kept.get("a") is None


@posix
def test_what_belongs_to_another_user_is_not_trusted(tmp_path, monkeypatch):
    kept = KernelCache(tmp_path / "k")
    kept.put("a", b"code")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert kept.get("a") is None


def test_a_folder_that_cannot_be_made_keeps_nothing_and_says_nothing(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for kept in (KernelCache(tmp_path / "file" / "k"), KernelCache(None)):
        kept.put("a", b"code")
        kept.used()
        assert kept.get("a") is None


def test_a_full_disk_keeps_nothing_and_leaves_nothing(tmp_path, monkeypatch):
    kept = KernelCache(tmp_path / "k")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    kept.put("a", b"code")
    assert kept.get("a") is None
    assert list((tmp_path / "k").iterdir()) == []


def test_the_locator_is_our_own(tmp_path, monkeypatch):
    monkeypatch.setenv("GLASSNET_CACHE_DIR", str(tmp_path))
    assert cache_folder() == tmp_path
    directory = default_cache().directory
    assert directory is not None
    assert directory.parent == tmp_path / "kernels"
    monkeypatch.delenv("GLASSNET_CACHE_DIR")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    expected = {
        "linux": tmp_path / "xdg" / "glassnet",
        "darwin": tmp_path / "home" / "Library" / "Caches" / "glassnet",
        "win32": tmp_path / "local" / "glassnet" / "Cache",
    }
    for system, folder in expected.items():
        monkeypatch.setattr(cache_module.sys, "platform", system)
        assert cache_folder() == folder


def test_no_home_means_no_cache(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    for name in ("GLASSNET_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    if sys.platform != "win32":
        assert default_cache().directory is None


def test_a_changed_added_or_renamed_source_changes_the_key(tmp_path):
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("x = 1")
    two.write_text("x = 1")
    keys = [key_of([one]), key_of([two]), key_of([one, two])]
    assert key_of([one]) == keys[0]
    one.write_text("x = 2")
    keys.append(key_of([one]))
    assert len(set(keys)) == 4


def test_the_key_depends_on_the_compiler_and_the_processor(tmp_path, monkeypatch):
    (tmp_path / "one.py").write_text("x = 1")
    before = key_of([tmp_path / "one.py"])
    monkeypatch.setattr(cache_module, "_version", lambda package: "0")
    other_compiler = key_of([tmp_path / "one.py"])
    monkeypatch.setattr(compiler, "host_features", lambda: "")
    assert len({before, other_compiler, key_of([tmp_path / "one.py"])}) == 3


def test_folders_unused_for_90_days_go_when_a_new_one_is_made(tmp_path):
    old, recent, other = tmp_path / ("a" * 32), tmp_path / ("b" * 32), tmp_path / "not a key"
    days = 86400.0
    for folder, age in ((old, 91 * days), (recent, 89 * days), (other, 91 * days)):
        folder.mkdir()
        (folder / "x.kernel").write_bytes(b"")
        os.utime(folder, (time.time() - age,) * 2)
    KernelCache(tmp_path / ("c" * 32)).put("a", b"code")
    assert sorted(tmp_path.iterdir()) == [recent, tmp_path / ("c" * 32), other]


def nothing(x):
    return


def test_a_kernel_is_made_once_and_announced_only_when_there_are_many(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "_loaded", {})
    kept = KernelCache(tmp_path / "k")
    made: list[str] = []
    said: list[int] = []

    def factory(name):
        def make():
            made.append(name)
            return nothing

        return make

    wanted = {name: factory(name) for name in "abcd"}
    first = kernels.addresses({"a": wanted["a"]}, said.append, kept)
    assert (made, said) == (["a"], [])
    everything = kernels.addresses(wanted, said.append, kept)
    assert (made, said) == (["a", "b", "c", "d"], [3])
    assert everything["a"] == first["a"]
    monkeypatch.setattr(kernels, "_loaded", {})
    ctypes.CFUNCTYPE(None, ctypes.c_int64)(kernels.addresses(wanted, said.append, kept)["d"])(0)
    assert (len(made), said) == (4, [3])


def test_a_file_that_is_whole_but_no_object_of_ours_is_compiled_again(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "_loaded", {})
    kept = KernelCache(tmp_path / "k")
    kept.put("a", compiler.object_code(nothing, "another_name"))
    assert kernels.addresses({"a": lambda: nothing}, cache=kept)["a"]
    code = kept.get("a")
    assert code is not None
    assert compiler.load({"a": code})["a"]


def test_a_second_process_does_not_import_numba(tmp_path):
    assert answer(start(GLASSNET_CACHE_DIR=str(tmp_path))) == ["42", "True"]
    assert answer(start(GLASSNET_CACHE_DIR=str(tmp_path))) == ["42", "False"]


def test_eight_processes_may_start_at_once_on_an_empty_cache(tmp_path):
    processes = [start(GLASSNET_CACHE_DIR=str(tmp_path / "new")) for _ in range(8)]
    assert [answer(process)[0] for process in processes] == ["42"] * 8
    assert [path.name for path in (tmp_path / "new").rglob("*") if path.is_file()] == ["triple.kernel"]


def test_a_process_without_a_place_to_write_compiles_for_itself(tmp_path):
    (tmp_path / "file").write_bytes(b"")  # a folder below a file cannot be made, not even by root
    assert answer(start(GLASSNET_CACHE_DIR=str(tmp_path / "file" / "k"))) == ["42", "True"]
    assert answer(start(GLASSNET_CACHE_DIR=None, XDG_CACHE_HOME=None, HOME=str(tmp_path / "file"))) == ["42", "True"]
