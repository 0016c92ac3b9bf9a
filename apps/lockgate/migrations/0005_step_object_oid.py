from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("lockgate", "0004_snapshot"),
    ]

    operations = [
        migrations.AddField(
            model_name="step",
            name="object_oid",
            field=models.BigIntegerField(null=True, help_text="of what it made, or is to drop, in the catalog"),
        ),
    ]
