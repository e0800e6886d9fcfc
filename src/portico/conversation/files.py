"""What may be attached to a message: PDF, pictures, spreadsheets and plain text, and only what really is what it says.

The extension decides the type that a file must have; its first bytes must agree. Nothing is ever decoded or drawn here, and a
file is only ever sent back as a download.
"""

import io
import unicodedata
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from portico.conversation.models import Attachment
from portico.kit.errors import Invalid
from portico.kit.text import one_line

LARGEST_BYTES = 20 * 1000 * 1000
MOST_FILES = 5
LONGEST_NAME = 120

MEDIA_TYPES = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xls": "application/vnd.ms-excel",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "csv": "text/csv; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
}
STARTS = {
    "pdf": (b"%PDF-",),
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpg": (b"\xff\xd8\xff",),
    "jpeg": (b"\xff\xd8\xff",),
    "gif": (b"GIF87a", b"GIF89a"),
    "webp": (b"RIFF",),
    "xlsx": (b"PK\x03\x04",),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",),
    "ods": (b"PK\x03\x04",),
}
ACCEPT = ",".join(f".{extension}" for extension in MEDIA_TYPES)
"""For the file field of a form."""


@dataclass(frozen=True)
class Upload:
    """A file that may be kept."""

    name: str
    content: bytes
    media_type: str


def read_uploads(sent: "Sequence[UploadedFile[bytes]]") -> list[Upload]:
    """The files of a form, checked; Invalid naming the one that cannot be taken."""
    if len(sent) > MOST_FILES:
        raise Invalid(
            _("At most %(most)d files fit on one message. Send the others with another one.") % {"most": MOST_FILES}
        )
    return [read_upload(one) for one in sent]


def read_upload(sent: "UploadedFile[bytes]") -> Upload:
    """One file, checked by name, size and content."""
    name = clean_name(sent.name or "")
    extension = extension_of(name)
    if extension not in MEDIA_TYPES:
        raise Invalid(_("%(name)s: only PDF, pictures, spreadsheets and plain text can be attached.") % {"name": name})
    if not sent.size:
        raise Invalid(_("%(name)s is empty.") % {"name": name})
    if sent.size > LARGEST_BYTES:
        raise Invalid(_("%(name)s is larger than 20 MB. Make it smaller, or send it in parts.") % {"name": name})
    content = sent.read()
    if not is_what_it_says(extension, content):
        raise Invalid(
            _("%(name)s is not a %(kind)s file, or it is damaged. Save it again and attach that.")
            % {"name": name, "kind": extension.upper()}
        )
    return Upload(name, content, MEDIA_TYPES[extension])


def clean_name(name: str) -> str:
    """A file name without folders, invisible characters or signs that mean something to a shell or a drive."""
    last = PurePosixPath(one_line(unicodedata.normalize("NFC", name)).replace("\\", "/")).name
    plain = "".join("_" if character in '<>:"|?*' else character for character in last).strip(". ")
    if not plain:
        return "file"
    stem, dot, extension = plain.rpartition(".")
    return f"{stem[:LONGEST_NAME]}{dot}{extension[:10]}" if dot else extension[:LONGEST_NAME]


def extension_of(name: str) -> str:
    """The last part of the name, in small letters."""
    return name.rpartition(".")[2].lower() if "." in name else ""


def is_what_it_says(extension: str, content: bytes) -> bool:
    """Whether the bytes are of the kind the extension promises."""
    if extension in {"txt", "csv"}:
        return is_plain_text(content)
    if not content.startswith(STARTS[extension]):
        return False
    if extension == "webp":
        return content[8:12] == b"WEBP"
    if extension in {"xlsx", "ods"}:
        return is_spreadsheet(extension, content)
    return True


def is_plain_text(content: bytes) -> bool:
    """UTF-8, or a one-byte encoding without control characters; never a page or a picture in disguise."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    if any(character < " " and character not in "\t\n\r\f" for character in text):
        return False
    start = text.lstrip().lower()
    return not start.startswith(("<!doctype", "<html", "<svg", "<?xml", "<script"))


def is_spreadsheet(extension: str, content: bytes) -> bool:
    """A workbook without macros. Only the list of parts is read, nothing is unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            parts = set(book.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False
    if any(part.lower().endswith(("vbaproject.bin", ".exe", ".js")) for part in parts):
        return False
    return ("xl/workbook.xml" if extension == "xlsx" else "content.xml") in parts


def download(attachment: Attachment) -> HttpResponse:
    """The file as a download that no browser draws: its kept bytes, nosniff, a policy that allows nothing."""
    media_type = MEDIA_TYPES.get(extension_of(attachment.name), "application/octet-stream")
    return HttpResponse(
        attachment.file.read(),
        content_type=media_type,
        headers={
            "Content-Disposition": content_disposition_header(as_attachment=True, filename=attachment.name)
            or "attachment",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
        },
    )
