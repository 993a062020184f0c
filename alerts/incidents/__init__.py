"""What a person must be told: opened once, updated, resolved."""
