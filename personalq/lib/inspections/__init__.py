"""What every installation is inspected for, whatever it is used for. Importing this registers all of it."""

from personalq.lib.inspections import (
    configuration,
    database,
    dependencies,
    files,
    reach,
    redis_server,
    served,
    transport,
)

__all__ = ["configuration", "database", "dependencies", "files", "reach", "redis_server", "served", "transport"]
