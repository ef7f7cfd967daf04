"""A supervisor of the two servers alone, as a program for the tests to kill.

    python -m tests.embedded.servers_only DIRECTORY

It writes the pid of its reaper when both servers answer, and runs until its standard input ends.
"""

import sys
from pathlib import Path

from personalq.embedded.children import Children
from personalq.embedded.layout import Layout
from personalq.embedded.lock import InstanceLock
from personalq.embedded.reaper import Reaper
from personalq.embedded.servers import make_directories, start_servers


def main(root: Path) -> None:
    layout = Layout(root)
    make_directories(layout)
    lock = InstanceLock(layout.lock_file)
    lock.acquire()
    reaper = Reaper(held_descriptors=[lock.descriptor])
    children = Children(layout, reaper)
    try:
        start_servers(layout, children)
        sys.stdout.write(f"{reaper.pid}\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        children.stop_all()
        reaper.release()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
