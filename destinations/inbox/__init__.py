"""The inbox: a page that shows what the `inbox` destination type was sent. For the local default only."""
