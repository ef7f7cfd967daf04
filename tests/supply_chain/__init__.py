"""What comes into the product from others, and what may leave with it: locks, advisories, licences, secrets, lint."""
