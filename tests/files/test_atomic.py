import errno
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faults import FAULTS, failing, sweep

from glassnet.files import atomic
from glassnet.files.atomic import replacing, write_bytes

posix = pytest.mark.skipif(os.name != "posix", reason="permissions and links as POSIX has them")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_holds_what_was_written_and_nothing_else_is_left(tmp_path):
    write_bytes(tmp_path / "new", b"content")
    assert (tmp_path / "new").read_bytes() == b"content"
    assert names(tmp_path) == ["new"]


def test_an_existing_file_is_replaced_as_a_whole(tmp_path):
    (tmp_path / "file").write_bytes(b"a long old content")
    write_bytes(str(tmp_path / "file"), b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert names(tmp_path) == ["file"]


def test_a_path_without_a_folder_is_in_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_bytes("file", b"content")
    assert names(tmp_path) == ["file"]


def test_the_old_content_is_there_until_the_block_ends(tmp_path):
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with replacing(target) as file:
        file.write(b"new")
        file.flush()
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"


def test_the_longest_possible_name_can_be_written(tmp_path):
    name = "n" * 255
    write_bytes(tmp_path / name, b"content")
    assert names(tmp_path) == [name]


def fill_the_disk(monkeypatch, call):
    """Make one call of the operating system fail as on a full disk."""

    def fail(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, fail)


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
def test_a_failing_disk_leaves_the_old_file_and_no_temporary_one(tmp_path, monkeypatch, call):
    target = tmp_path / "file"
    target.write_bytes(b"old")
    fill_the_disk(monkeypatch, call)
    with pytest.raises(OSError, match="No space left on device"):
        write_bytes(target, b"new")
    monkeypatch.undo()
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_failing_disk_leaves_no_file_where_there_was_none(tmp_path, monkeypatch):
    fill_the_disk(monkeypatch, "fsync")
    with pytest.raises(OSError, match="No space left on device"):
        write_bytes(tmp_path / "file", b"new")
    assert names(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
def test_a_write_that_fails_when_the_buffer_is_flushed_leaves_the_old_file(tmp_path):
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def write_to_a_full_disk():
        with replacing(target) as file:
            with open("/dev/full", "wb", buffering=0) as full:
                os.dup2(full.fileno(), file.fileno())  # what is written from here on meets a full disk
            file.write(b"new")

    with pytest.raises(OSError, match="No space left on device"):
        write_to_a_full_disk()
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_within_the_block_passes_through_and_keeps_the_old_file(tmp_path, error):
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def write_half():
        with replacing(target) as file:
            file.write(b"half of the n")
            raise error

    with pytest.raises(error):
        write_half()
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


@posix
def test_file_and_folder_are_forced_to_the_disk_around_the_renaming(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(descriptor):
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def watched_replace(source, target):
        calls.append("replace")
        assert Path(source).read_bytes() == b"content"
        replace(source, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    write_bytes(tmp_path / "file", b"content")
    assert calls == ["file", "replace", "folder"]


@posix
@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_a_folder_that_cannot_be_forced_is_an_error_only_when_the_system_could(tmp_path, monkeypatch, number):
    fsync = os.fsync

    def fail_for_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_for_folders)
    if number == errno.EIO:
        with pytest.raises(OSError, match="Input/output error"):
            write_bytes(tmp_path / "file", b"content")
    else:
        write_bytes(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"  # complete in both cases
    assert names(tmp_path) == ["file"]


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_a_replaced_file_keeps_its_permissions(tmp_path, mode):
    target = tmp_path / "file"
    target.write_bytes(b"old")
    target.chmod(mode)
    with replacing(target) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == mode  # from the first byte on
    assert stat.S_IMODE(target.stat().st_mode) == mode


@posix
def test_a_new_file_has_the_permissions_that_any_new_file_has(tmp_path):
    write_bytes(tmp_path / "ours", b"")
    (tmp_path / "usual").write_bytes(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


@posix
def test_a_symbolic_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "there" / "file")
    write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "file").read_bytes() == b"new"
    assert names(tmp_path / "there") == ["file"]


def test_a_missing_folder_is_an_error_that_names_the_target(tmp_path):
    target = tmp_path / "nowhere" / "file"
    with pytest.raises(FileNotFoundError) as raised:
        write_bytes(target, b"content")
    assert Path(raised.value.filename) == target.resolve()


def test_a_folder_is_not_replaced(tmp_path):
    with pytest.raises(IsADirectoryError):
        write_bytes(tmp_path, b"content")
    assert tmp_path.is_dir()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="Not a regular file"):
        write_bytes(tmp_path / "pipe", b"content")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_read_only_file_is_not_replaced(tmp_path, monkeypatch):
    target = tmp_path / "file"
    target.write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the tests may run as root, who may write anything
    with pytest.raises(PermissionError):
        write_bytes(target, b"new")
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


# Every call to the system fails, one after the other


LEFT_OVER = re.compile(r"\.glassnet-[0-9a-f]{16}\.tmp")


def age(path, seconds):
    """Make a file seem to have been written so long ago."""
    then = time.time() - seconds
    os.utime(path, (then, then))


@pytest.mark.parametrize("old", [b"old content", None], ids=["over an old file", "new"])
def test_whichever_call_fails_there_is_the_old_file_or_the_new_one(tmp_path, old):
    target, new = tmp_path / "file", bytes(range(256)) * 200  # several writes, as the buffer holds less

    def write():
        for path in tmp_path.iterdir():
            path.unlink()
        if old is not None:
            target.write_bytes(old)
        with replacing(target) as file:
            for start in range(0, len(new), 1000):
                file.write(new[start : start + 1000])

    def check(ended, fault):
        found = target.read_bytes() if target.exists() else None
        assert found in ((new,) if ended else (old, new))
        others = [name for name in names(tmp_path) if name != "file"]
        assert all(LEFT_OVER.fullmatch(name) for name in others)
        assert len(others) <= fault.lasting  # who cannot write any more cannot clean up either

    runs = sweep(write, check)
    assert runs > 10 * len(FAULTS)  # open, chmod, seven writes or so, fsync, close, replace, the folder's three


def test_whichever_call_fails_the_error_names_the_file_that_was_to_be_written(tmp_path):
    target = tmp_path / "file"
    target.write_bytes(b"old")
    told = []

    def write():
        try:
            write_bytes(target, b"new")
        except OSError as error:
            told.append(str(error))

    sweep(write, lambda ended, fault: None, faults=FAULTS[:1])
    assert len(told) > 5  # open, chmod, write, fsync, utime, replace and the folder's
    assert set(told) == {f"[Errno {errno.ENOSPC}] {os.strerror(errno.ENOSPC)}: {str(target)!r}"}


def test_the_error_that_is_told_is_the_first_one(tmp_path):
    for fault in FAULTS[:2]:
        with failing(2, fault), pytest.raises(OSError, match="No space left on device") as raised:
            write_bytes(tmp_path / "file", b"content")
        assert raised.value.__context__ is None  # the cleaning up, which failed as well, says nothing


# What a killed process leaves


@posix
def test_what_a_killed_process_left_is_removed_by_the_next_one_that_writes_there(tmp_path):
    program = (
        "import os, signal, sys\n"
        "from glassnet.files.atomic import replacing\n"
        "with replacing(sys.argv[1]) as file:\n"
        "    file.write(b'half of the n')\n"
        "    file.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    target = tmp_path / "file"
    target.write_bytes(b"old")
    for left in (1, 2):
        killed = subprocess.run([sys.executable, "-c", program, str(target)])
        assert killed.returncode == -signal.SIGKILL
        assert target.read_bytes() == b"old"
        assert len(names(tmp_path)) == 1 + left  # the first one is too young to be sure that nobody writes to it
    for path in tmp_path.glob(".glassnet-*"):
        age(path, 60)
    write_bytes(tmp_path / "another", b"new")
    assert names(tmp_path) == ["another", "file"]


@posix
def test_the_file_of_a_writer_at_work_is_left_alone_however_old_it_is(tmp_path):
    with replacing(tmp_path / "slow") as file:
        file.write(b"the end of a long story")
        file.flush()
        for path in tmp_path.iterdir():
            age(path, 7 * 86_400)
        write_bytes(tmp_path / "quick", b"new")
    assert (tmp_path / "slow").read_bytes() == b"the end of a long story"
    assert names(tmp_path) == ["quick", "slow"]


def test_a_file_that_took_long_to_write_is_not_taken_for_abandoned_just_before_it_is_renamed(tmp_path, monkeypatch):
    ages, replace = [], os.replace

    def watched_replace(source, target):
        ages.append(time.time() - os.stat(source).st_mtime)
        write_bytes(tmp_path / "another", b"") if len(ages) == 1 else None  # its lock has ended by now
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched_replace)
    with replacing(tmp_path / "file") as file:
        file.write(b"content")
        file.flush()
        age(next(tmp_path.iterdir()), 3600)
    assert ages[0] < 10
    assert (tmp_path / "file").read_bytes() == b"content"


def test_where_there_are_no_locks_a_day_is_waited(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "_lock", lambda descriptor: None)
    abandoned, young = tmp_path / f".glassnet-{'0' * 16}.tmp", tmp_path / f".glassnet-{'1' * 16}.tmp"
    for path, seconds in ((abandoned, 2 * 86_400), (young, 3600)):
        path.write_bytes(b"half")
        age(path, seconds)
    write_bytes(tmp_path / "file", b"new")
    assert names(tmp_path) == [young.name, "file"]


def test_files_with_other_names_folders_and_links_are_left_alone(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    others = [
        ".glassnet-1.tmp",
        f".glassnet-{'g' * 16}.tmp",
        f"x.glassnet-{'0' * 16}.tmp",
        f".glassnet-{'0' * 16}.tmp~",
    ]
    for name in others:
        (kept / name).write_bytes(b"mine")
        age(kept / name, 7 * 86_400)
    (kept / f".glassnet-{'2' * 16}.tmp").mkdir()
    write_bytes(kept / "file", b"new")
    assert names(kept) == sorted([*others, f".glassnet-{'2' * 16}.tmp", "file"])
