"""What ingest tells the rest of the product.

events_stored: sent after COMMIT with `lanes: Mapping[int, set[int]]`, those stored to, by source id, from the log's
writer thread; receivers must not block.
"""

from django.dispatch import Signal

events_stored = Signal()
