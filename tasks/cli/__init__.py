"""The client that the server hands out."""
