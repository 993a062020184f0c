"""The event log's place in the admin; no table."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("ingest", "0003_tally_by_lane")]
    operations = [
        migrations.CreateModel(
            name="LoggedEvent",
            fields=[],
            options={"verbose_name": "event", "managed": False, "default_permissions": ("view",)},
        ),
    ]
