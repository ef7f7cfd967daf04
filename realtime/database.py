"""Where sockets ask the database. The hub has a thread of its own, before which no crowd can stand."""

from tasks.database_threads import DatabaseThreads

threads = DatabaseThreads(4)
