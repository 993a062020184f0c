"""The one row that holds the mode."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("alerts", "0001_initial")]
    operations = [
        migrations.RunSQL(
            "INSERT INTO alerts_mode (id, mode, since, reason, actor) VALUES (1, 'normal', now(), '', '')",
            "DELETE FROM alerts_mode",
        )
    ]
