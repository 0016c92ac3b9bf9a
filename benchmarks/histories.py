"""Projects with long histories, made to measure: ten apps whose models grow by one operation a migration.

Each app begins with its root model; from then on its history is a cycle of eight migrations (CYCLE), of which the first
creates a model and the others change it. Apps begin the cycle at different places, so that the last migrations of all
apps are of every kind; until an app creates its next model, it is the root that is changed.

``python -m benchmarks.histories FOLDER --length 1000 --shape dense --variant lockgate`` writes one. The same arguments
write the same files.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

APPS = tuple(f"app{number}" for number in range(10))
SHAPES = ("dense", "sparse")  # dense: models refer to the user, to their app's root and to the previous app's
VARIANTS = ("stock", "lockgate")

SETTINGS = """
import os

import dj_database_url

INSTALLED_APPS = {installed!r}
DATABASES = {{"default": dj_database_url.parse(os.environ["DATABASE_URL"])}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
"""
MANAGE = """
import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
from {module} import execute_from_command_line

execute_from_command_line(sys.argv)
"""
STARTS = {"stock": "django.core.management", "lockgate": "lockgate.boot"}
MODELS = "from django.conf import settings\nfrom django.db import models\n"
MODEL = """

class {name}(models.Model):
{fields}

    class Meta:
        indexes = [{indexes}]
        constraints = [{constraints}]
"""
MIGRATION = """
from django.conf import settings
from django.db import migrations, models


{function}class Migration(migrations.Migration):
    dependencies = [{dependencies}]
    operations = [
{operation},
    ]
"""
FUNCTION = """
def count(apps, schema_editor):
    {model} = apps.get_model("{app}", "{model}")
    {model}.objects.create(label="{migration}")
    {model}.objects.update(counter=models.F("counter") + {amount})


"""
KEY = 'models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")'
# The value read is part of the update: a related model that cannot be read, or is read wrongly, shows in the rows.
READING = 'apps.get_model("{app}", "Root").objects.count() + 1'


@dataclass
class Model:
    """A model as the migrations so far have made it. fields: source by name."""

    name: str
    fields: dict[str, str]
    indexes: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Change:
    """What one migration says. operation, function, dependencies: Python source."""

    name: str
    operation: str
    function: str = ""
    dependencies: tuple[str, ...] = ()


class App:
    """One app's history, made change by change; its models are what they come to."""

    def __init__(self, number: int, shape: str) -> None:
        self.name = APPS[number]
        self.dense = shape == "dense"
        self.previous = APPS[number - 1] if number and self.dense else None
        self.models: list[Model] = []
        self._begin = number  # where in the cycle this app begins

    def changes(self, count: int) -> Iterator[Change]:
        for done in range(count):
            name = f"{done + 1:04}"
            if not done:
                yield self._create_root(name)
            else:
                yield CYCLE[(self._begin + done - 1) % len(CYCLE)](self, name)

    def _create_root(self, name: str) -> Change:
        needs = ("migrations.swappable_dependency(settings.AUTH_USER_MODEL)",) if self.dense else ()
        if self.previous:
            needs += (f'("{self.previous}", "0001_root")',)
        return self._create(f"{name}_root", Model("Root", self._first_fields()), needs)

    def _create_model(self, name: str) -> Change:
        fields = self._first_fields()
        if self.dense:
            fields["root"] = _foreign_key(repr(f"{self.name}.Root"))
        model = Model(f"Thing{len(self.models)}", fields)
        return self._create(f"{name}_{model.name.lower()}", model)

    def _first_fields(self) -> dict[str, str]:
        fields = {"label": "models.CharField(max_length=50)", "counter": "models.IntegerField(default=0)"}
        if self.dense:
            fields["owner"] = _foreign_key("settings.AUTH_USER_MODEL")
        if self.previous:
            fields["before"] = _foreign_key(repr(f"{self.previous}.Root"))
        return fields

    def _create(self, name: str, model: Model, needs: tuple[str, ...] = ()) -> Change:
        self.models.append(model)
        fields = {"id": KEY, **model.fields}
        listed = "".join(f'    ("{each}", {source}),\n' for each, source in fields.items())
        return Change(name, f'migrations.CreateModel("{model.name}", [\n{listed}])', dependencies=needs)

    def _add_field(self, name: str) -> Change:
        return self._with_field(f"{name}_note", "note", "models.TextField(null=True)")

    def _add_field_with_default(self, name: str) -> Change:
        return self._with_field(f"{name}_weight", "weight", "models.IntegerField(default=7)")

    def _add_foreign_key(self, name: str) -> Change:
        return self._with_field(f"{name}_link", "link", _foreign_key(repr(f"{self.name}.Root")))

    def _alter_field(self, name: str) -> Change:
        return self._with_field(f"{name}_label", "label", "models.CharField(max_length=100)", "AlterField")

    def _with_field(self, name: str, added: str, source: str, operation: str = "AddField") -> Change:
        model = self.models[-1]
        model.fields[added] = source
        return Change(name, f'migrations.{operation}("{model.name}", "{added}", {source})')

    def _add_index(self, name: str) -> Change:
        model = self.models[-1]
        index = f'models.Index(fields=["counter"], name="{self.name}_{model.name.lower()}_counter")'
        model.indexes.append(index)
        return Change(f"{name}_index", f'migrations.AddIndex("{model.name}", {index})')

    def _add_constraint(self, name: str) -> Change:
        model = self.models[-1]
        condition = "condition=models.Q(counter__gte=0)"
        constraint = f'models.CheckConstraint({condition}, name="{self.name}_{model.name.lower()}_counted")'
        model.constraints.append(constraint)
        return Change(f"{name}_constraint", f'migrations.AddConstraint("{model.name}", {constraint})')

    def _run_python(self, name: str) -> Change:
        model = self.models[-1].name
        amount = READING.format(app=self.previous or self.name) if self.dense else "1"
        function = FUNCTION.format(app=self.name, model=model, migration=f"{self.name}.{name}", amount=amount)
        return Change(f"{name}_count", "migrations.RunPython(count, migrations.RunPython.noop)", function.lstrip())


CYCLE = (
    App._create_model,
    App._add_field,
    App._add_index,
    App._alter_field,
    App._run_python,
    App._add_field_with_default,
    App._add_foreign_key,
    App._add_constraint,
)


def write(folder: Path, length: int, shape: str, variant: str, settings: str = "") -> Path:
    """A project of so many migrations, a multiple of ten, and those of contenttypes and auth; returns its folder.

    settings: source that is added to the settings. A folder must be new: migrations that are there already stay there.
    """
    if length % len(APPS) or shape not in SHAPES or variant not in VARIANTS:
        raise ValueError(f"no history of {length} migrations, {shape}, {variant}")
    folder.mkdir(parents=True)
    for number in range(len(APPS)):
        _write_app(folder, App(number, shape), length // len(APPS))
    ours = ["lockgate"] if variant == "lockgate" else []
    installed = [*ours, "django.contrib.contenttypes", "django.contrib.auth", *APPS]
    (folder / "settings.py").write_text(SETTINGS.format(installed=installed).lstrip() + settings)
    (folder / "manage.py").write_text(MANAGE.format(module=STARTS[variant]).lstrip())
    return folder


def _write_app(folder: Path, app: App, count: int) -> None:
    migrations = folder / app.name / "migrations"
    migrations.mkdir(parents=True)
    (folder / app.name / "__init__.py").touch()
    (migrations / "__init__.py").touch()
    previous = ""
    for change in app.changes(count):
        after = (f'("{app.name}", "{previous}")',) if previous else ()
        text = MIGRATION.format(
            function=change.function,
            dependencies=", ".join((*after, *change.dependencies)),
            operation=textwrap.indent(change.operation, " " * 8),
        )
        (migrations / f"{change.name}.py").write_text(text.lstrip())
        previous = change.name
    (folder / app.name / "models.py").write_text(MODELS + "".join(map(_model, app.models)))


def _model(model: Model) -> str:
    return MODEL.format(
        name=model.name,
        fields="\n".join(f"    {name} = {source}" for name, source in model.fields.items()),
        indexes=", ".join(model.indexes),
        constraints=", ".join(model.constraints),
    )


def _foreign_key(to: str) -> str:
    """Nullable, so that the rows that migrations make need no others."""
    return f'models.ForeignKey({to}, models.CASCADE, null=True, related_name="+")'


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.histories", description="Write a generated project.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--length", type=int, default=1000, help="migrations, a multiple of 10 (default: %(default)s)")
    parser.add_argument("--shape", choices=SHAPES, default="dense")
    parser.add_argument("--variant", choices=VARIANTS, default="lockgate")
    options = parser.parse_args()
    write(options.folder, options.length, options.shape, options.variant)


if __name__ == "__main__":
    main()
