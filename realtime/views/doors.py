"""Who gets into a page and by which methods: as the pages of accounts do."""

from accounts.pages.access import page, person

__all__ = ["page", "person"]
