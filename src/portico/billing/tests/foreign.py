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


def zugferd_1(*, basic: bool = False) -> bytes:
    """The same invoice as ZUGFeRD 1.0 wrote it, with freight and a discount: COMFORT, or BASIC, whose items have no amounts."""
    profile = "basic" if basic else "comfort"
    euro = 'currencyID="EUR"'
    tax = (
        "<ram:TypeCode>VAT</ram:TypeCode><ram:CategoryCode>S</ram:CategoryCode>"
        "<ram:ApplicablePercent>21.00</ram:ApplicablePercent>"
    )
    price = (
        f"<ram:SpecifiedSupplyChainTradeAgreement><ram:NetPriceProductTradePrice><ram:ChargeAmount {euro}>50.0000"
        "</ram:ChargeAmount></ram:NetPriceProductTradePrice></ram:SpecifiedSupplyChainTradeAgreement>"
    )
    settled = (
        f"<ram:SpecifiedSupplyChainTradeSettlement><ram:ApplicableTradeTax>{tax}</ram:ApplicableTradeTax>"
        f"<ram:SpecifiedTradeSettlementMonetarySummation><ram:LineTotalAmount {euro}>100.00</ram:LineTotalAmount>"
        "</ram:SpecifiedTradeSettlementMonetarySummation></ram:SpecifiedSupplyChainTradeSettlement>"
    )
    party = "<ram:{role}TradeParty><ram:Name>{name}</ram:Name><ram:PostalTradeAddress>"
    party += "<ram:PostcodeCode>{code}</ram:PostcodeCode>"
    party += (
        "<ram:LineOne>Street 1</ram:LineOne><ram:CityName>Town</ram:CityName><ram:CountryID>{country}</ram:CountryID>"
    )
    party += '</ram:PostalTradeAddress><ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">{vat}</ram:ID>'
    party += "</ram:SpecifiedTaxRegistration></ram:{role}TradeParty>"
    seller = party.format(role="Seller", name="Northwind Software SAS", code="44000", country="FR", vat="FR83404833048")
    buyer = party.format(role="Buyer", name="Gentse Brouwers NV", code="9000", country="BE", vat="BE0428759497")
    return (
        '<?xml version="1.0" encoding="UTF-8"?><rsm:CrossIndustryDocument '
        'xmlns:rsm="urn:ferd:CrossIndustryDocument:invoice:1p0" '
        'xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:12" '
        'xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:15"><rsm:SpecifiedExchangedDocumentContext>'
        "<ram:GuidelineSpecifiedDocumentContextParameter><ram:ID>urn:ferd:CrossIndustryDocument:invoice:1p0:"
        f"{profile}</ram:ID></ram:GuidelineSpecifiedDocumentContextParameter></rsm:SpecifiedExchangedDocumentContext>"
        "<rsm:HeaderExchangedDocument><ram:ID>ALT-1</ram:ID><ram:Name>RECHNUNG</ram:Name><ram:TypeCode>380</ram:TypeCode>"
        '<ram:IssueDateTime><udt:DateTimeString format="102">20161001</udt:DateTimeString></ram:IssueDateTime>'
        "</rsm:HeaderExchangedDocument><rsm:SpecifiedSupplyChainTradeTransaction><ram:ApplicableSupplyChainTradeAgreement>"
        f"{seller}{buyer}</ram:ApplicableSupplyChainTradeAgreement><ram:ApplicableSupplyChainTradeDelivery>"
        '<ram:ActualDeliverySupplyChainEvent><ram:OccurrenceDateTime><udt:DateTimeString format="102">20160930'
        "</udt:DateTimeString></ram:OccurrenceDateTime></ram:ActualDeliverySupplyChainEvent>"
        "</ram:ApplicableSupplyChainTradeDelivery><ram:ApplicableSupplyChainTradeSettlement>"
        "<ram:PaymentReference>ALT-1</ram:PaymentReference><ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>"
        f"<ram:ApplicableTradeTax><ram:CalculatedAmount {euro}>20.79</ram:CalculatedAmount><ram:TypeCode>VAT</ram:TypeCode>"
        f"<ram:BasisAmount {euro}>99.00</ram:BasisAmount><ram:CategoryCode>S</ram:CategoryCode>"
        "<ram:ApplicablePercent>21.00</ram:ApplicablePercent></ram:ApplicableTradeTax><ram:SpecifiedTradeAllowanceCharge>"
        "<ram:ChargeIndicator><udt:Indicator>false</udt:Indicator></ram:ChargeIndicator>"
        f"<ram:ActualAmount {euro}>5.00</ram:ActualAmount><ram:Reason>Rabatt</ram:Reason><ram:CategoryTradeTax>{tax}"
        "</ram:CategoryTradeTax></ram:SpecifiedTradeAllowanceCharge><ram:SpecifiedLogisticsServiceCharge>"
        f"<ram:Description>Versand</ram:Description><ram:AppliedAmount {euro}>4.00</ram:AppliedAmount><ram:AppliedTradeTax>"
        f"{tax}</ram:AppliedTradeTax></ram:SpecifiedLogisticsServiceCharge><ram:SpecifiedTradePaymentTerms>"
        '<ram:Description>30 Tage</ram:Description><ram:DueDateDateTime><udt:DateTimeString format="102">20161031'
        "</udt:DateTimeString></ram:DueDateDateTime></ram:SpecifiedTradePaymentTerms>"
        f"<ram:SpecifiedTradeSettlementMonetarySummation><ram:LineTotalAmount {euro}>100.00</ram:LineTotalAmount>"
        f"<ram:ChargeTotalAmount {euro}>4.00</ram:ChargeTotalAmount><ram:AllowanceTotalAmount {euro}>5.00"
        f"</ram:AllowanceTotalAmount><ram:TaxBasisTotalAmount {euro}>99.00</ram:TaxBasisTotalAmount><ram:TaxTotalAmount "
        f"{euro}>20.79</ram:TaxTotalAmount><ram:GrandTotalAmount {euro}>119.79</ram:GrandTotalAmount>"
        "</ram:SpecifiedTradeSettlementMonetarySummation></ram:ApplicableSupplyChainTradeSettlement>"
        "<ram:IncludedSupplyChainTradeLineItem><ram:AssociatedDocumentLineDocument><ram:IncludedNote><ram:Content>Wir liefern:"
        "</ram:Content></ram:IncludedNote></ram:AssociatedDocumentLineDocument></ram:IncludedSupplyChainTradeLineItem>"
        f"<ram:IncludedSupplyChainTradeLineItem>{'' if basic else price}<ram:SpecifiedSupplyChainTradeDelivery>"
        '<ram:BilledQuantity unitCode="C62">2.0000</ram:BilledQuantity></ram:SpecifiedSupplyChainTradeDelivery>'
        f"{'' if basic else settled}<ram:SpecifiedTradeProduct><ram:Name>Hosting</ram:Name></ram:SpecifiedTradeProduct>"
        "</ram:IncludedSupplyChainTradeLineItem></rsm:SpecifiedSupplyChainTradeTransaction></rsm:CrossIndustryDocument>"
    ).encode()


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
