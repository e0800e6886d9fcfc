"""Reading e-invoices that another system made: EN 16931 in UBL 2.1 or CII, bare or inside a PDF (Factur-X, ZUGFeRD).

`read` is the whole of it: bytes in, what the document says out, or a refusal that names what is wrong. Nothing here knows the
database. Input is hostile: no entities, no network, nothing unpacked beyond its limit.
"""

from portico.billing.documents.reading import cii, ubl
from portico.billing.documents.reading.arithmetic import check
from portico.billing.documents.reading.found import Found
from portico.billing.documents.reading.pdf import attached_xml
from portico.billing.documents.reading.reasons import Unreadable
from portico.billing.documents.reading.xml import local, parse

__all__ = ["MOST_BYTES", "Found", "read"]

MOST_BYTES = 20 * 1024 * 1024
"""A larger file is no invoice."""
READERS = {
    ("urn:oasis:names:specification:ubl:schema:xsd:Invoice-2", "Invoice"): ubl.read,
    ("urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2", "CreditNote"): ubl.read,
    ("urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100", "CrossIndustryInvoice"): cii.read,
    ("urn:ferd:CrossIndustryDocument:invoice:1p0", "CrossIndustryDocument"): cii.read,
}


def read(content: bytes) -> Found:
    """What an invoice or credit note says, its arithmetic checked.

    Raises Unreadable for a file that is too large, broken or encrypted, that is no EN 16931 invoice, or whose amounts do not
    add up beyond the tolerance of EN 16931.
    """
    if not content.strip():
        raise Unreadable("empty")
    if len(content) > MOST_BYTES:
        raise Unreadable("too_large", megabytes=MOST_BYTES // 1024 // 1024)
    xml = attached_xml(content) if b"%PDF-" in content[:1024] else content
    root = parse(xml)
    name = root.nsmap.get(root.prefix) or "", local(root)
    reader = READERS.get(name)
    if reader is None:
        known = name[1] in {one for _space, one in READERS}  # the name is right, so its namespace is not
        raise Unreadable("not_invoice", name=repr(name[1][:60]) + (f" ({name[0][:120]})" if known else ""))
    found = reader(root, xml)
    check(found)
    return found
