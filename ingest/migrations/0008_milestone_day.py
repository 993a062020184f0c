"""The day of a milestone, so that those from before the log's oldest day can go."""

from django.db import migrations, models

COLUMN = "ALTER TABLE ingest_milestone ADD COLUMN day date NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')::date"


class Migration(migrations.Migration):
    dependencies = [("ingest", "0007_write_keys")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(COLUMN, "ALTER TABLE ingest_milestone DROP COLUMN day")],
            state_operations=[migrations.AddField("milestone", "day", models.DateField())],
        ),
    ]
