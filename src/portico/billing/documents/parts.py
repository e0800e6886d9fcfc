"""The parts of every paper: the two parties, an address, the terms, how to pay, the foot of a page."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _

from portico.accounts.models import Customer, Seller, User
from portico.billing.documents.sheet import SheetParty, SheetPayment, SheetText
from portico.billing.references import epc_text
from portico.kit import formats


def seller_values(seller: Seller) -> dict[str, str]:
    """What a paper says of the seller, as a frozen copy names it."""
    names = (
        "legal_name street street_2 postcode city country vat_id tax_registration company_registration legal_form_note "
        "bank_account_name iban bic"
    )
    return {name: str(getattr(seller, name)) for name in names.split()}


def buyer_values(customer: Customer) -> dict[str, str]:
    """What a paper says of the customer, as a frozen copy names it."""
    return {
        name: str(getattr(customer, name)) for name in "legal_name street street_2 postcode city country vat_id".split()
    }


def seller_party(values: Mapping[str, str]) -> SheetParty:
    """The seller in the letterhead."""
    return SheetParty("", values["legal_name"], address_lines(values))


def buyer_party(
    heading: str, values: Mapping[str, str], contact: User | None = None, *, vat_id: bool = True
) -> SheetParty:
    """The customer, under `heading`, with the person it is for; `vat_id` as for `footer_lines`."""
    lines = ([contact.get_full_name()] if contact else []) + list(address_lines(values))
    if vat_id and values["vat_id"]:
        lines.append(_("VAT %(id)s") % {"id": values["vat_id"]})
    return SheetParty(heading, values["legal_name"], tuple(lines))


def contact_party(person: User | None) -> SheetParty | None:
    """Who prepared it."""
    if person is None:
        return None
    return SheetParty(_("Prepared by"), person.get_full_name(), (person.title,) if person.title else (), person.email)


def address_lines(values: Mapping[str, str]) -> tuple[str, ...]:
    """An address in lines, the country in the document's language."""
    town = " ".join(part for part in (values["postcode"], values["city"]) if part)
    country = formats.country(values["country"], translation.get_language() or "en")
    last = ", ".join(part for part in (town, country) if part)
    return tuple(part for part in (values["street"], values["street_2"], last) if part)


def names_vat_ids(categories: Iterable[str]) -> bool:
    """Whether a paper with these VAT categories names VAT ids: outside the scope it may not (BR-O-02 to 04, DOMAIN 2)."""
    return "O" not in set(categories)


def no_xml_in(currency: str) -> str:
    """Why there is no e-invoice in a currency with three decimals (BR-DEC-09)."""
    return _("There is no e-invoice in %(currency)s: the European standard knows no currency with three decimals.") % {
        "currency": currency
    }


def footer_lines(values: Mapping[str, str], *, vat_id: bool = True) -> tuple[str, ...]:
    """Company, registration and VAT id at the foot of a page; without `vat_id`, the tax registration (BT-32) instead."""
    company = ", ".join(part for part in (values["legal_name"], values["legal_form_note"]) if part)
    tax = _("VAT %(id)s") % {"id": values["vat_id"]} if vat_id and values["vat_id"] else values["tax_registration"]
    return tuple(part for part in (company, values["company_registration"], tax) if part)


def term_texts(terms: Iterable[Any]) -> tuple[SheetText, ...]:
    """Terms as they are kept: pairs of title and text."""
    return tuple(SheetText(str(title), str(text)) for title, text in terms)


def payment_of(seller: Mapping[str, str], reference: str, *, amount_minor: int, currency: str) -> SheetPayment | None:
    """How to pay by transfer, with its QR code where that is possible; None for a seller without an account."""
    if not seller["iban"]:
        return None
    name = seller["bank_account_name"] or seller["legal_name"]
    epc = epc_text(
        name=name,
        iban=seller["iban"],
        bic=seller["bic"],
        amount_minor=amount_minor,
        currency=currency,
        reference=reference,
    )
    return SheetPayment(name, seller["iban"], seller["bic"], reference, epc)
