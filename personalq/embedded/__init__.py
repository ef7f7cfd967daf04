"""Runs the whole product on one machine with nothing installed: docs/embedded.md."""
