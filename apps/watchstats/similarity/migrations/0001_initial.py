"""Embeddings of items, and the index that finds near ones."""

import django.db.models.deletion
import django.db.models.functions.datetime
import pgvector.django
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [("watchstats", "0001_initial")]

    requires_extensions = ["vector"]

    operations = [
        migrations.CreateModel(
            name="ItemEmbedding",
            fields=[
                (
                    "item",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="embedding",
                        serialize=False,
                        to="watchstats.item",
                    ),
                ),
                ("model", models.CharField(max_length=100)),
                ("embedding", pgvector.django.VectorField(dimensions=384)),
                (
                    "computed_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
            ],
            options={
                "indexes": [
                    pgvector.django.HnswIndex(
                        ef_construction=64,
                        fields=["embedding"],
                        m=16,
                        name="watchstats_embedding_cosine",
                        opclasses=["vector_cosine_ops"],
                    )
                ],
            },
        ),
    ]
