"""Histories of an app that is nowhere installed: what models can be, and what code of a migration can ask of them.

Each is made anew for each way that runs it. Code says what it sees in a statement, so that two ways which see different
things send different statements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.contrib.postgres import operations as postgres_operations
from django.db import models
from django.db.migrations import Migration
from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation

from tests.support import plans
from tests.support.plan_case import Sends

CASCADE, ForeignKey, OneToOne = models.CASCADE, models.ForeignKey, models.OneToOneField


def key(field: type[models.Field[Any, Any]] = models.BigAutoField) -> tuple[str, Any]:
    return "id", field(primary_key=True)


def create(name: str, *fields: tuple[str, Any], bases: tuple[Any, ...] = (models.Model,), **options: Any) -> Operation:
    managers = options.pop("managers", None)
    own = [] if options.get("proxy") or any(name.endswith("_ptr") for name, _ in fields) else [key()]
    if any(field.primary_key for _, field in fields):
        own = []
    return ops.CreateModel(name, [*own, *fields], options, bases, managers)


def text(**options: Any) -> Any:
    return models.CharField(max_length=50, default="", **options)


def say(editor: Any, *seen: Any) -> None:
    editor.execute("SELECT %s::text", [" | ".join(map(str, seen))])


def code(function: Callable[[Any, Callable[..., None]], None]) -> Operation:
    """A RunPython. function: is given ``apps``, and what says what it sees.

    Not so backwards: the classes that Django has there have not heard of each other, and so show less than there is.
    """

    def run(apps: Any, editor: Any) -> None:
        function(apps, partial(say, editor))

    return ops.RunPython(run, ops.RunPython.noop)


class Mixin:
    """Plain, as a mixin of the project's would be."""

    def shout(self) -> str:
        return str(self).upper()


class Hooked:
    """One that hears of every class that inherits from it."""

    heard: list[str] = []

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        Hooked.heard.append(cls.__name__)


class Nosy(models.ForeignKey):  # type: ignore[type-arg]
    """A third party's relation, which puts something of its own on the model that it points to."""

    def contribute_to_related_class(self, cls: Any, related: Any) -> None:
        super().contribute_to_related_class(cls, related)
        cls.pointed_to_by = [*getattr(cls, "pointed_to_by", ()), self.model.__name__]


class Counting(models.Manager):  # type: ignore[type-arg]
    use_in_migrations = True

    def total(self) -> int:
        return self.count() * 10


class ByHand(Operation):
    """A third party's operation that changes the state itself, in place."""

    reduces_to_sql = False

    def state_forwards(self, app_label: str, state: Any) -> None:
        state.models[app_label, "author"].fields["motto"] = text()
        state.reload_model(app_label, "author", delay=False)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        before, after = (state.apps.get_model(app_label, "Author") for state in (from_state, to_state))
        say(schema_editor, [field.name for field in before._meta.fields])
        schema_editor.add_field(before, after._meta.get_field("motto"))

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = from_state.apps.get_model(app_label, "Author")
        schema_editor.remove_field(model, model._meta.get_field("motto"))


def library() -> list[Operation]:
    """Models with relations of every kind, both ways round."""
    return [
        create(
            "Author", ("name", text()), ("code", models.CharField(max_length=9, unique=True, default=None, null=True))
        ),
        create("Tag", ("name", text())),
        create(
            "Book",
            ("title", text()),
            ("author", ForeignKey("library.Author", CASCADE)),
            ("editor", ForeignKey("library.Author", CASCADE, related_name="edited", null=True)),
            ("hidden", ForeignKey("library.Author", CASCADE, related_name="+", null=True)),
            (
                "by_code",
                ForeignKey("library.Author", CASCADE, to_field="code", related_name="coded_%(class)ss", null=True),
            ),
            (
                "named",
                ForeignKey(
                    "library.Author", CASCADE, related_name="for_code", related_query_name="in_%(class)ss", null=True
                ),
            ),
            ("sequel_of", ForeignKey("self", CASCADE, null=True, related_name="sequels")),
            ("tags", models.ManyToManyField("library.Tag")),
        ),
        create("Profile", ("author", OneToOne("library.Author", CASCADE)), ("bio", text())),
        create("Passport", ("author", OneToOne("library.Author", CASCADE, primary_key=True)), ("number", text())),
        create(
            "Review",
            ("book", ForeignKey("library.Book", CASCADE)),
            ("stars", models.IntegerField(default=3)),
            default_related_name="reviews",
        ),
        create("Loan", ("book", ForeignKey("library.Book", CASCADE)), ("tag", ForeignKey("library.Tag", CASCADE))),
        ops.AddField(
            "Book", "lent", models.ManyToManyField("library.Tag", through="library.Loan", related_name="lent")
        ),
        ops.AddField("Author", "friends", models.ManyToManyField("self")),
        ops.AddField("Author", "follows", models.ManyToManyField("self", symmetrical=False, related_name="followers")),
        create(
            "Comic",
            (
                "book_ptr",
                OneToOne(
                    "library.Book", CASCADE, auto_created=True, parent_link=True, primary_key=True, serialize=False
                ),
            ),
            ("colours", models.IntegerField(default=4)),
            bases=("library.book",),
        ),
        create("Writer", proxy=True, bases=("library.author",)),
        create("Page", ("book", ForeignKey("library.Book", CASCADE)), order_with_respect_to="book"),
        create("Fan", ("of", ForeignKey("library.Writer", CASCADE, null=True))),
        create("Collector", ("of", ForeignKey("library.Comic", CASCADE, null=True))),
    ]


