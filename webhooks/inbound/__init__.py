"""What other systems send: each by its own scheme, all by one way in."""
