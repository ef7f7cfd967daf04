"""`python -m tasks.untrusted.assessor_process`: looks at texts from its standard input until that ends.

A line of JSON asks, {"text": …, "is_document": …}; a line of JSON answers with what `assess` found. It knows no setting
and no secret, and ends with whoever started it.
"""

import json
import os
import sys
from dataclasses import asdict
from typing import Final

from tasks.untrusted.assessing import assess

NICENESS: Final = 5
"""People's requests go before it where processors are scarce."""


def main() -> None:
    os.nice(NICENESS)
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        found = assess(asked["text"], is_document=asked["is_document"])
        sys.stdout.write(json.dumps(asdict(found)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
