"""A PDF that says of itself that it is a Factur-X invoice: what its metadata (XMP) must hold beside the attached CII.

typst attaches the file and writes PDF/A-3 and PDF/UA-1, but knows no metadata of others; so the declaration is put into the
packet that it wrote, while the file is packed (`packed`). The same file gives the same bytes.
"""

from portico.billing.documents.packed import packed
from portico.billing.documents.render import Attachment

NAME = "factur-x.xml"
SCHEMA = (
    '<rdf:li rdf:parseType="Resource"><pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>'
    "<pdfaSchema:namespaceURI>urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#</pdfaSchema:namespaceURI>"
    "<pdfaSchema:prefix>fx</pdfaSchema:prefix><pdfaSchema:property><rdf:Seq>{properties}</rdf:Seq>"
    "</pdfaSchema:property></rdf:li>"
)
PROPERTY = (
    '<rdf:li rdf:parseType="Resource"><pdfaProperty:category>external</pdfaProperty:category>'
    "<pdfaProperty:description>{words}</pdfaProperty:description><pdfaProperty:name>{name}</pdfaProperty:name>"
    "<pdfaProperty:valueType>Text</pdfaProperty:valueType></rdf:li>"
)
PROPERTIES = {
    "DocumentFileName": ("name of the embedded XML invoice file", NAME),
    "DocumentType": ("type of the embedded document", "INVOICE"),
    "Version": ("version of the standard of the embedded XML", "1.0"),
    "ConformanceLevel": ("conformance level of the embedded XML", "EN 16931"),
}
_END_OF_SCHEMAS = "</rdf:Bag></pdfaExtension:schemas>"
_END = "</rdf:RDF>"


def attachment(cii: bytes) -> Attachment:
    """The e-invoice as the file in the PDF."""
    return Attachment(
        name=NAME,
        content=cii,
        mime_type="text/xml",
        relationship="alternative",
        description="Factur-X invoice, EN 16931",
    )


def declared(pdf: bytes) -> bytes:
    """The same PDF, packed, with the declaration of the `NAME` that is attached to it."""
    return packed(pdf, metadata=_with_declaration)


def _with_declaration(packet: str) -> str:
    properties = "".join(PROPERTY.format(name=name, words=words) for name, (words, _value) in PROPERTIES.items())
    said = "".join(f"<fx:{name}>{value}</fx:{name}>" for name, (_words, value) in PROPERTIES.items())
    description = (
        '<rdf:Description rdf:about="" xmlns:fx="urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#">'
        f"{said}</rdf:Description>"
    )
    for mark, added in ((_END_OF_SCHEMAS, SCHEMA.format(properties=properties)), (_END, description)):
        assert packet.count(mark) == 1, "typst writes its metadata otherwise"
        packet = packet.replace(mark, added + mark)
    return packet
