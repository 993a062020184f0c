"""The instrument: what it sends, how it judges what arrives, how it sums up."""
