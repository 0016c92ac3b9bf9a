"""What a manifest knows of migrations' files is used for just these files, and only where it is known to be right."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

import lockgate
from lockgate.ledger import fingerprints
from lockgate.manifest import migration_digests

MIGRATION = importlib.import_module("django.contrib.auth.migrations.0001_initial").Migration("0001_initial", "auth")


def manifest(folder: Path, **changed: object) -> Path:
    fingerprint = fingerprints.of(MIGRATION)
    document = {
        "start": ["format 1"],
        "made_by": {"lockgate": lockgate.__version__},
        "migrations": [{"file_digest": fingerprint.file_digest, "ast_digest": fingerprint.ast_digest}],
        **changed,
    }
    path = folder / "manifest.json"
    path.write_text(json.dumps(document))
    return path


def test_it_is_listed_by_the_digest_of_the_file(tmp_path: Path) -> None:
    fingerprint = fingerprints.of(MIGRATION)
    assert migration_digests.known(manifest(tmp_path)) == {fingerprint.file_digest: fingerprint.ast_digest}


@pytest.mark.parametrize(
    "changed",
    [
        {"made_by": {"lockgate": "0.0.1"}},
        {"made_by": None},
        {"migrations": [{"file_digest": "of another format"}]},
        {"migrations": None},
    ],
)
def test_one_of_another_release_of_lockgate_or_form_says_nothing(tmp_path: Path, changed: dict[str, object]) -> None:
    assert migration_digests.known(manifest(tmp_path, **changed)) == {}


def test_none_says_nothing_nor_does_what_is_none(tmp_path: Path) -> None:
    assert migration_digests.known(tmp_path / "absent.json") == {}
    (tmp_path / "half.json").write_text('{"start": [')
    assert migration_digests.known(tmp_path / "half.json") == {}


def test_what_was_taken_over_is_not_found_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprint = fingerprints.of(MIGRATION)
    monkeypatch.setattr(fingerprints, "_known", {})
    fingerprints.take_over({"of another file": "x"})
    assert fingerprints.of(MIGRATION) == fingerprint
    fingerprints.take_over({fingerprint.file_digest: "y"})
    assert fingerprints.of(MIGRATION) == fingerprint._replace(ast_digest="y")
