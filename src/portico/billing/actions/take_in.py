"""Invoices that another system made are taken in: read, checked, matched to a customer, and kept beside our own.

Their content is theirs: frozen as they say it, outside our number series and our chain. What is due on them is paid here like
anything else. A seller uses a number once; the same file again changes nothing.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import override
from stdnum import iban as stdnum_iban

from portico.accounts.models import Customer, Event, Seller, User
from portico.billing.actions import settle
from portico.billing.actions.issue import frozen_line, plain
from portico.billing.documents.einvoice.profiles import unit_words
from portico.billing.documents.reading import Found, read
from portico.billing.documents.reading.arithmetic import TAXED
from portico.billing.documents.reading.found import FoundLine, Party
from portico.billing.documents.reading.reasons import Taken, Unreadable
from portico.billing.models import ImportedPaper, Invoice, InvoiceLine, InvoiceVat, NumberSeries, OtherName
from portico.billing.models.invoice import in_order, salted_hash
from portico.kit import files
from portico.kit.electronic import electronic_address as split_address
from portico.kit.money import EXPONENTS, LOCALES
from portico.kit.text import one_line

OURS = re.compile(r"(INV|CN|SO|Q)-\d")
LONGEST_KEY = 40
FINEST = Decimal("0.0001")


@dataclass(frozen=True)
class TakenIn:
    """What became of a file: `imported`, or `known` when it had been taken in before. `due_minor` is as the file states it.

    `customer_made` when its buyer was not among the customers.
    """

    status: str
    invoice: Invoice
    due_minor: int
    customer_made: bool = False


@dataclass(frozen=True)
class Readied:
    """A file that was read and may be taken in, before anything is written about it."""

    found: Found
    content: bytes
    file_name: str
    seller: Seller
    own: bool

    def put_bytes(self) -> None:
        """Write the originals to the disk ahead of their rows, which wait for it otherwise."""
        for content in {self.content, self.found.xml}:
            files.put(content)

    @property
    def key(self) -> str:
        """By what its maker is known."""
        return seller_key(self.found.seller)

    @property
    def xml_hash(self) -> str:
        """Of the invoice itself, whatever it came in."""
        return hashlib.sha256(self.found.xml).hexdigest()


def import_invoice(
    *, content: bytes, file_name: str, seller: Seller, now: datetime, by: User | None = None, any_seller: bool = False
) -> TakenIn:
    """Take in one file (UBL, CII, or a PDF with CII inside), in one transaction of its own; `ready`, then `keep`."""
    readied = ready(content=content, file_name=file_name, seller=seller, any_seller=any_seller)
    try:
        with transaction.atomic():
            return keep(readied, now=now, by=by)
    except IntegrityError:  # somebody took in the same number at this moment
        with transaction.atomic():
            return keep(readied, now=now, by=by)


def ready(*, content: bytes, file_name: str, seller: Seller, any_seller: bool = False) -> Readied:
    """Read a file and see whose it is; nothing is written. `any_seller` takes also what another company than `seller` made.

    Raises Unreadable for a file that is no sound invoice (see `documents.reading`) or not of this seller.
    """
    found = read(content)
    own = same_seller(found.seller, seller)
    if not own and not any_seller:
        raise Unreadable("other_seller", company=seller.legal_name, seller=found.seller.name[:80])
    return Readied(found, content, file_name, seller, own)


def keep(readied: Readied, *, now: datetime, by: User | None = None) -> TakenIn:
    """Write what was read, in the caller's transaction.

    Raises Taken for a number that was taken in, or issued here, with other content; IntegrityError when somebody takes in the
    same number at this moment (ask again, in a new transaction).
    """
    found, seller = readied.found, readied.seller
    known = _known(found, readied.key, readied.xml_hash)
    if known is not None:
        return known
    if readied.own:
        _refuse_our_own(found)
    is_xml = found.xml is readied.content
    original = files.store(readied.content, "application/xml" if is_xml else "application/pdf")
    xml = original if is_xml else files.store(found.xml, "application/xml")
    customer, made = customer_of(found, seller, now=now)
    with override(customer.language):
        invoice = _write(found, seller, customer, original, now=now, by=by)
    paper = ImportedPaper.objects.create(
        invoice=invoice, syntax=found.syntax, seller_key=readied.key, printed_number=found.number, original=original,
        xml=xml, file_name=one_line(readied.file_name)[:255], due_minor=minor(found.due, found.currency),
        imported_at=now, imported_by=by,
    )  # fmt: skip
    _set_off(invoice, now=now)
    Event.record(
        "invoice.imported", invoice, now=now, by=by, customer=customer,
        number=invoice.number, total_minor=invoice.total_minor, currency=invoice.currency,
    )  # fmt: skip
    return TakenIn("imported", invoice, paper.due_minor, made)


def minor(amount: Decimal, currency: str) -> int:
    """An amount in minor units; the reader has seen to it that it has no smaller part."""
    return int(amount.scaleb(EXPONENTS[currency]))


# Who made it, whose it is ----------------------------------------------------------------------------------------------


def letters_of(text: str) -> str:
    """A registration or a name as it is compared: letters and digits, capital."""
    return "".join(sign for sign in text.upper() if sign.isalnum())


def seller_key(party: Party) -> str:
    """By what a seller is known: VAT id, else another registration, else its name."""
    return letters_of(party.vat_id or party.tax_registration or party.legal_id or party.name)[:200]


def same_seller(party: Party, seller: Seller) -> bool:
    """Whether the paper's seller is this company: by VAT id where both have one, else by registration, else by name."""
    pairs = [
        (party.vat_id, seller.vat_id),
        (party.tax_registration, seller.tax_registration),
        (party.legal_id, seller.company_registration),
        (party.name, seller.legal_name),
    ]
    for theirs, ours in pairs:
        if letters_of(theirs) and letters_of(ours):
            return letters_of(theirs) == letters_of(ours)
    return False


