"""Bodies with a file, as RFC 7578 has them."""

import secrets
from collections.abc import Mapping
from typing import Final

_BOUNDARY_BYTES: Final = 16


def form_with_file(
    fields: Mapping[str, str], *, name: str, file_name: str, content_type: str, content: bytes
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a form with one file. Names and types are ours: nothing in them is escaped."""
    # Random, so that it does not occur in the content.
    boundary = secrets.token_hex(_BOUNDARY_BYTES)
    parts = [_part(f'name="{each}"', value.encode()) for each, value in fields.items()]
    parts.append(_part(f'name="{name}"; filename="{file_name}"', content, content_type))
    body = b"".join(f"--{boundary}\r\n".encode() + part for part in parts) + f"--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def _part(described: str, content: bytes, content_type: str = "") -> bytes:
    head = f"Content-Disposition: form-data; {described}\r\n"
    if content_type:
        head += f"Content-Type: {content_type}\r\n"
    return f"{head}\r\n".encode() + content + b"\r\n"
