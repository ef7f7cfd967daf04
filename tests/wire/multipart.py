"""Forms with files, read by the standard library's parser of MIME."""

from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP

from tests.wire.server import Received


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of a form."""

    name: str
    content_type: str
    content: bytes


def fields_and_files(request: Received) -> tuple[dict[str, str], dict[str, File]]:
    """The parts of a form by their names."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    fields, files = {}, {}
    for part in BytesParser(policy=HTTP).parsebytes(head + request.body).iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if (file_name := part.get_filename()) is None:
            fields[name] = content.decode()
        else:
            files[name] = File(name=file_name, content_type=part.get_content_type(), content=content)
    return fields, files
