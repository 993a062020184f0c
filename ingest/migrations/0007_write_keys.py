"""Two valid write keys for a while, and no key that names two sources."""

import django.db.models.deletion
from django.db import migrations, models

TRIGGER = """
INSERT INTO ingest_write_key (key, source_id) SELECT write_key, id FROM ingest_source;
CREATE FUNCTION ingest_keep_write_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM ingest_write_key
    WHERE source_id = NEW.id AND key NOT IN (NEW.write_key, coalesce(NEW.previous_write_key, ''));
    INSERT INTO ingest_write_key (key, source_id)
    SELECT k, NEW.id FROM unnest(ARRAY[NEW.write_key, NEW.previous_write_key]) k
    WHERE k IS NOT NULL AND NOT EXISTS (SELECT FROM ingest_write_key w WHERE w.key = k AND w.source_id = NEW.id)
    GROUP BY k;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_write_keys AFTER INSERT OR UPDATE OF write_key, previous_write_key ON ingest_source
    FOR EACH ROW EXECUTE FUNCTION ingest_keep_write_keys();
"""


class Migration(migrations.Migration):
    dependencies = [("ingest", "0006_rejected_of_message")]
    operations = [
        migrations.AddField(
            model_name="source",
            name="previous_write_key",
            field=models.CharField(editable=False, max_length=200, null=True),
        ),
        migrations.AddField(
            model_name="source",
            name="previous_key_valid_until",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddConstraint(
            model_name="source",
            constraint=models.CheckConstraint(
                condition=models.Q(("previous_key_valid_until", None), ("previous_write_key", None))
                | models.Q(("previous_key_valid_until__isnull", False), ("previous_write_key__isnull", False)),
                name="source_previous_key_has_an_end",
            ),
        ),
        migrations.CreateModel(
            name="WriteKey",
            fields=[
                ("key", models.TextField(primary_key=True, serialize=False)),
                (
                    "source",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="ingest.source"),
                ),
            ],
            options={"db_table": "ingest_write_key"},
        ),
        migrations.RunSQL(
            TRIGGER, "DROP TRIGGER keep_write_keys ON ingest_source; DROP FUNCTION ingest_keep_write_keys"
        ),
    ]
