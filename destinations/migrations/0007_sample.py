"""Samples: where every event was, once each interval."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("destinations", "0006_destination_actions")]
    operations = [
        migrations.CreateModel(
            name="Sample",
            fields=[
                ("slot", models.BigIntegerField(primary_key=True, serialize=False)),
                ("taken_at", models.DateTimeField()),
                ("took_seconds", models.FloatField(null=True)),
                ("counts", models.JSONField(null=True)),
            ],
        ),
    ]