def customer_of(found: Found, seller: Seller, *, now: datetime) -> tuple[Customer, bool]:
    """The customer by VAT id, else by electronic address, else by name and postcode; else a new one (True)."""
    buyer = found.buyer
    rows = Customer.objects.filter(seller=seller).order_by("id")
    if letters_of(buyer.vat_id):
        match = rows.filter(vat_id__in={buyer.vat_id, letters_of(buyer.vat_id)}).first()
        if match is not None:
            return match, False
    if buyer.electronic_address:
        match = rows.filter(_at(buyer.electronic_address)).first()
        if match is not None and not (
            match.vat_id and letters_of(buyer.vat_id)
        ):  # companies of a group share a mailbox
            return match, False
    match = rows.filter(
        legal_name__iexact=one_line(buyer.name)[:160], postcode__iexact=one_line(buyer.postcode)[:20]
    ).first()
    if match is not None and not (match.vat_id and letters_of(buyer.vat_id)):
        return match, False
    match = _by_other_name(found, seller)
    if match is not None:
        return match, False
    country = buyer.country if re.fullmatch(r"[A-Z]{2}", buyer.country) else seller.country
    language = country.lower() if country.lower() in LOCALES else seller.language
    customer = Customer.objects.create(
        seller=seller, legal_name=one_line(buyer.name)[:160], street=one_line(buyer.street)[:160],
        street_2=one_line(buyer.street_2)[:160], postcode=one_line(buyer.postcode)[:20], city=one_line(buyer.city)[:80],
        region=one_line(buyer.region)[:80], country=country, vat_id=letters_of(buyer.vat_id)[:20],
        electronic_address=one_line(buyer.electronic_address)[:100], currency=found.currency, language=language,
        created_at=now, to_review=True,
    )  # fmt: skip
    Event.record("customer.created", customer, now=now, customer=customer, visible=False)
    return customer, True


def _at(address: str) -> Q:
    """Who has this electronic address: with its scheme, or as it was kept before schemes were read; letters of any case."""
    scheme, bare = split_address(address)
    return Q(electronic_address__iexact=address) | (Q(electronic_address__iexact=bare) if scheme else Q())


def _by_other_name(found: Found, seller: Seller) -> Customer | None:
    """The customer that staff once said this buyer is."""
    buyer = found.buyer
    same = Q(legal_name__iexact=one_line(buyer.name)[:160], postcode__iexact=one_line(buyer.postcode)[:20])
    vat_id, address = letters_of(buyer.vat_id)[:20], one_line(buyer.electronic_address)[:100]
    if vat_id:
        same = Q(vat_id=vat_id) | (same & Q(vat_id=""))
    if address:
        same |= _at(address)
    known = OtherName.objects.filter(same, customer__seller=seller).select_related("customer").order_by("id").first()
    return known.customer if known else None


# Seen before -----------------------------------------------------------------------------------------------------------


def _known(found: Found, key: str, xml_hash: str) -> TakenIn | None:
    """What was taken in under this number before; Taken when that said something else."""
    papers = ImportedPaper.objects.filter(seller_key=key, printed_number=found.number)
    before = papers.values_list("pk", "xml__sha256").first()
    if before is None:
        return None
    if before[1] != xml_hash:
        raise Taken("other_content", number=found.number[:60])
    paper = papers.select_related("invoice").get(pk=before[0])
    return TakenIn("known", paper.invoice, paper.due_minor)