def each_alone(*operations: Operation, first: int = 1) -> list[Migration]:
    return [plans.migration(f"{number:04}", operation) for number, operation in enumerate(operations, first)]


def grown(*operations: Operation | Sequence[Operation]) -> list[Migration]:
    """On top of the library: a migration for each operation, or for each list of some."""
    listed = [[operation] if isinstance(operation, Operation) else list(operation) for operation in operations]
    return [
        *each_alone(*library()),
        *(plans.migration(f"9{n:03}", *one_operations) for n, one_operations in enumerate(listed)),
    ]


def names(found: Any) -> list[str]:
    return sorted(map(str, found))


# What code asks


def _one_model(apps: Any, see: Any) -> None:
    author = apps.get_model("library", "Author")
    see(author, apps.get_model("library.author") is author, apps.get_model("library", "AUTHOR") is author)
    made = author.objects.create(name="Ann")
    see(author.objects.filter(name="Ann").count(), made.name, author._meta.label)


def _accessors(apps: Any, see: Any) -> None:
    """Attributes that other models put there, though nobody asked for those models."""
    author, book = apps.get_model("library", "Author"), apps.get_model("library", "Book")
    wanted = (
        "book_set",
        "edited",
        "coded_books",
        "hidden",
        "profile",
        "passport",
        "follows",
        "followers",
        "friends",
        "friends_rel_+",
        "fan_set",
        "collector_set",
        "writer",
        "nothing_set",
    )
    see([(name, hasattr(author, name)) for name in wanted])
    wanted = (
        "reviews",
        "review_set",
        "sequels",
        "page_set",
        "loan_set",
        "comic",
        "get_page_order",
        "set_page_order",
        "collector_set",
        "book_set",
    )
    see([(name, hasattr(book, name)) for name in wanted])
    see(type(author.book_set).__name__, type(author.profile).__name__, author.book_set.rel.related_model)
    see(author.book_set.rel.related_model is book, hasattr(apps.get_model("library", "Comic"), "reviews"))
    see(hasattr(apps.get_model("library", "Writer"), "fan_set"), hasattr(author, "fan_set"))


def _reverse(apps: Any, see: Any) -> None:
    author = apps.get_model("library", "Author")
    ann = author.objects.create(name="Ann")
    book = ann.book_set.create(title="One")
    see(ann.book_set.count(), book.author is ann, author.objects.filter(book__title="One").count())
    apps.get_model("library", "Review").objects.create(book=book, stars=5)
    see(author.objects.filter(book__reviews__stars=5).count(), author.objects.filter(profile__bio="").count())
    see(author.objects.filter(in_books__title="One").count(), ann.for_code.count())
    see(
        [review.stars for review in book.reviews.all()],
        book.sequels.count(),
        ann.profile_set if hasattr(ann, "profile_set") else "-",
    )


