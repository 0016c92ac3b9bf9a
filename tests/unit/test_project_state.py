"""What lazy rendering rests on: states that share nothing that is changed, and what it takes from Django."""

from __future__ import annotations

import contextlib
import gc
import inspect
from typing import Any

import pytest
from django.db import models, router
from django.db.migrations import Migration, operations
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations import AddField, RenameField, RunPython, RunSQL, SeparateDatabaseAndState
from django.db.migrations.state import ModelState, ProjectState
from django.db.models.options import Options
from django.db.models.signals import class_prepared
from django.utils.functional import cached_property

from lockgate import policy
from lockgate.project_state import gc_threshold, relations
from lockgate.project_state.eligibility import Render, render_of
from lockgate.project_state.field_copies import FieldPrototypes
from lockgate.project_state.lazy_apps import OnDemandApps
from lockgate.project_state.lazy_executor import LazyExecutor
from lockgate.project_state.lazy_state import LazyState
from lockgate.project_state.run_state import Rendering, RunState
from lockgate.project_state.single_model import ModelStates, SingleModels, Unsure
from tests.support import plans
from tests.support.lazy_state_cases import library
from tests.support.plan_case import Sends

# What reads a state, or makes one.
_READS = {"relations", "clone", "apps", "from_apps", "get_concrete_model_key", "clear_delayed_apps_cache"}
_RELATIONS = {
    "resolve_fields_and_relations",
    "resolve_model_field_relations",
    "resolve_model_relations",
    "update_model_field_relation",
}


def run_state(*given: operations.base.Operation) -> RunState:
    state = RunState({}, Rendering(set()))
    for operation in given or library():
        operation.state_forwards("library", state)
    return state


def test_every_change_of_a_state_is_made_to_a_copy() -> None:
    """A new method of Django's that changes a state must be overridden too."""
    public = {name for name, _ in inspect.getmembers(ProjectState) if not name.startswith("_")}
    assert public - _READS - _RELATIONS <= vars(LazyState).keys()


def _as_text(state: ProjectState) -> dict[Any, str]:
    """Everything that a state says, fields included, as it is at this moment."""
    return {
        key: repr((model.name, model.options, model.bases, [(name, each.deconstruct()) for name, each in fields]))
        for key, model in state.models.items()
        for fields in [model.fields.items()]
    }


CHANGES = [
    AddField("Author", "n", models.TextField()),
    operations.RemoveField("Book", "author"),
    operations.AlterField("Author", "name", models.TextField()),
    RenameField("Author", "code", "number"),
    operations.RenameModel("Author", "Person"),
    operations.DeleteModel("Fan"),
    operations.AlterModelOptions("Author", {"ordering": ["name"]}),
    operations.AlterModelTable("Author", "people"),
    operations.AlterModelManagers("Author", []),
    operations.AddIndex("Author", models.Index(fields=["name"], name="i")),
    operations.AddConstraint("Author", models.UniqueConstraint(fields=["name"], name="u")),
    operations.AlterUniqueTogether("Author", {("name", "code")}),
    operations.AlterOrderWithRespectTo("Page", None),
]


@pytest.mark.parametrize("operation", CHANGES, ids=lambda each: type(each).__name__)
def test_a_clone_keeps_what_its_original_changes(operation: operations.base.Operation) -> None:
    state = run_state()
    before = state.clone()
    expected = _as_text(before)
    operation.state_forwards("library", state)
    assert _as_text(before) == expected
    assert _as_text(state) != expected or isinstance(operation, operations.AlterModelManagers)


OLD = operations.AddIndex("Author", models.Index(fields=["name"], name="old"))
TOGETHER = operations.AlterIndexTogether("Author", {("name", "code")})
SEAT = operations.CreateModel(
    "Seat",
    [
        ("pk", models.CompositePrimaryKey("row", "number")),
        ("row", models.IntegerField()),
        ("number", models.IntegerField()),
    ],
)


@pytest.mark.parametrize(
    ("before", "operation"),
    [
        (OLD, operations.RenameIndex("Author", new_name="new", old_name="old")),
        (TOGETHER, operations.RenameIndex("Author", new_name="new", old_fields=("name", "code"))),
        (SEAT, RenameField("Seat", "row", "line")),
    ],
    ids=["index", "fields that had one", "part of a key"],
)
def test_a_clone_keeps_what_its_original_renames(
    before: operations.base.Operation, operation: operations.base.Operation
) -> None:
    state = run_state(*library(), before)
    kept = state.clone()
    expected = _as_text(kept)
    operation.state_forwards("library", state)
    assert _as_text(kept) == expected
    assert _as_text(state) != expected


