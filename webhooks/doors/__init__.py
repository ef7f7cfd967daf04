"""What all doors share: reading, proving, letting in, counting once."""
