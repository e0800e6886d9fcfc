"""Answers that are not pages."""

from django.http import HttpResponse


def pdf_answer(content: bytes, name: str) -> HttpResponse:
    """A PDF to look at or to keep; `name` is made of our own numbers. No cache stores it (ASVS 14.3.2)."""
    return HttpResponse(
        content,
        content_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "private, no-store"},
    )


def xml_answer(content: bytes, name: str) -> HttpResponse:
    """An XML file to keep, never shown by a browser: a file's text must not become a page."""
    return HttpResponse(
        content,
        content_type="application/xml",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "private, no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )
