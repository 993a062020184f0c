"""How much a destination takes at once, as its last link found out; null until one did."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("destinations", "0025_checkpoints_end_with_their_claim")]
    operations = [migrations.AddField(model_name="health", name="learned", field=models.JSONField(null=True))]
