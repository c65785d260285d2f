"""Results appear whole or not at all."""

import fcntl
import os
import signal
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartwise import folders
from cartwise.errors import InputError, OutputError, PlaceTaken
from cartwise.folders import (
    append_lines,
    locked,
    recover,
    replaced,
    replaced_file,
    written_together,
)
from tests.disks import files_limited_to


def test_a_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "folder"
    for content in ("one", "two"):
        with replaced(target) as fresh:
            (fresh / content).touch()
        assert [path.name for path in target.iterdir()] == [content]
    assert [path.name for path in target.parent.iterdir()] == ["folder"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_what_breaks_off_leaves_the_old_folder(tmp_path: Path, error: type[BaseException]) -> None:
    with replaced(tmp_path / "folder") as fresh:
        (fresh / "old").touch()
    with pytest.raises(error):
        _break_off(tmp_path / "folder", error)
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == [
        "folder",
        "folder/old",
    ]


def _break_off(folder: Path, error: type[BaseException]) -> None:
    with replaced(folder) as fresh:
        (fresh / "new").touch()
        raise error


def test_of_a_link_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    for content in ("old", "new"):
        with replaced(tmp_path / "link") as fresh:
            (fresh / "file").write_text(content)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "link"]
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk/file").read_text() == "new"


@pytest.mark.parametrize("given", ["folder", "link"])
def test_a_death_between_the_two_renames_is_mended(tmp_path: Path, given: str) -> None:
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / ".folder.before").mkdir()
    (tmp_path / ".folder.before" / "old").touch()
    recover(tmp_path / given)
    assert (tmp_path / "folder" / "old").exists()
    assert not (tmp_path / ".folder.before").exists()


def test_whoever_replaces_mends_such_a_death_first(tmp_path: Path) -> None:
    (tmp_path / ".folder.before").mkdir()
    (tmp_path / ".folder.before" / "old").touch()
    with pytest.raises(ValueError, match="mind"), replaced(tmp_path / "folder"):
        raise ValueError("changed my mind")
    assert (tmp_path / "folder" / "old").exists()
    assert not (tmp_path / ".folder.before").exists()


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_between_the_two_renames_waits_for_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        moved = rename(self, target)
        signal.raise_signal(signal.SIGINT)
        return moved

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), replaced(tmp_path / "model") as fresh:
        (fresh / "new").touch()

    assert (tmp_path / "model" / "new").exists()


def test_a_folder_that_cannot_take_its_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").touch()
    rename = Path.rename

    def refused(self: Path, target: Path) -> Path:
        if (self / "new").exists():
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(OutputError), replaced(tmp_path / "model") as fresh:
        (fresh / "new").touch()

    assert [path.name for path in tmp_path.rglob("*")] == ["model", "old"]


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / ".folder-0123456789abcdef").mkdir()
    (tmp_path / ".folder-notes").mkdir()
    with replaced(tmp_path / "folder"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"folder", ".folder-notes"}


def test_what_another_one_is_writing_is_not_cleared_away(tmp_path: Path) -> None:
    with replaced(tmp_path / "folder") as first:
        (first / "first").touch()
        with replaced(tmp_path / "folder") as second:
            (second / "second").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "first"]


def test_a_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(ValueError, match="no"):
        _write_half(target)
    assert target.read_text() == "old"
    with replaced_file(target) as fresh:
        fresh.write_text("new")
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_of_a_link_the_file_that_it_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    with replaced_file(tmp_path / "link") as fresh:
        fresh.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"


def _write_half(target: Path) -> None:
    with replaced_file(target) as fresh:
        fresh.write_text("half")
        raise ValueError("no")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file/folder"), replaced(tmp_path / "file" / "folder"):
        pass


def test_an_error_names_the_place_that_is_replaced(tmp_path: Path) -> None:
    def damaged(folder: Path) -> None:
        with replaced(folder) as fresh:
            raise InputError(f"{fresh / 'day'} is damaged")

    with pytest.raises(InputError) as told:
        damaged(tmp_path / "folder")
    assert str(told.value) == f"{tmp_path / 'folder' / 'day'} is damaged"


def test_files_that_cannot_all_appear_leave_those_of_before(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("old")
    (tmp_path / "two").mkdir()
    files = {"one": b"new", "two": b"new"}
    with pytest.raises(PlaceTaken, match="two' is a folder"), written_together(tmp_path, files):
        pass
    assert (tmp_path / "one").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"one", "two"}


@given(
    torn=st.binary(max_size=40).map(lambda text: text.replace(b"\n", b"")), is_first=st.booleans()
)
def test_what_an_interruption_left_of_a_line_is_cut_off(torn: bytes, *, is_first: bool) -> None:
    with TemporaryDirectory() as name:
        file = Path(name) / "sub" / "lines"
        if not is_first:
            append_lines(file, [b"one", b"two"])
            with file.open("ab") as out:
                out.write(torn)
        append_lines(file, [b"three"])
        whole = b"" if is_first else b"one\ntwo\n"
        assert file.read_bytes() == whole + b"three\n"


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    append_lines(file, [b"one"])
    with files_limited_to(4096), pytest.raises(OutputError, match="lines cannot be written"):
        append_lines(file, [b"x" * 1000] * 10)
    assert file.read_bytes() == b"one\n"


def test_who_looks_whether_a_folder_is_locked_keeps_nobody_out(tmp_path: Path) -> None:
    # As is_locked holds it, which a slow machine may stop at just that moment.
    looking = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    done = Timer(0.2, os.close, [looking])
    done.start()
    with locked(tmp_path, "ingest", patience=60):
        done.join()


def test_who_locks_a_folder_that_goes_at_that_moment_holds_the_one_that_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, times = folders._opened, iter([True])

    def opened_and_gone(folder: Path) -> int:
        descriptor = opened(folder)
        # As whoever had the lock before does, where the folder was left empty.
        if next(times, False):
            folder.rmdir()
        return descriptor

    monkeypatch.setattr(folders, "_opened", opened_and_gone)
    with locked(tmp_path / "lake", "ingest"):
        assert (tmp_path / "lake").exists()
        with pytest.raises(OutputError), locked(tmp_path / "lake", "ingest", patience=0):
            pass
