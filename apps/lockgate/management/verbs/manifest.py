"""Writes the manifest of a release, by which starts see without Django that there is nothing to do; or checks one."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from lockgate import boot
from lockgate.errors import ManifestStale
from lockgate.management import base
from lockgate.manifest import build, manifest_file
from lockgate.manifest.manifest_file import Manifest, Unusable

# What a manifest made now must have in common with the one that is there.
COMPARED = ("contents", "ast_digest", "release", "extension", "option", "libpq", "obstacle", "snapshot", "replay")


class Command(base.LockgateCommand, BaseCommand):
    help = "Writes the manifest by which starts see, without Django, that nothing is pending. No server is asked."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--output", type=Path, help="Where to write it (LOCKGATE_MANIFEST, default: beside manage.py)."
        )
        parser.add_argument(
            "--check",
            action="store_true",
            help="Write nothing; exit 1, saying why, where starts cannot use what is there.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        script, settings = os.path.abspath(sys.argv[0]), os.environ["DJANGO_SETTINGS_MODULE"]  # noqa: PTH100
        path = Path(options["output"] or manifest_file.place(script, os.environ))
        manifest = Manifest(text := build.build(script, settings, boot.started_with))
        if options["check"]:
            self._check(path, manifest, script, settings)
            return
        _write(path, text)
        self.stdout.write(f"wrote {path}")
        for obstacle in manifest.all("obstacle"):
            self.stdout.write(f"every start will be a full start: {manifest_file.decoded(obstacle)}")
        for obstacle in manifest.all("replay"):
            self.stdout.write(f"an empty database needs a full start: {manifest_file.decoded(obstacle)}")

    def _check(self, path: Path, manifest: Manifest, script: str, settings: str) -> None:
        entries, environ = boot.started_with
        try:
            existing = manifest_file.read(str(path))
            why = manifest_file.why_stale(existing, environ or os.environ, settings, entries, script)
        except Unusable as unusable:
            existing, why = manifest, str(unusable)
        differing = [kind for kind in COMPARED if existing.all(kind) != manifest.all(kind)]
        if not why and differing:
            why = f"a manifest built now differs in: {', '.join(differing)}"
        if why:
            raise ManifestStale(
                f"starts cannot use the manifest {path}",
                why=why,
                next_step="build it as the last step of the image's, under the settings that starts use:\n"
                "manage.py lockgate manifest",
            )
        self.stdout.write(f"starts can use {path}")


def _write(path: Path, text: str) -> None:
    """All of it or nothing: a start may be reading."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