def _partner(apps: Any, see: Any) -> None:
    author, profile = apps.get_model("library", "Author"), apps.get_model("library", "Profile")
    ann = author.objects.create(name="Ann")
    try:
        see(ann.profile)
    except profile.DoesNotExist as error:
        see(type(error).__qualname__, issubclass(type(error), AttributeError))
    made = profile.objects.create(author=ann, bio="b")
    see(author.objects.get(pk=ann.pk).profile == made, isinstance(ann.profile, profile))
    try:
        author.objects.create(name="Bob", profile=made)
    except (TypeError, ValueError) as error:
        see(type(error).__name__, error)


def _relations(apps: Any, see: Any) -> None:
    for name in ("Author", "Book", "Comic", "Tag", "Writer", "Passport"):
        meta = apps.get_model("library", name)._meta
        see(
            name,
            names(object_.name for object_ in meta.related_objects),
            names(field.name for field in meta.get_fields()),
        )
        see(names(field.name for field in meta.get_fields(include_hidden=True)))


def _everything(apps: Any, see: Any) -> None:
    see(names(apps.get_models()), names(apps.get_models(include_auto_created=True)))
    config = apps.get_app_config("library")
    see(config.label, names(config.get_models()), config.get_model("tag"), names(config.models))
    see({label: names(model) for label, model in apps.all_models.items() if model})
    see(
        apps.is_installed("library"),
        apps.is_installed("nothing"),
        [one_config.label for one_config in apps.get_app_configs()],
    )
    see(apps.get_registered_model("library", "Tag") is apps.get_model("library", "Tag"))
    see(apps.get_containing_app_config("library.models"), apps.ready, apps.models_ready)


def _errors(apps: Any, see: Any) -> None:
    for given in (("nothing", "Author"), ("library", "Nothing"), ("library.Nothing",)):
        try:
            apps.get_model(*given)
        except LookupError as error:
            see(error)


def _deletes(apps: Any, see: Any) -> None:
    author, book, tag = (apps.get_model("library", name) for name in ("Author", "Book", "Tag"))
    ann = author.objects.create(name="Ann")
    one = book.objects.create(title="One", author=ann)
    one.tags.add(tag.objects.create(name="t"))
    apps.get_model("library", "Review").objects.create(book=one)
    apps.get_model("library", "Passport").objects.create(author=ann)
    see(sorted(ann.delete()[1].items()), book.objects.count())


def _many(apps: Any, see: Any) -> None:
    tag = apps.get_model("library", "Tag").objects.create(name="t")
    author = apps.get_model("library", "Author").objects.create(name="Ann")
    book = author.book_set.create(title="Two")
    tag.book_set.add(book)
    see(book.tags.count(), tag.book_set.get() == book, [each.title for each in tag.lent.all()])
    author.friends.add(author)
    see(author.friends.count(), author.follows.count())
    through = apps.get_model("library", "Book").tags.through
    see(through, through.objects.count(), apps.get_model("library", "Book_tags") is through)
    prefetched = apps.get_model("library", "Author").objects.prefetch_related("book_set__tags", "edited")
    see([[names(b.tags.all().values_list("name", flat=True)) for b in each.book_set.all()] for each in prefetched])


def _hops(apps: Any, see: Any) -> None:
    """From one model to another by its relations alone, and back."""
    review = apps.get_model("library", "Review")
    book = review._meta.get_field("book").related_model
    author = book._meta.get_field("author").remote_field.model
    see(author is apps.get_model("library", "Author"), book is apps.get_model("library", "Book"))
    see(str(review.objects.filter(book__author__profile__bio="x", book__tags__name="y").query))
    see(str(review.objects.select_related("book__author__profile").order_by("book__author__name").query))
    see(str(author.objects.annotate(n=models.Count("book__reviews")).values("n", "name").query))
    see(str(apps.get_model("library", "Comic").objects.filter(reviews__stars=1, book_ptr__title="x").query))
    see(apps.get_model("library", "Comic").__mro__[1] is book, apps.get_model("library", "Writer").__mro__[1] is author)


def _order(apps: Any, see: Any) -> None:
    book = apps.get_model("library", "Author").objects.create(name="Ann").book_set.create(title="Three")
    pages = [apps.get_model("library", "Page").objects.create(book=book) for _ in range(3)]
    book.set_page_order([page.pk for page in reversed(pages)])
    see([pages.index(object_) for object_ in apps.get_model("library", "Page").objects.filter(book=book)])
    see(list(book.get_page_order()) == [page.pk for page in reversed(pages)])


def _sets(apps: Any, see: Any) -> None:
    author = apps.get_model("library", "Author")
    try:
        author(name="x").book_set = []
    except TypeError as error:
        see(error)
    see(author.from_db.__func__.__qualname__, author(name="y").name, sorted(author._meta.fields_map)[:3])


QUESTIONS = (
    _one_model,
    _accessors,
    _reverse,
    _partner,
    _relations,
    _everything,
    _errors,
    _deletes,
    _many,
    _hops,
    _order,
    _sets,
)


def asking(question: Any) -> list[Migration]:
    """A question, and again after a change, and in one migration with a change.

    Django renders everything anew for code only where an operation has put something off, as these do; otherwise code
    sees classes that have not heard of each other.
    """
    first, second, third = (ops.AddField("Tag", name, text()) for name in ("note", "mark", "sign"))
    return grown(first, code(question), second, [third, code(question)])


def marks() -> list[Migration]:
    """Code does something to a class, which the next code of the same migration does not find there."""

    def mark(apps: Any, see: Any) -> None:
        author = apps.get_model("library", "Author")
        see(hasattr(author, "marked"), apps.get_model("library", "Tag")._meta.get_field("name").blank)
        author.marked = apps.get_model("library", "Tag")._meta.get_field("name").blank = True

    put_off = ops.AddField("Tag", "note", text())  # has the models rendered that the code after it is given
    return grown([put_off, code(mark), ops.RunSQL("SELECT 1", "SELECT 1"), code(mark), code(mark)])


def renames() -> list[Migration]:
    return grown(
        ops.RenameField("Author", "code", "number"),  # what by_code refers to
        ops.RenameField("Book", "author", "writer"),
        ops.RenameField("Review", "stars", "points"),
        ops.RenameField("Author", "id", "key"),
        ops.RenameModel("Tag", "Label"),
        ops.AddField("Label", "loans", models.ManyToManyField("library.Loan", related_name="labels")),  # which has one
        ops.RenameModel("Loan", "Lending"),
        ops.RenameModel("Passport", "Papers"),
        ops.RenameField("Author", "number", "code"),
        ops.AlterModelTable("Book", "volumes"),
        ops.AlterModelTable("Author", "people"),
        code(_other_names),
    )


def _other_names(apps: Any, see: Any) -> None:
    see(names(apps.get_models(include_auto_created=True)))
    book = apps.get_model("library", "Book")
    see([(field.name, field.column) for field in book._meta.fields], book.tags.through._meta.db_table)
    see([field.name for field in book.tags.through._meta.fields], book._meta.get_field("by_code").target_field.name)


def keys() -> list[Migration]:
    """Changes of columns that others refer to."""
    return grown(
        ops.AlterField("Tag", "id", models.AutoField(primary_key=True)),
        ops.AlterField("Author", "id", models.AutoField(primary_key=True)),
        ops.AlterField("Author", "code", models.CharField(max_length=30, unique=True, default=None, null=True)),
        ops.AlterField("Book", "id", models.IntegerField(primary_key=True)),
        ops.AlterField("Author", "code", models.TextField(unique=True, default=None, null=True)),
        code(_other_names),
    )


def changes() -> list[Migration]:
    return grown(
        ops.AlterField("Book", "author", ForeignKey("library.Author", CASCADE, null=True, db_column="who")),
        ops.AlterField("Book", "author", ForeignKey("library.Tag", CASCADE, null=True)),
        ops.AlterField("Book", "tags", models.ManyToManyField("library.Author", related_name="tagged")),
        ops.RemoveField("Book", "tags"),
        ops.AddField("Book", "tags", models.ManyToManyField("library.Tag", db_table="marks")),
        ops.AlterField("Review", "book", OneToOne("library.Book", CASCADE)),
        ops.AlterOrderWithRespectTo("Review", "book"),
        ops.AlterOrderWithRespectTo("Page", None),
        ops.AlterUniqueTogether("Book", {("title", "author")}),
        ops.AlterUniqueTogether("Book", set()),
        ops.AddIndex("Book", models.Index(models.F("author"), "title", name="by_author")),
        ops.RenameIndex("Book", new_name="by_writer", old_name="by_author"),
        ops.AddConstraint("Book", models.UniqueConstraint(fields=["author"], condition=models.Q(title=""), name="u")),
        ops.AddConstraint("Comic", models.CheckConstraint(condition=models.Q(colours__gt=0), name="coloured")),
        ops.RemoveConstraint("Book", "u"),
        ops.AlterModelOptions("Book", {"ordering": ["author__name"]}),
        ops.AlterModelManagers("Book", [("objects", Counting())]),
        code(lambda apps, see: see(apps.get_model("library", "Book").objects.total())),
        ops.AlterModelTableComment("Book", "books"),
        ops.RemoveField("Book", "lent"),
        ops.DeleteModel("Loan"),
        ops.RemoveField("Fan", "of"),
        ops.DeleteModel("Writer"),
        ops.DeleteModel("Passport"),
        code(_relations_there),
    )


