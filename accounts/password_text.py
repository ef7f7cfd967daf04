"""The one form in which passwords are hashed and compared: as they were typed, in Unicode's NFC.

The same key press gives one character on one system and two on another (é, or e and an accent); NFC makes them the
same. Nothing else is changed: no blank is taken off, no letter made small, nothing cut.
"""

import unicodedata


def normalised(password: str) -> str:
    """The password in NFC. What cannot be written in UTF-8 stays as it is, and is refused elsewhere."""
    return unicodedata.normalize("NFC", password)
