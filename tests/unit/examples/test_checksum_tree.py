"""The example action, in process: the manifest is what `sha256sum -c` accepts, and a resumed attempt goes on."""

import os
import subprocess
from pathlib import Path

import pytest

from examples import checksum_tree as example
from job_engine.testing import run_action


def check(manifest: Path) -> str:
    """What `sha256sum` says of ``manifest``; nothing if all is well."""
    command = ["sha256sum", "--quiet", "--strict", "-c", str(manifest)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for n in range(50):
        folder = root / f"d{n % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file {n}").write_bytes(os.urandom(n * 100))
    return root


def test_sha256sum_accepts_the_manifest(tree: Path, tmp_path: Path) -> None:
    (tree / "line\nbreak").write_text("x")
    (tree / "back\\slash").write_text("y")
    (tree / os.fsdecode(b"latin-\xe9")).write_text("z")
    (tree / "link").symlink_to("d0")
    (tree / "dangling").symlink_to("nowhere")
    os.mkfifo(tree / "pipe")
    manifest = tmp_path / "manifest"
    ran = run_action(example.checksum_tree, root=str(tree), manifest=str(manifest))
    assert (ran.state, ran.result["files"], ran.result["unreadable"]) == ("SUCCESS", 53, 0)
    assert check(manifest) == ""
    assert len(manifest.read_bytes().splitlines()) == 53
    assert list(tmp_path.glob("*.partial")) == []


def test_a_resumed_attempt_hashes_only_what_remains(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example, "CHECKPOINT_FILES", 10)
    manifest = tmp_path / "manifest"
    arguments = {"root": str(tree), "manifest": str(manifest)}
    first = run_action(example.checksum_tree, interrupt_at=40, **arguments)
    assert first.state == "QUEUED"
    assert not manifest.exists()
    saved = first.checkpoint
    with example.partial(manifest).open("ab") as torn:
        torn.write(b"half a li")  # what a kill may leave behind the checkpoint
    again = run_action(example.checksum_tree, attempt=2, checkpoint=saved, **arguments)
    assert again.state == "SUCCESS"
    assert again.result["files"] == 50
    assert again.result["hashed by this attempt"] == 50 - saved["files"] < 50
    assert check(manifest) == ""


def test_what_cannot_be_read_is_reported(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hash_file = example.sha256

    def refuse(path: bytes, job: object) -> tuple[int, str]:
        if path.endswith(b"file 7"):
            raise PermissionError(13, "Permission denied")  # root can read everything, so a mode would not do
        return hash_file(path, job)  # type: ignore[arg-type]

    monkeypatch.setattr(example, "sha256", refuse)
    manifest = tmp_path / "manifest"
    ran = run_action(example.checksum_tree, root=str(tree), manifest=str(manifest))
    assert ran.state == "SUCCESS"
    assert ran.result["unreadable files"] == [str(tree / "d0" / "file 7")]
    assert any("file 7: Permission denied" in text for _, text in ran.log)
    assert check(manifest) == ""


def test_canceling_removes_the_unfinished_manifest(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(example, "CHECKPOINT_FILES", 10)
    manifest = tmp_path / "manifest"
    run_action(
        example.checksum_tree, root=str(tree), manifest=str(manifest), interrupt_at=40, interrupt_reason="canceled"
    )
    assert list(tmp_path.glob("manifest*")) == []


def test_a_root_that_is_no_directory_fails_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ran = run_action(example.checksum_tree, root=str(tmp_path / "file"), manifest=str(tmp_path / "m"))
    assert ran.state == "FAILED"
    assert "is not a directory" in (ran.message or "")
