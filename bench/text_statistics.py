"""A small real program for a `command` agent: statistics of the text on standard input, as JSON."""

import json
import re
import sys
from collections import Counter


def statistics(text: str) -> dict[str, object]:
    """Count lines, words and characters, and name the five commonest words."""
    words = re.findall(r"\w+", text.lower())
    return {
        "lines": text.count("\n") + (not text.endswith("\n") and bool(text)),
        "words": len(words),
        "characters": len(text),
        "distinct_words": len(set(words)),
        "commonest": Counter(words).most_common(5),
    }


if __name__ == "__main__":
    json.dump(statistics(sys.stdin.read()), sys.stdout)
