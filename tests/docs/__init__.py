"""What the pages say exists."""
