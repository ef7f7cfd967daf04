"""How senders of each kind prove themselves, one file per scheme."""
