"""Tallies lane by lane and milestones of them, so that a long backlog is added up and not counted event by event."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

from ingest.models import LANES

# Defaults stay in the database, because a trigger inserts the tally of a new source.
# Existing tallies start over: the next roll-up counts their events again, lane by lane.
COLUMNS = f"""
ALTER TABLE ingest_tally ADD COLUMN day date NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')::date,
    ADD COLUMN by_lane bigint[] NOT NULL DEFAULT array_fill(0::bigint, ARRAY[{LANES}]);
UPDATE ingest_tally SET accepted = 0, through_xid = 0, day = 'epoch';
"""
LESS = "ALTER TABLE ingest_tally DROP COLUMN day, DROP COLUMN by_lane"


class Migration(migrations.Migration):
    dependencies = [("ingest", "0002_event_log")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(COLUMNS, LESS)],
            state_operations=[
                migrations.AddField("tally", "day", models.DateField()),
                migrations.AddField(
                    "tally",
                    "by_lane",
                    django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=LANES),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Milestone",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "source_id", "xid", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("xid", models.BigIntegerField()),
                ("accepted", models.BigIntegerField()),
                (
                    "by_lane",
                    django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=LANES),
                ),
                (
                    "source",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to="ingest.source"),
                ),
            ],
        ),
    ]