def test_a_clone_keeps_an_option_that_is_taken_from_its_original() -> None:
    state = run_state(*library(), TOGETHER)
    kept = state.clone()
    expected = _as_text(kept)
    state.remove_model_options("library", "author", "index_together", ("name", "code"))
    assert _as_text(kept) == expected
    assert _as_text(state) != expected


@pytest.mark.parametrize("delayed", [True, False])
def test_code_is_given_classes_that_no_code_has_had_where_django_does_so(delayed: bool) -> None:
    state = run_state()
    state.is_delayed = delayed
    state.show(Render.ON_DEMAND)
    foreseen = state.apps.get_model("library", "Author")
    given = []
    for _ in range(2):
        before = state.clone()
        before.clear_delayed_apps_cache()
        given.append(before.apps.get_model("library", "Author"))
    assert given[0] is foreseen
    assert (given[1] is foreseen) is not delayed


def test_a_state_knows_whether_a_change_was_put_off() -> None:
    """A seam: Django asks for it where code is about to see models, and hands it on."""
    state = run_state(library()[1])
    assert not state.is_delayed
    AddField("Tag", "n", models.TextField()).state_forwards("library", state)
    assert all(project_state.is_delayed for project_state in (state, state.clone(), state.as_django_has_it()))


def test_what_django_changes_in_a_state_of_its_own_is_not_changed_in_ours() -> None:
    state = run_state()
    before = _as_text(state)
    theirs = state.as_django_has_it()
    AddField("Author", "n", models.TextField()).state_forwards("library", theirs)
    assert _as_text(state) == before


def test_the_state_that_django_unapplies_from_is_shown_to_nobody() -> None:
    executor = LazyExecutor.__new__(LazyExecutor)
    executor.__dict__["rendering"] = Rendering(set())
    state = run_state()
    shown = executor.shown_backwards(state, plans.migration("0001", FIELD))
    assert isinstance(shown, RunState)
    assert (shown.render, state.render) == (Render.MODEL, Render.ON_DEMAND)


def test_what_is_not_changed_is_shared() -> None:
    state = run_state()
    before = state.clone()
    AddField("Author", "n", models.TextField()).state_forwards("library", state)
    changed = {key for key, model in state.models.items() if before.models[key] is not model}
    assert changed == {("library", "author")}


def test_a_class_is_used_again_until_something_it_is_made_of_changes() -> None:
    state = run_state()
    state.show(Render.MODEL)
    book = state.apps.get_model("library", "Book")
    AddField("Tag", "n", models.TextField()).state_forwards("library", state)
    AddField("Review", "n", models.TextField()).state_forwards("library", state)
    state.clone()
    loan = state.apps.get_model("library", "Loan")
    AddField("Fan", "n", models.TextField()).state_forwards("library", state)
    assert state.apps.get_model("library", "Loan") is loan
    assert state.apps.get_model("library", "Book") is not book  # it goes to tags by a table


def test_what_cannot_be_set_on_a_model_cannot_before_it_is_rendered_either() -> None:
    author = run_state().apps.get_model("library", "Author")
    with pytest.raises(TypeError, match="Direct assignment to the reverse side"):
        author().book_set = []


class Plain:
    pass


