"""Notices by e-mail: what users chose to be told, gathered for some minutes and sent in one letter."""
