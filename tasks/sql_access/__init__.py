"""Database roles for tools that were taught SQL: what they may do, how they are made, and what else is open to them."""

from tasks.sql_access.doors import Door
from tasks.sql_access.roles import (
    BadRoleName,
    Made,
    RoleNeedsAdministrator,
    RoleNotOurs,
    create,
    describe_doors,
    drop,
    write_script,
)

__all__ = [
    "BadRoleName",
    "Door",
    "Made",
    "RoleNeedsAdministrator",
    "RoleNotOurs",
    "create",
    "describe_doors",
    "drop",
    "write_script",
]