class Told:
    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Code of the project, as a class is made of it."""


class Maker(type(models.Model)):  # type: ignore[misc]
    pass


@pytest.mark.parametrize(("base", "certain"), [(Plain, True), (Told, False), (Maker("Made", (), {}), False)], ids=str)
def test_a_base_that_has_a_say_in_its_classes_is_known(base: type, certain: bool) -> None:
    fields = [("id", models.AutoField(primary_key=True))]
    assert relations.of(ModelState("library", "Loan", fields, {}, (base, models.Model))).certain is certain


class Nosy(models.ForeignKey[Any, Any]):
    """Code of the project, which may look at all that it points to."""

    def contribute_to_class(self, *args: Any, **kwargs: Any) -> None:
        super().contribute_to_class(*args, **kwargs)


@pytest.mark.parametrize("asked", ["Lender", "Loan"])
def test_code_of_a_field_is_shown_no_sketch(asked: str) -> None:
    """Neither of what it points to, nor is it part of one itself."""
    lender = operations.CreateModel(
        "Lender", [("of", Nosy("library.Author", models.CASCADE, primary_key=True, db_column="of"))]
    )
    loan = AddField("Loan", "lender", models.ForeignKey("library.Lender", models.CASCADE))
    state = run_state(*library(), lender, loan)
    with pytest.raises(Unsure):
        SingleModels(FieldPrototypes()).model(("library", asked.lower()), ModelStates(state.models))


@pytest.mark.timeout(30)  # it went round for ever
def test_a_model_that_its_own_relation_goes_through_is_rendered() -> None:
    friends = models.ManyToManyField("library.Author", through="library.Author", through_fields=("one", "other"))
    keys = [models.ForeignKey("library.Author", models.CASCADE, related_name="+") for _ in range(2)]
    state = run_state(
        *library(),
        AddField("Author", "one", keys[0]),
        AddField("Author", "other", keys[1]),
        AddField("Author", "friends", friends),
    )
    made = SingleModels(FieldPrototypes()).model(("library", "author"), ModelStates(state.models))
    assert made._meta.get_field("friends").remote_field.through is made


@pytest.mark.parametrize(
    ("options", "given", "accessors"),
    [
        ({}, {}, ["loan_set"]),
        ({"default_related_name": "%(model_name)s_all"}, {}, ["loan_all"]),
        ({"default_related_name": "them"}, {"related_name": "lent"}, ["lent"]),
        ({}, {"related_name": "+"}, []),
        ({"order_with_respect_to": "of"}, {}, ["loan_set", "get_loan_order", "set_loan_order"]),
    ],
    ids=str,
)
def test_what_a_relation_puts_on_the_class_it_points_to(
    options: dict[str, str], given: dict[str, str], accessors: list[str]
) -> None:
    fields = [
        ("id", models.AutoField(primary_key=True)),
        ("of", models.ForeignKey("library.Tag", models.CASCADE, **given)),
    ]
    (relation,) = relations.of(ModelState("library", "Loan", fields, options)).all
    assert list(relation.accessors) == accessors


def test_a_class_that_has_looked_around_is_not_used_again() -> None:
    state = run_state()
    state.show(Render.MODEL)
    author = state.apps.get_model("library", "Author")
    assert "Review" not in [object_.related_model.__name__ for object_ in author._meta.related_objects]
    AddField("Review", "by", models.ForeignKey("library.Author", models.CASCADE)).state_forwards("library", state)
    author = state.apps.get_model("library", "Author")
    assert "Review" in [object_.related_model.__name__ for object_ in author._meta.related_objects]


def test_little_is_rendered_for_an_operation_and_for_code() -> None:
    state = run_state()
    rendered: list[str] = []
    original = ModelState.render

    def counted(self: ModelState, apps: Any) -> Any:
        rendered.append(self.name)
        return original(self, apps)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ModelState, "render", counted)
        state.show(Render.MODEL)
        state.apps.get_model("library", "Review")
        assert sorted(rendered) == ["Book", "Review"]  # the book's key alone
        rendered.clear()
        state.show(Render.ON_DEMAND)
        passport = state.apps.get_model("library", "Passport")
        assert sorted(rendered) == ["Author", "Passport"]
        assert hasattr(passport.author.field.related_model, "book_set")
        assert "Book" in rendered
        assert "Collector" not in rendered


def test_creating_a_row_does_not_render_everything() -> None:
    """A seam: what Django remembers of what is one-to-one with a model."""
    assert "_reverse_one_to_one_field_names" in vars(Options)
    state = run_state()
    tag, author = (state.apps.get_model("library", name) for name in ("Tag", "Author"))
    assert tag._meta._reverse_one_to_one_field_names == frozenset()
    assert not state.apps._all_models["library"].get("collector")
    assert author._meta._reverse_one_to_one_field_names == {"profile", "passport"}


LOOKUPS = [("Review", "book__isnull", True), ("Book", "author__in", [1]), ("Passport", "author__isnull", True)]


@pytest.mark.parametrize(("name", "lookup", "value"), LOOKUPS, ids=str)
def test_a_lookup_does_not_render_everything(name: str, lookup: str, value: object) -> None:
    """A seam: what Django remembers of what points to a model, by its names."""
    assert isinstance(vars(Options)["fields_map"], cached_property)
    assert "fields_map" in Options.REVERSE_PROPERTIES
    state = run_state()
    model = state.apps.get_model("library", name)
    assert str(model.objects.filter(**{lookup: value}).query)
    assert not state.apps._all_models["library"].get("collector")


def test_what_points_to_a_model_is_found_by_its_names_in_queries() -> None:
    state, django = run_state(), run_state().as_django_has_it()
    for label, name in state.models:
        model, expected = (project_state.apps.get_model(label, name)._meta for project_state in (state, django))
        for known in expected.fields_map:
            assert model.fields_map[known].name == expected.fields_map[known].name
        assert "nothing" not in model.fields_map
        assert sorted(model.fields_map) == sorted(expected.fields_map)


def test_a_model_that_code_makes_for_itself_is_found_from_what_it_points_to() -> None:
    """No state knows it."""
    apps = run_state().apps
    author = apps.get_model("library", "Author")
    meta = type("Meta", (), {"app_label": "library", "apps": apps})
    link = models.OneToOneField(author, models.CASCADE)
    type("Own", (models.Model,), {"__module__": "own", "Meta": meta, "author": link})
    assert str(author.objects.filter(own__pk=1).query)
    assert "own" in author._meta._reverse_one_to_one_field_names


@pytest.mark.parametrize("asked", ["Tag", "Review", "Passport"])
def test_models_come_in_djangos_order_whichever_was_asked_for_first(asked: str) -> None:
    """Content types and permissions are numbered in it."""
    state = run_state()
    django = state.as_django_has_it().apps
    assert state.apps.get_model("library", asked)
    found, expected = (
        each.get_app_config("library").get_models(include_auto_created=True) for each in (state.apps, django)
    )
    assert [each.__name__ for each in found] == [each.__name__ for each in expected]
    assert list(state.apps.all_models["library"]) == list(django.all_models["library"])


def test_what_is_overridden_in_djangos_executor_is_there() -> None:
    """A seam: their names, and that the second begins with the first."""
    begins = inspect.signature(MigrationExecutor._create_project_state)
    assert list(begins.parameters) == ["self", "with_applied_migrations"]
    backwards = MigrationExecutor._migrate_all_backwards
    assert list(inspect.signature(backwards).parameters) == ["self", "plan", "full_plan", "fake"]
    assert "self._create_project_state(" in inspect.getsource(backwards)


def _nothing(*_: Any) -> None:
    """Code of a migration that does nothing."""


class Own(Migration):
    def apply(self, *args: Any, **kwargs: Any) -> Any:
        return super().apply(*args, **kwargs)


class Mutating(Migration):
    def mutate_state(self, *args: Any, **kwargs: Any) -> Any:
        return super().mutate_state(*args, **kwargs)


class Derived(AddField):
    """A third party's, though it changes nothing."""


