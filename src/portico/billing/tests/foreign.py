"""Invoices as another system writes them, made here: a small one in UBL, one in a PDF, and ZIPs of them."""

import io
import zipfile
from collections.abc import Mapping

import pikepdf

NAMES = {
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
}


def ubl(**changes: str) -> bytes:
    """A UBL invoice of Northwind to a buyer in Ghent: two units at 50.00 and 21 %, due 121.00."""
    says = {
        "head": '<?xml version="1.0" encoding="UTF-8"?>', "id": "OLD-77", "type": "380", "currency": "EUR",
        "seller_vat": "FR83404833048", "buyer": "Gentse Brouwers NV", "buyer_vat": "BE0428759497", "net": "100.00",
        "lines": "100.00", "vat": "21.00", "base": "100.00", "total": "121.00", "prepaid": "0.00", "rounding": "0.00",
        "due": "121.00", "line": "100.00", "rate": "21", "category": "S", "note": "", "billing": "",
    } | changes  # fmt: skip
    return (
        '{head}<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2" xmlns:cac="{cac}" xmlns:cbc="{cbc}">'
        "<cbc:ID>{id}</cbc:ID><cbc:IssueDate>2026-10-01</cbc:IssueDate><cbc:DueDate>2026-10-31</cbc:DueDate>"
        "<cbc:InvoiceTypeCode>{type}</cbc:InvoiceTypeCode><cbc:Note>{note}</cbc:Note>"
        "<cbc:DocumentCurrencyCode>{currency}</cbc:DocumentCurrencyCode>{billing}"
        "<cac:AccountingSupplierParty><cac:Party><cac:PartyTaxScheme><cbc:CompanyID>{seller_vat}</cbc:CompanyID>"
        "<cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme><cac:PartyLegalEntity>"
        "<cbc:RegistrationName>Northwind Software SAS</cbc:RegistrationName></cac:PartyLegalEntity></cac:Party>"
        "</cac:AccountingSupplierParty><cac:AccountingCustomerParty><cac:Party><cac:PostalAddress>"
        "<cbc:PostalZone>9000</cbc:PostalZone><cac:Country><cbc:IdentificationCode>BE</cbc:IdentificationCode></cac:Country>"
        "</cac:PostalAddress><cac:PartyTaxScheme><cbc:CompanyID>{buyer_vat}</cbc:CompanyID><cac:TaxScheme><cbc:ID>VAT</cbc:ID>"
        "</cac:TaxScheme></cac:PartyTaxScheme><cac:PartyLegalEntity><cbc:RegistrationName>{buyer}</cbc:RegistrationName>"
        "</cac:PartyLegalEntity></cac:Party></cac:AccountingCustomerParty><cac:TaxTotal><cbc:TaxAmount>{vat}</cbc:TaxAmount>"
        "<cac:TaxSubtotal><cbc:TaxableAmount>{base}</cbc:TaxableAmount><cbc:TaxAmount>{vat}</cbc:TaxAmount><cac:TaxCategory>"
        "<cbc:ID>{category}</cbc:ID><cbc:Percent>{rate}</cbc:Percent></cac:TaxCategory></cac:TaxSubtotal></cac:TaxTotal>"
        "<cac:LegalMonetaryTotal><cbc:LineExtensionAmount>{lines}</cbc:LineExtensionAmount>"
        "<cbc:TaxExclusiveAmount>{net}</cbc:TaxExclusiveAmount><cbc:TaxInclusiveAmount>{total}</cbc:TaxInclusiveAmount>"
        "<cbc:PrepaidAmount>{prepaid}</cbc:PrepaidAmount><cbc:PayableRoundingAmount>{rounding}</cbc:PayableRoundingAmount>"
        "<cbc:PayableAmount>{due}</cbc:PayableAmount></cac:LegalMonetaryTotal><cac:InvoiceLine>"
        '<cbc:InvoicedQuantity unitCode="C62">2</cbc:InvoicedQuantity><cbc:LineExtensionAmount>{line}</cbc:LineExtensionAmount>'
        "<cac:Item><cbc:Name>Hosting</cbc:Name><cac:ClassifiedTaxCategory><cbc:ID>{category}</cbc:ID>"
        "<cbc:Percent>{rate}</cbc:Percent></cac:ClassifiedTaxCategory></cac:Item><cac:Price><cbc:PriceAmount>50.00"
        "</cbc:PriceAmount></cac:Price></cac:InvoiceLine></Invoice>"
    ).format(**says, **NAMES).encode()  # fmt: skip


def pdf_with(xml: bytes, name: str = "factur-x.xml", *, password: str = "") -> bytes:
    """A PDF of one empty page with a file attached."""
    pdf, out = pikepdf.new(), io.BytesIO()
    pdf.add_blank_page()
    pdf.attachments[name] = pikepdf.AttachedFileSpec(pdf, xml, mime_type="text/xml")
    pdf.save(out, encryption=pikepdf.Encryption(owner=password, user=password) if password else False)
    return out.getvalue()


def zip_of(files: Mapping[str, bytes], *, packed: bool = True) -> bytes:
    """A ZIP of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()
