"""The files and folders that a loaded project came from, as lines of a manifest."""

from __future__ import annotations

import importlib
import secrets
import sys
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db.migrations.loader import MigrationLoader

from lockgate.manifest import manifest_file
from lockgate.manifest.manifest_file import EVERY, MODULES, NAMED
from lockgate.manifest.probe import ReadLog, is_installed


@dataclass
class Inputs:
    """racy_after: from when on a time of change proves nothing, in nanoseconds. newest: the last of them so far,
    but for those that are still to come. code: folders in which everything is code.
    """

    racy_after: int
    ignored: Collection[str]
    salt: str = field(default_factory=lambda: secrets.token_hex(16))
    newest: int = 0
    code: set[str] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)
    obstacles: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        log: ReadLog,
        loader: MigrationLoader,
        circumstances: dict[str, Any],
        racy_after: int,
        ignored: Collection[str],
    ) -> Inputs:
        """Everything that counts. ignored: files that the project says do not."""
        inputs = cls(racy_after, ignored)
        for folder in filter(manifest_file.is_site, manifest_file.search_path(circumstances["path"])):
            inputs.lines.append(
                " ".join(("distributions", *map(manifest_file.encoded, (folder, manifest_file.distributions(folder)))))
            )
        inputs.code = set(inputs.migration_folders(loader))
        every = inputs.code | log.folders
        inputs.folders(EVERY, every)
        roots = {path for path in manifest_file.search_path(circumstances["path"]) if not is_installed(path + "/")}
        modules = {*roots, *_module_folders()} - every
        inputs.folders(MODULES, modules)
        inputs.files({path for path in (circumstances["script"], *log.files) if not _is_in(Path(path), every, modules)})
        return inputs

    def migration_folders(self, loader: MigrationLoader) -> Iterator[str]:
        """Where each app's migrations are; where an app has none, that it has none is watched."""
        for config in apps.get_app_configs():
            name, _ = loader.migrations_module(config.label)
            if name is None:
                continue
            try:
                folders = getattr(importlib.import_module(name), "__path__", None)
            except ModuleNotFoundError:
                folders = None
            if folders is None:  # also where it is a module, migrations.py: Django finds none in it
                folder = Path(config.path).joinpath(*name.removeprefix(f"{config.name}.").split("."))
                self.lines.append(f"absent {manifest_file.encoded(str(folder))}")
            yield from map(str, folders or ())

    def folders(self, kind: str, folders: Collection[str]) -> None:
        for folder in sorted(folders):
            self._add(kind, folder, [])

    def files(self, paths: Collection[str]) -> None:
        """Files by name, those that are not there as absent."""
        by_folder: dict[str, list[str]] = {}
        for path in sorted(map(Path, set(paths) - set(self.ignored))):
            if path.is_file():
                by_folder.setdefault(str(path.parent), []).append(path.name)
            elif not path.exists():
                self.lines.append(f"absent {manifest_file.encoded(str(path))}")
        for folder, names in by_folder.items():
            self._add(NAMED, folder, names)

    def _add(self, kind: str, folder: str, names: list[str]) -> None:
        try:
            stamps = manifest_file.stamps(kind, folder, names)
            contents = [self._digest(folder, name, size) for name, size, _ in stamps]
        except OSError as error:
            self.obstacles.append(f"{folder} cannot be watched: {error.strerror}")
            return
        self.obstacles += [
            f"{folder}/{name} was changed at a time that is still to come, and nothing else of it is kept"
            for (name, size, at), content in zip(stamps, contents, strict=True)
            if size >= 0 and not content and at > time.time_ns()
        ]
        self.newest = max([self.newest, *(at for _, _, at in stamps if at <= time.time_ns())])
        self.lines.append(manifest_file.folder_line(kind, folder, stamps, self.racy_after, contents))

    def _digest(self, folder: str, name: str, size: int) -> str:
        """Of code alone. What else is read may be a secret (``.env``), of which its size and times are all that is
        kept: whoever has the manifest could try guesses on a digest.
        """
        if folder not in self.code and not name.endswith(manifest_file.MODULE_ENDINGS):
            return ""
        return manifest_file.content_digest(self.salt, f"{folder}/{name}", size)


def _is_in(path: Path, every: Collection[str], modules: Collection[str]) -> bool:
    """Whether a file is watched with its folder."""
    folder = str(path.parent)
    return folder in every or (folder in modules and path.name.endswith(manifest_file.MODULE_ENDINGS))


def _module_folders() -> Iterator[str]:
    """The folders of all loaded modules that are neither Python's nor of an installed distribution."""
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if path and not is_installed(path) and module.__name__ != "__main__":
            yield str(Path(path).absolute().parent)