FIELD = AddField("Author", "n", models.TextField())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((FIELD, RunSQL("SELECT 1")), Render.MODEL),
        ((FIELD, RunPython(_nothing)), Render.ON_DEMAND),
        ((SeparateDatabaseAndState([RunPython(_nothing)], []),), Render.ON_DEMAND),
        ((Derived("Author", "n", models.TextField()),), Render.EAGER),
        ((SeparateDatabaseAndState([], [Derived("Author", "n", models.TextField())]),), Render.EAGER),
        ((RunSQL("SELECT 1", state_operations=[Sends("SELECT 1")]),), Render.EAGER),
    ],
)
def test_how_much_a_migration_sees(given: tuple[operations.base.Operation, ...], expected: Render) -> None:
    assert render_of(plans.migration("0001", *given)) is expected


@pytest.mark.parametrize("kind", [Own, Mutating])
def test_a_migration_with_a_method_of_its_own_is_rendered_as_django_does(kind: type[Migration]) -> None:
    migration = kind("0001", "library")
    migration.operations = [FIELD]
    assert render_of(migration) is Render.EAGER


def test_whoever_listens_to_classes_hears_of_all_of_them() -> None:
    class_prepared.connect(_nothing)
    try:
        assert render_of(plans.migration("0001", FIELD)) is Render.EAGER
    finally:
        class_prepared.disconnect(_nothing)


def test_a_router_that_is_asked_about_models_is_shown_whole_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router, "routers", [type("Router", (), {"allow_migrate": lambda *_: None})()])
    assert render_of(plans.migration("0001", FIELD)) is Render.ON_DEMAND


