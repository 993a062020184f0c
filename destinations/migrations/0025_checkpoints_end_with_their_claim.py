"""Checkpoints end with their claim, whoever deletes it: a deleted destination takes along what its links hold."""

from django.db import migrations

WITH_THEIR_CLAIM = """
CREATE FUNCTION destinations_checkpoints_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM destinations_checkpoint WHERE claim_id = OLD.id;
    RETURN NULL;
END $$;
CREATE TRIGGER checkpoints_end AFTER DELETE ON destinations_claim
    FOR EACH ROW EXECUTE FUNCTION destinations_checkpoints_end();
DELETE FROM destinations_checkpoint p WHERE NOT EXISTS (SELECT FROM destinations_claim c WHERE c.id = p.claim_id);
"""
UNDO = """
DROP TRIGGER checkpoints_end ON destinations_claim;
DROP FUNCTION destinations_checkpoints_end;
"""


class Migration(migrations.Migration):
    dependencies = [("destinations", "0024_exact_beginnings")]
    operations = [migrations.RunSQL(WITH_THEIR_CLAIM, UNDO)]