def _relations_there(apps: Any, see: Any) -> None:
    for model in sorted(apps.get_models(), key=str):
        see(model, names(field.name for field in model._meta.get_fields(include_hidden=True)))


def circular() -> list[Migration]:
    return [
        plans.migration(
            "0001",
            create("Hen", ("name", text())),
            create("Egg", ("of", ForeignKey("library.Hen", CASCADE))),
            ops.AddField("Hen", "out_of", ForeignKey("library.Egg", CASCADE, null=True)),
        ),
        *each_alone(
            ops.AddField("Egg", "size", text()),
            ops.AlterField("Hen", "id", models.AutoField(primary_key=True)),
            ops.RenameModel("Hen", "Chicken"),
            ops.RenameField("Egg", "of", "from_hen"),
            code(
                lambda apps, see: see(
                    str(apps.get_model("library", "Egg").objects.filter(chicken__out_of__size="").query)
                )
            ),
            ops.AlterField("Egg", "id", models.AutoField(primary_key=True)),
            first=2,
        ),
    ]


def separated() -> list[Migration]:
    """State and database apart, inside each other, in one migration with code and alone."""
    add = ops.AddField("Author", "nick", text())
    moved = ops.SeparateDatabaseAndState(
        [ops.AlterModelTable("Tag", "labels"), ops.SeparateDatabaseAndState([ops.AddField("Tag", "x", text())], [])],
        [create("Label", ("name", text()), db_table="labels"), ops.DeleteModel("Profile")],
    )
    return grown(
        ops.SeparateDatabaseAndState([add], [add]),
        moved,
        ops.RunSQL(
            "CREATE TABLE extra (id bigint)", "DROP TABLE extra", [create("Extra", managed=False, db_table="extra")]
        ),
        [ops.SeparateDatabaseAndState([code(_one_model)], [ops.AddField("Tag", "y", text())])],
        code(_relations_there),
    )


def unmanaged() -> list[Migration]:
    return [
        *each_alone(
            ops.RunSQL("CREATE TABLE theirs (id bigint PRIMARY KEY)", "DROP TABLE theirs"),
            create("Theirs", ("name", text()), managed=False, db_table="theirs"),
            create(
                "Ours",
                ("theirs", ForeignKey("library.Theirs", CASCADE)),
                ("many", models.ManyToManyField("library.Theirs", related_name="m")),
            ),
            ops.AddField("Theirs", "more", text()),
            ops.AlterField("Ours", "theirs", ForeignKey("library.Theirs", CASCADE, db_constraint=False)),
            create("Swapped", ("name", text()), swappable="LIBRARY_SWAPPED"),
            create("Holder", ("held", ForeignKey("library.Swapped", CASCADE))),
            code(_relations_there),
        )
    ]


def bases() -> list[Migration]:
    return grown(
        create("Mixed", ("name", text()), ("of", ForeignKey("library.Author", CASCADE)), bases=(Mixin, models.Model)),
        ops.AddField("Mixed", "n", text()),
        code(lambda apps, see: see(apps.get_model("library", "Mixed")(name="a").shout())),
        create("Own", ("ours", ForeignKey("library.Mixed", CASCADE)), managers=[("counted", Counting())]),
        code(
            lambda apps, see: see(
                apps.get_model("library", "Own").counted.total(), hasattr(apps.get_model("library", "Mixed"), "own_set")
            )
        ),
        ops.AlterField("Mixed", "id", models.AutoField(primary_key=True)),
    )