def test_an_implicit_parent_is_rendered_as_django_does() -> None:
    state = run_state(*library(), operations.CreateModel("Novel", [("n", models.TextField())], bases=("library.book",)))
    shown = state.rendering.shown(state, plans.migration("0001", FIELD))
    assert type(shown) is ProjectState
    assert "apps" in vars(shown)


def test_a_model_that_others_still_name_is_deleted_as_django_does() -> None:
    state = run_state()
    orphaning = [operations.DeleteModel("Passport"), operations.DeleteModel("Book"), operations.DeleteModel("Comic")]
    shown = state.rendering.shown(state, plans.migration("0001", *orphaning))
    assert type(shown) is ProjectState
    orphaning[1].state_forwards("library", shown)
    assert state.rendering.shown(shown, plans.migration("0002", FIELD)) is shown


def test_a_model_that_nobody_names_any_more_is_rendered_lazily() -> None:
    state = run_state()
    orderly = [operations.RemoveField("Fan", "of"), operations.DeleteModel("Writer"), operations.DeleteModel("Page")]
    assert isinstance(state.rendering.shown(state, plans.migration("0001", *orderly)), RunState)


def test_a_change_that_cannot_be_made_is_left_to_django() -> None:
    state = run_state()
    wrong = [operations.RemoveField("Nothing", "of"), operations.DeleteModel("Page")]
    assert type(state.rendering.shown(state, plans.migration("0001", *wrong))) is ProjectState


def test_a_relation_to_nothing_fails_as_in_django() -> None:
    broken = [*library(), AddField("Author", "of", models.ForeignKey("library.Nothing", models.CASCADE))]
    state = run_state(*broken)
    assert state.apps.get_model("library", "Tag")
    with pytest.raises(ValueError, match="lazy reference to"):
        state.apps.get_model("library", "Author")


def test_models_can_be_replaced_as_the_end_of_migrate_does() -> None:
    """Django takes models of apps without migrations out, and puts them in again with their relations."""
    state = run_state()
    apps = state.apps
    assert isinstance(apps, OnDemandApps)
    tag = apps.get_model("library", "Tag")
    with apps.bulk_update():
        apps.unregister_model("library", "tag")
    with pytest.raises(LookupError):
        apps.get_model("library", "Tag")
    apps.render_multiple([state.models["library", "tag"]])
    assert apps.get_model("library", "Tag") is not tag


def test_a_run_keeps_two_classes_of_each_model() -> None:
    """Memory does not grow with the number of migrations."""
    state = run_state()
    near: SingleModels = state.rendering.single_models
    for number in range(50):
        AddField("Book", f"n{number}", models.TextField()).state_forwards("library", state)
        state.show(Render.MODEL)
        state.apps.get_model("library", "Book")
    assert [len(mades) for mades in near._models._kept.values()] == [2]
    assert len(near._sketches) < 10


def test_a_run_keeps_classes_of_the_models_that_it_dealt_with_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "MODELS_AT_HAND", 2)
    state = run_state()
    state.show(Render.MODEL)
    tag, fan = (state.apps.get_model("library", name) for name in ("Tag", "Fan"))
    assert state.apps.get_model("library", "Tag") is tag
    state.apps.get_model("library", "Author")
    assert state.apps.get_model("library", "Tag") is tag
    assert state.apps.get_model("library", "Fan") is not fan


@pytest.mark.parametrize("operation", [FIELD, operations.AlterField("Author", "name", models.TextField())], ids=str)
def test_what_an_operation_left_is_what_the_next_one_begins_with(operation: operations.base.Operation) -> None:
    """Django asks for the class after an operation, then for the one before it."""
    state = run_state()
    state.show(Render.MODEL)
    known = state.apps.get_model("library", "Author")
    before = state.clone()
    operation.state_forwards("library", state)
    after = state.apps.get_model("library", "Author")
    assert before.apps.get_model("library", "Author") is known
    assert state.apps.get_model("library", "Author") is after is not known


@pytest.mark.parametrize(("given", "during"), [(700, policy.GARBAGE_THRESHOLD), (10**6, 10**6), (0, 0)])
def test_garbage_is_collected_in_bulk_while_migrations_run(given: int, during: int) -> None:
    kept = gc.get_threshold()
    gc.set_threshold(given, *kept[1:])
    try:
        with contextlib.suppress(ZeroDivisionError), gc_threshold.collected_in_bulk():
            assert gc.get_threshold()[0] == during
            raise ZeroDivisionError
        assert gc.get_threshold()[0] == given
    finally:
        gc.set_threshold(*kept)
