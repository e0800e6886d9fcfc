"""What may be attached, and how it comes back."""

import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from portico.conversation.files import LARGEST_BYTES, clean_name, read_upload, read_uploads
from portico.kit.errors import Invalid


def book(*parts: str) -> bytes:
    """A zip with these parts."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for part in parts:
            file.writestr(part, "x")
    return made.getvalue()


GOOD = {
    "offer.pdf": b"%PDF-1.7 ...",
    "plan.PNG": b"\x89PNG\r\n\x1a\n...",
    "photo.jpeg": b"\xff\xd8\xff\xe0...",
    "moving.gif": b"GIF89a...",
    "new.webp": b"RIFF\x00\x00\x00\x00WEBPVP8 ",
    "articles.xlsx": book("[Content_Types].xml", "xl/workbook.xml"),
    "articles.ods": book("mimetype", "content.xml"),
    "old.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1...",
    "list.csv": "name;price\nPomme dorée;3\n".encode(),
    "latin.csv": "Pomme dorée;3".encode("cp1252"),
    "note.txt": b"plain words",
}
BAD = {
    "page.html": b"<html>",
    "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "program.exe": b"MZ...",
    "archive.zip": book("a"),
    "letter.docx": book("[Content_Types].xml", "word/document.xml"),
    "no-extension": b"%PDF-1.7",
    "page.pdf": b"<html><script>alert(1)</script>",
    "program.png": b"MZ...",
    "drawing.jpg": b"<svg/>",
    "word.xlsx": book("[Content_Types].xml", "word/document.xml"),
    "macros.xlsx": book("[Content_Types].xml", "xl/workbook.xml", "xl/vbaProject.bin"),
    "broken.xlsx": b"PK\x03\x04 not a zip",
    "sound.webp": b"RIFF\x00\x00\x00\x00WAVEfmt ",
    "page.txt": b"  <!DOCTYPE html><p>",
    "drawing.txt": b"\xef\xbb\xbf<svg onload=alert(1)>",
    "binary.csv": b"a;b\x00c",
    "empty.pdf": b"",
    "two.pdf.html": b"%PDF-1.7",
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_what_it_says_is_taken(name: str) -> None:
    taken = read_upload(SimpleUploadedFile(name, GOOD[name]))
    assert (taken.name, taken.content) == (name, GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_upload(SimpleUploadedFile(name, BAD[name]))
    assert name in refused.value.message


def test_a_file_too_large_is_refused() -> None:
    with pytest.raises(Invalid, match="larger than 20 MB"):
        read_upload(SimpleUploadedFile("big.pdf", b"%PDF-" + b"x" * LARGEST_BYTES))


def test_too_many_files_are_refused() -> None:
    with pytest.raises(Invalid, match="At most 5"):
        read_uploads([SimpleUploadedFile("a.txt", b"x") for _n in range(6)])


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\Users\\me\\a.pdf", "a.pdf"),
        ("a\r\nSet-Cookie: b.pdf", "a Set-Cookie_ b.pdf"),
        ("invoice\u202efdp.exe", "invoice fdp.exe"),
        ('quote".pdf', "quote_.pdf"),
        ("...", "file"),
        ("", "file"),
        ("é" * 300 + ".pdf", "é" * 120 + ".pdf"),
    ],
)
def test_a_name_is_made_harmless(typed: str, kept: str) -> None:
    assert clean_name(typed) == kept