def others() -> list[Migration]:
    """What is a third party's, between what is Django's."""
    return grown(
        Says("SELECT 1"),
        ops.AddField("Author", "n", text()),
        ByHand(),
        ops.AddField("Author", "m", text()),
        [Says("SELECT 2"), ops.AddField("Tag", "m", text())],
        code(_relations_there),
        create("Curious", ("about", Nosy("library.Author", CASCADE))),
        ops.AddField("Author", "o", text()),
        code(lambda apps, see: see(apps.get_model("library", "Author").pointed_to_by)),
        ops.AlterField("Author", "id", models.AutoField(primary_key=True)),
        ops.RenameField("Curious", "about", "whom"),
        create("Hooking", ("name", text()), bases=(Hooked, models.Model)),
        ops.AddField("Hooking", "n", text()),
        code(_relations_there),
        code(_accessors),
    )


class Says(Sends):
    """One that can be taken back."""

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        schema_editor.execute(self.sql)


def parents() -> list[Migration]:
    """Tables that inherit, over several generations, and without the field that says so."""
    return [
        *each_alone(
            create("Being", ("name", text())),
            ops.CreateModel("Animal", [("legs", models.IntegerField(default=4))], bases=("library.being",)),
            ops.CreateModel("Dog", [("tail", text())], bases=("library.animal",)),
            create(
                "Kennel",
                ("dog", ForeignKey("library.Dog", CASCADE)),
                ("dogs", models.ManyToManyField("library.Dog", related_name="k")),
            ),
            ops.AddField("Being", "age", models.IntegerField(default=0)),
            ops.AddField("Dog", "teeth", models.IntegerField(default=42)),
            ops.AddIndex("Dog", models.Index(fields=["tail"], name="by_tail")),
            ops.AlterField("Being", "id", models.AutoField(primary_key=True)),
            code(_relations_there),
            code(
                lambda apps, see: see(
                    hasattr(apps.get_model("library", "Being"), "animal"),
                    hasattr(apps.get_model("library", "Animal"), "dog"),
                )
            ),
            create("Puppy", proxy=True, bases=("library.dog",)),
            ops.AddField("Kennel", "puppy", ForeignKey("library.Puppy", CASCADE, null=True)),
            ops.RenameField("Dog", "teeth", "fangs"),
            code(_relations_there),
        )
    ]


def bereaved() -> list[Migration]:
    """Models are deleted before those that inherit from them or point to them, as makemigrations itself has it.

    Not backwards: the server has no table then that a key could refer to.
    """
    link = OneToOne("library.Tag", CASCADE, auto_created=True, parent_link=True, primary_key=True, serialize=False)
    return grown(
        create("Badge", ("tag_ptr", link), ("colour", text()), bases=("library.tag",)),
        create("Shown", proxy=True, bases=("library.tag",)),
        [ops.RemoveField("Book", "tags"), ops.RemoveField("Book", "lent"), ops.DeleteModel("Loan")],
        create("Holder", ("tag", ForeignKey("library.Tag", CASCADE)), ("tags", models.ManyToManyField("library.Tag"))),
        [ops.RemoveField("Badge", "tag_ptr"), ops.DeleteModel("Tag"), ops.DeleteModel("Badge")],
        ops.AddField("Review", "size", text()),
        [ops.DeleteModel("Shown"), ops.RemoveField("Holder", "tag")],
        ops.RemoveField("Holder", "tags"),
        [ops.AddField("Holder", "more", text()), code(_relations_there)],
    )


def concurrent() -> list[Migration]:
    index = models.Index(fields=["title"], name="titles")
    return [
        *grown(),
        plans.migration("9990", postgres_operations.AddIndexConcurrently("Book", index), atomic=False),
        plans.migration("9991", postgres_operations.RemoveIndexConcurrently("Book", "titles"), atomic=False),
        plans.migration(
            "9992",
            postgres_operations.AddConstraintNotValid(
                "Book", models.CheckConstraint(condition=~models.Q(title="x"), name="c")
            ),
        ),
        plans.migration("9993", postgres_operations.ValidateConstraint("Book", "c")),
    ]


# Without renames of models, whose relations Django takes in the order of a set.
SCHEMAS = (marks, keys, changes, circular, separated, unmanaged, bases, others, parents, concurrent)
HISTORIES: dict[str, Callable[[], list[Migration]]] = {
    **{f"code asks for {each.__name__.strip('_').replace('_', ' ')}": partial(asking, each) for each in QUESTIONS},
    **{each.__name__: each for each in (*SCHEMAS, bereaved)},
}
