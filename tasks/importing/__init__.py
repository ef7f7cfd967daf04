"""Tasks and settings of the older tools' shared SQLite file (docs/moving-over.md)."""

from tasks.importing.intake import ImportUnderWay, import_file
from tasks.importing.older_file import UnusableFile
from tasks.importing.report import Report

__all__ = ["ImportUnderWay", "Report", "UnusableFile", "import_file"]