def _refuse_our_own(found: Found) -> None:
    if Invoice.objects.filter(number=found.number).exclude(series=NumberSeries.Series.IMPORTED).exists():
        raise Taken("ours", number=found.number[:60])


# The paper in our words ------------------------------------------------------------------------------------------------


def _write(
    found: Found, seller: Seller, customer: Customer, original: files.StoredFile, *, now: datetime, by: User | None
) -> Invoice:
    """The invoice with its lines and VAT groups, issued by another."""
    currency = found.currency
    invoice = Invoice(
        seller=seller, customer=customer,
        kind=Invoice.Kind.CREDIT_NOTE if found.is_credit_note
        else Invoice.Kind.DEPOSIT if found.type_code == "386" else Invoice.Kind.INVOICE,
        series=NumberSeries.Series.IMPORTED, number=_free_key(found), printed_number=found.number,
        state=Invoice.State.ISSUED, title=_title(found), po_number=found.po_number[:60], language=customer.language,
        currency=currency, lines_net_minor=minor(found.lines_net, currency),
        allowances_minor=minor(found.allowances, currency), charges_minor=minor(found.charges, currency),
        net_minor=minor(found.net, currency), vat_minor=minor(found.vat, currency),
        total_minor=minor(found.total, currency), prepaid_minor=minor(found.prepaid, currency),
        rounding_minor=minor(found.rounding, currency), issued_on=found.issued_on, delivered_on=found.delivered_on,
        created_at=now, issued_at=now, issued_by=by, hash=original.sha256,
        refers_to=_referred(found),
    )  # fmt: skip
    if not found.is_credit_note:
        invoice.due_on = found.due_on or found.issued_on + timedelta(days=customer.payment_terms_days)
    rows = list(_rows(found, invoice))
    groups = _groups(found, invoice)
    invoice.content, invoice.buyer = _content(found, invoice, rows, groups), _buyer(found)
    invoice.content_salt, invoice.buyer_salt = secrets.token_hex(32), secrets.token_hex(32)
    invoice.content_hash = salted_hash(invoice.content_salt, invoice.content)
    invoice.buyer_hash = salted_hash(invoice.buyer_salt, invoice.buyer)
    if original.media_type == "application/pdf":
        invoice.pdf = original
    settle.begin_payment_state(invoice, now=now)
    invoice.save(force_insert=True)
    InvoiceLine.objects.bulk_create(rows)
    InvoiceVat.objects.bulk_create(groups)
    return invoice


def _free_key(found: Found) -> str:
    """The address of the paper: its number where that can stand in an address, is free and is not of our own form."""
    plain_number = re.sub(r"[^A-Za-z0-9._-]+", "-", found.number).strip("-.")
    digest = hashlib.sha256(f"{seller_key(found.seller)}|{found.number}|{found.issued_on}".encode()).hexdigest()
    usable = (
        plain_number == found.number
        and len(plain_number) <= LONGEST_KEY
        and any(sign.isdigit() for sign in plain_number)
        and not OURS.match(plain_number.upper())
    )
    if usable and not Invoice.objects.filter(number=plain_number).exists():
        return plain_number
    return f"{plain_number[: LONGEST_KEY - 9]}-{digest[:8]}".lstrip("-")


def _title(found: Found) -> str:
    """What the list says of it: its first line's name."""
    return one_line(found.lines[0].name or found.note)[:160]


def _referred(found: Found) -> Invoice | None:
    """The imported invoice of the same seller that this paper refers to, if it is here."""
    if not found.refers_to:
        return None
    papers = ImportedPaper.objects.filter(seller_key=seller_key(found.seller), printed_number=found.refers_to)
    paper = papers.select_related("invoice").first()
    return paper.invoice if paper else None


def _rows(found: Found, invoice: Invoice) -> list[InvoiceLine]:
    currency = found.currency
    rows = [
        InvoiceLine(
            invoice=invoice, position=place, kind="line", name=_name(line),
            detail=_detail(line), quantity=_four(line.quantity), unit=unit_words(line.unit, line.quantity),
            unit_price=_four(line.price / line.base_quantity if line.base_quantity else line.price),
            vat_category=line.category, vat_rate=_four(line.rate), net_minor=minor(line.net, currency),
        )
        for place, line in enumerate(found.lines, start=1)
    ]  # fmt: skip
    rows += [
        InvoiceLine(
            invoice=invoice, position=place, kind="charge" if extra.is_charge else "allowance",
            name=one_line(extra.reason)[:200] or (_("Charge") if extra.is_charge else _("Allowance")), quantity=Decimal(1),
            unit_price=_four(extra.amount), vat_category=extra.category, vat_rate=_four(extra.rate),
            net_minor=minor(extra.amount, currency),
        )
        for place, extra in enumerate(found.extras, start=len(rows) + 1)
    ]  # fmt: skip
    return rows


