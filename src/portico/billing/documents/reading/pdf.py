"""The XML inside a PDF (Factur-X, ZUGFeRD 1.0 and 2.x, XRechnung), taken out in a process of its own.

A PDF may unfold to gigabytes. The child has a ceiling for memory and processor time, and what it takes out is unpacked piece by
piece up to a limit; a child that dies is a file that is refused, and the next file gets another child.
"""

import io
import multiprocessing
import re
import resource
import zlib
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from concurrent.futures.process import BrokenProcessPool
from threading import Lock
from typing import TypeAlias

from portico.billing.documents.reading.reasons import Unreadable

NAMES = ("factur-x.xml", "zugferd-invoice.xml", "xrechnung.xml")
"""Names of the attachment, small; the first found is the invoice."""
MOST_XML = 20 * 1024 * 1024
MEMORY = 1536 * 1024 * 1024
SECONDS = 20
Taken: TypeAlias = tuple[bytes, str, dict[str, str]]
"""The XML; else the code of what is wrong, and what it names."""

_lock = Lock()
_pool: ProcessPoolExecutor | None = None


def attached_xml(content: bytes) -> bytes:
    """The invoice inside the PDF. Raises Unreadable for a PDF that is broken, encrypted, too large inside, or has none."""
    global _pool  # one child a process, made when the first PDF comes
    with _lock:
        if _pool is None:
            _pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=_limit)
        pool = _pool
        try:
            xml, problem, about = pool.submit(_take_out, content).result(timeout=SECONDS)
        except (BrokenProcessPool, TooSlow, MemoryError):
            _pool = None
            for process in list((pool._processes or {}).values()):
                process.kill()
            pool.shutdown(wait=False, cancel_futures=True)
            raise Unreadable("pdf_heavy") from None
    if problem:
        raise Unreadable(problem, **about)
    return xml


def _limit() -> None:
    """The ceiling of the child."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _take_out(content: bytes) -> Taken:
    """In the child: the XML, or what is wrong."""
    import pikepdf  # the child needs it, its parent does not

    try:
        pdf = pikepdf.open(io.BytesIO(content))
    except pikepdf.PasswordError:
        return b"", "pdf_encrypted", {}
    except pikepdf.PdfError as fault:
        return b"", "pdf_broken", {"detail": _said(fault)}
    with pdf:
        if pdf.is_encrypted:
            return b"", "pdf_encrypted", {}
        try:
            files = {name.lower(): spec for name, spec in pdf.attachments.items()}
            chosen = next((files[name] for name in NAMES if name in files), None)
            if chosen is None:
                return b"", "pdf_without", {}
            return _unpack(chosen.get_file().obj)
        except (pikepdf.PdfError, zlib.error, KeyError, ValueError, TypeError, AttributeError) as fault:
            return b"", "pdf_broken", {"detail": _said(fault)}


def _said(fault: Exception) -> str:
    """What is wrong, without the name of the object in memory that the library puts before it."""
    return re.sub(r"^stream <[^>]*>: |^<[^>]*>: ", "", str(fault)).rstrip(".")[:120]


def _unpack(stream: "object") -> Taken:
    """A stream's bytes up to the limit."""
    raw = stream.read_raw_bytes()  # type: ignore[attr-defined]
    filters = stream.stream_dict.get("/Filter") if hasattr(stream, "stream_dict") else stream.get("/Filter")  # type: ignore[attr-defined]
    names = (
        [] if filters is None else [str(one) for one in (filters if not str(filters).startswith("/") else [filters])]
    )
    if not names:
        return raw[:MOST_XML], "", {}
    if names != ["/FlateDecode"]:
        return b"", "pdf_packing", {"detail": ", ".join(names)[:60]}
    unpacker = zlib.decompressobj()
    xml = unpacker.decompress(raw, MOST_XML + 1)
    if len(xml) > MOST_XML:
        return b"", "pdf_unfolds", {"megabytes": str(MOST_XML // 1024 // 1024)}
    return xml, "", {}