def _name(line: FoundLine) -> str:
    """The line's name; what has none, as the rows of a profile without lines, is named by its VAT."""
    return one_line(line.name)[:200] or _("VAT %(rate)s %%") % {"rate": plain(line.rate)}


def _four(value: Decimal) -> Decimal:
    """To four decimals, as our columns hold; what was finer stands in the line's detail and in the original."""
    return value.quantize(FINEST, ROUND_HALF_UP)


def _detail(line: FoundLine) -> str:
    """The line's description, and its price as written where four decimals for one unit do not hold it."""
    parts = [line.description] if line.description != line.name else []
    exact = line.price / line.base_quantity if line.base_quantity else line.price
    if _four(exact) != exact or line.base_quantity != 1:
        parts.append(
            _("Price %(price)s for %(quantity)s")
            % {
                "price": f"{line.price:f}",
                "quantity": f"{line.base_quantity.normalize():f} {unit_words(line.unit, line.base_quantity)}".strip(),
            }
        )
    return "\n".join(part for part in parts if part)[:2000]


def _groups(found: Found, invoice: Invoice) -> list[InvoiceVat]:
    """One row a category and rate; of two that differ in the reason of an exemption alone, the first reason stands."""
    rows: dict[tuple[str, Decimal], InvoiceVat] = {}
    for group in found.groups:
        key = group.category, _four(group.rate)
        row = rows.setdefault(
            key,
            InvoiceVat(
                invoice=invoice, category=key[0], rate=key[1], base_minor=0, vat_minor=0,
                exemption_code=group.exemption_code[:30], note=one_line(group.exemption_text)[:300],
            ),
        )  # fmt: skip
        row.base_minor += minor(group.base, found.currency)
        row.vat_minor += minor(group.vat, found.currency) if group.category in TAXED else 0
    return in_order(rows.values())


def _content(found: Found, invoice: Invoice, rows: list[InvoiceLine], groups: list[InvoiceVat]) -> dict[str, object]:
    """The frozen copy, of the same form as that of our own papers."""
    party = found.seller
    return {
        "seller": {
            "legal_name": party.name, "short_name": party.name, "street": party.street, "street_2": party.street_2,
            "postcode": party.postcode, "city": party.city, "region": party.region, "country": party.country,
            "vat_id": party.vat_id, "tax_registration": party.tax_registration, "company_registration": party.legal_id,
            "legal_form_note": "", "support_email": party.email, "bank_account_name": found.account_name,
            "iban": found.iban if stdnum_iban.is_valid(found.iban) else "", "bic": found.bic, "currency": found.currency,
        },
        "title": invoice.title,
        "po_number": invoice.po_number,
        "refers_to": invoice.refers_to.number if invoice.refers_to else "",
        "reason": "",
        "order": "",
        "delivered_on": invoice.delivered_on.isoformat() if invoice.delivered_on else "",
        "lines": [frozen_line(row) for row in rows],
        "vat": [
            [group.category, plain(group.rate), group.base_minor, group.vat_minor, group.exemption_code, group.note]
            for group in groups
        ],
        "totals": {
            "lines": invoice.lines_net_minor, "allowances": invoice.allowances_minor, "charges": invoice.charges_minor,
            "net": invoice.net_minor, "vat": invoice.vat_minor, "total": invoice.total_minor,
        },
        "terms": [["", words] for words in (found.note, found.terms) if words],
        "prepaid": False,
    }  # fmt: skip


def _buyer(found: Found) -> dict[str, str]:
    party = found.buyer
    return {
        "legal_name": party.name, "street": party.street, "street_2": party.street_2, "postcode": party.postcode,
        "city": party.city, "region": party.region, "country": party.country, "vat_id": party.vat_id,
        "electronic_address": party.electronic_address, "email": one_line(party.email)[:254],
    }  # fmt: skip


def _set_off(invoice: Invoice, *, now: datetime) -> None:
    """A credit note settles the invoice that it refers to, as far as something is left of both."""
    paper = invoice.refers_to
    same = paper is not None and (paper.currency, paper.customer_id) == (invoice.currency, invoice.customer_id)
    if paper is not None and same and invoice.gives_minor and paper.amount_due_minor:
        settle.allocate_credit_note(invoice, paper, now=now)
