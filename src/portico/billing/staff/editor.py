"""The editor of a quotation as a form of plain fields: what was typed is kept whatever is wrong with it.

Rows are posted as `l0-name`, `l0-quantity`, … in their order on the page. Every button is a submit named `do`: `save`,
`autosave`, `price` (only look at the totals), `find` (in the catalogue), `terms`, `add-product-7`, `add-line`, `add-section`,
…, `remove-3`, `up-3`, `down-3`. All but the first two write nothing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from secrets import token_hex
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from portico.accounts.terms import kept as plan_kept
from portico.accounts.terms import plan_of
from portico.billing.actions.draft import LineDraft, draft_of
from portico.billing.models import QuotationLine, QuotationVersion
from portico.billing.models.line import Line
from portico.billing.staff.plans import Typed, posted_rows, read_plan, typed_of
from portico.kit import formats
from portico.kit.errors import Invalid
from portico.kit.money import parse_decimal
from portico.kit.text import one_line, paragraphs

MOST_ROWS = 100
MOST_YEARS = 10
COUNTED = {Line.Kind.LINE, Line.Kind.ALLOWANCE, Line.Kind.CHARGE}
ADDED = {f"add-{kind}": kind for kind in Line.Kind.values}


@dataclass
class Row:
    """One line as it is typed, with what is wrong with it by field."""

    kind: str = "line"
    key: str = "0"
    product: str = ""
    name: str = ""
    detail: str = ""
    quantity: str = "1"
    unit: str = ""
    price: str = ""
    discount: str = ""
    vat: str = ""
    least: str = ""
    most: str = ""
    optional: bool = False
    selected: bool = True
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Whether the row has an amount."""
        return self.kind in COUNTED


TEXTS = "kind key product name detail quantity unit price discount vat least most".split()


@dataclass
class Form:
    """The whole editor as it is typed."""

    revision: int
    currency: str
    language: str
    title: str = ""
    intro: str = ""
    change_note: str = ""
    valid_until: str = ""
    payment_policy: str = "none"
    deposit_percent: str = ""
    paid_in: str = "agreed"
    """As agreed with the customer, in `one` sum, or in `parts` of its own."""
    plan: Typed = field(default_factory=list)
    """The parts, as percent and days."""
    invoice_policy: str = "at_acceptance"
    invoice_before_payment: bool = False
    signature_required: bool = False
    terms: str = ""
    rows: list[Row] = field(default_factory=list)
    window: str = field(default_factory=lambda: token_hex(8))
    """Which of the open windows it is: what one saved by itself is no conflict for itself."""
    words: str = ""
    """What is looked for in the catalogue."""
    note: str = ""
    """What there is to say about saving by itself."""
    errors: dict[str, str] = field(default_factory=dict)
    focus: int = -1
    """The row that was just added."""

    @property
    def is_wrong(self) -> bool:
        """Whether anything typed cannot be saved."""
        return bool(self.errors) or any(row.errors for row in self.rows)

    def act(self, button: str) -> None:
        """Do what a button says to the rows."""
        if button in ADDED:
            self._add(Row(kind=ADDED[button]))
        elif found := re.fullmatch(r"(remove|up|down)-([0-9]{1,3})", button):
            self._move(found[1], int(found[2]))

    def _add(self, row: Row) -> None:
        if len(self.rows) >= MOST_ROWS:
            self.errors["rows"] = _("A quotation has at most %(most)d lines.") % {"most": MOST_ROWS}
        else:
            self.focus = len(self.rows)
            self.rows.append(row)

    def add_product(self, product: Any) -> None:
        """A row for a product with its `listed` price; None is an error to be shown."""
        if product is None:
            self.errors["product"] = _("Choose a product to add.")
            return
        price = "" if product.listed is None else formats.unit_price(product.listed, self.currency, self.language)
        self._add(
            Row(
                product=str(product.pk),
                name=product.name,
                detail=product.description,
                unit=product.unit,
                price=price,
            )
        )

    def _move(self, verb: str, index: int) -> None:
        if index >= len(self.rows):
            return
        row = self.rows.pop(index)
        if verb != "remove":
            self.rows.insert(max(0, index + (1 if verb == "down" else -1)), row)


# From what is stored ---------------------------------------------------------------------------------------------------


def form_of(version: QuotationVersion, lines: Iterable[QuotationLine], language: str) -> Form:
    """The editor with what is stored. `lines` come with their products."""
    deposit = version.deposit_percent
    return Form(
        revision=version.revision,
        currency=version.currency,
        language=language,
        title=version.title,
        intro=version.intro,
        change_note=version.change_note,
        valid_until=version.valid_until.isoformat() if version.valid_until else "",
        payment_policy=version.payment_policy,
        deposit_percent=formats.quantity(deposit, language) if deposit else "",
        paid_in="agreed" if version.payment_parts is None else "parts" if version.payment_parts else "one",
        plan=typed_of(plan_of(version.payment_parts or []), language),
        invoice_policy=version.invoice_policy,
        invoice_before_payment=version.invoice_before_payment,
        signature_required=version.signature_required,
        terms=terms_as_text(version.terms),
        rows=[row_of(line, version.currency, language) for line in lines],
    )


def row_of(line: QuotationLine, currency: str, language: str) -> Row:
    """A stored line as it is typed."""
    draft = draft_of(line)

    def number(value: Decimal | None) -> str:
        return "" if value is None else formats.quantity(value, language)

    counts = line.kind in COUNTED
    return Row(
        kind=line.kind,
        key=str(line.key),
        product=str(line.product_id or ""),
        name=line.name,
        detail=line.detail,
        quantity=number(line.quantity) if counts else "",
        unit=line.unit,
        price=formats.unit_price(line.unit_price, currency, language) if counts else "",
        discount=number(line.discount_percent) if line.discount_percent else "",
        vat=number(draft.vat_rate),
        least=number(line.quantity_min),
        most=number(line.quantity_max),
        optional=line.optional,
        selected=line.selected,
    )


def terms_as_text(terms: Any) -> str:
    """Terms as one text: a title, its words below, a blank line between."""
    return "\n\n".join(f"{title}\n{text}" for title, text in terms)


def terms_from_text(text: str) -> list[list[str]]:
    """The terms of such a text."""
    blocks = [block.strip() for block in re.split(r"\n\s*\n", text) if block.strip()]
    return [
        [title.strip(), " ".join(words.split())] for title, _break, words in (block.partition("\n") for block in blocks)
    ]


# From what was posted --------------------------------------------------------------------------------------------------


def read_form(posted: QueryDict, version: QuotationVersion, language: str) -> Form:
    """The editor as it was posted; numbers and dates are looked at when it is saved."""
    revision = posted.get("revision", "")
    form = Form(
        revision=int(revision) if re.fullmatch(r"[0-9]{1,9}", revision) else -1,
        currency=version.currency,
        language=language,
        title=one_line(posted.get("title", "")),
        intro=paragraphs(posted.get("intro", "")),
        change_note=paragraphs(posted.get("change_note", "")),
        valid_until=posted.get("valid_until", "").strip()[:20],
        payment_policy=posted.get("payment_policy", ""),
        deposit_percent=posted.get("deposit_percent", "").strip()[:40],
        paid_in=posted.get("paid_in", "agreed"),
        plan=posted_rows(posted),
        invoice_policy=posted.get("invoice_policy", ""),
        invoice_before_payment="invoice_before_payment" in posted,
        signature_required="signature_required" in posted,
        terms=paragraphs(posted.get("terms", "")),
    )
    if re.fullmatch(r"[0-9a-f]{16}", posted.get("window", "")):
        form.window = str(posted["window"])
    count = posted.get("rows", "0")
    if not re.fullmatch(r"[0-9]{1,3}", count) or int(count) > MOST_ROWS:
        raise Invalid(_("A quotation has at most %(most)d lines.") % {"most": MOST_ROWS})
    form.rows = [read_row(posted, f"l{index}-") for index in range(int(count))]
    return form


def read_row(posted: Mapping[str, str], prefix: str) -> Row:
    """One row as it was posted."""
    row = Row()
    for name in TEXTS:
        setattr(row, name, one_line(posted.get(prefix + name, ""))[:400])
    row.detail = paragraphs(posted.get(f"{prefix}detail", ""))
    row.optional, row.selected = f"{prefix}optional" in posted, f"{prefix}selected" in posted
    if row.kind not in Line.Kind.values:
        raise Invalid(_("The form could not be read. Nothing was saved. Reload the page and try again."))
    return row


# To what is saved ------------------------------------------------------------------------------------------------------


def drafts(form: Form) -> list[LineDraft]:
    """The rows as the story of writing takes them; what is wrong is noted at its field, and such a row is left out."""
    return [draft for row in form.rows if (draft := draft_from(row, form.language)) is not None]


def draft_from(row: Row, language: str) -> LineDraft | None:
    """One row, or None with its errors noted."""
    row.errors = {}
    if not row.name:
        row.errors["name"] = _("Give this line a name.")
    for name, longest in (("name", 200), ("detail", 2000), ("unit", 20)):
        if len(getattr(row, name)) > longest:
            row.errors[name] = _("At most %(longest)d characters.") % {"longest": longest}
    numbers: dict[str, Decimal | None] = dict.fromkeys(("quantity", "price", "discount", "vat", "least", "most"))
    if row.counts:
        for name in numbers:
            numbers[name] = read_number(row, name, language)
    if row.errors:
        return None
    plain = row.kind == Line.Kind.LINE
    return LineDraft(
        kind=row.kind,
        name=row.name,
        key=int(row.key) if re.fullmatch(r"[0-9]{1,9}", row.key) else 0,
        product_id=int(row.product) if re.fullmatch(r"[0-9]{1,18}", row.product) else None,
        detail=row.detail,
        quantity=numbers["quantity"] if plain and numbers["quantity"] is not None else Decimal(1),
        unit=row.unit,
        unit_price=numbers["price"] or Decimal(0),
        discount_percent=(numbers["discount"] or Decimal(0)) if plain else Decimal(0),
        vat_rate=numbers["vat"],
        optional=row.optional and plain,
        selected=row.selected or not row.optional,
        quantity_min=numbers["least"] if plain else None,
        quantity_max=numbers["most"] if plain else None,
    )


def read_number(row: Row, name: str, language: str) -> Decimal | None:
    """A number of a row; None where it may be left empty and is."""
    text = getattr(row, name)
    if not text:
        if name == "price" or (name == "quantity" and row.kind == Line.Kind.LINE):
            row.errors[name] = _("Enter a number.")
        return None
    try:
        value = parse_decimal(text, language)
    except Invalid as refusal:
        row.errors[name] = refusal.message
        return None
    highest = {"discount": 100, "vat": 100}.get(name)
    if value < 0 or (name in {"quantity", "least", "most"} and value == 0):
        row.errors[name] = _("Enter a number above zero.") if name != "price" else _("A price is not negative.")
    elif highest is not None and value > highest:
        row.errors[name] = _("Between 0 and 100 percent.")
    return value


def fields(form: Form, version: QuotationVersion, today: date) -> dict[str, Any]:
    """The fields of the version as the story of writing takes them; what is wrong is noted in the form."""
    for name, longest in (("title", 160), ("intro", 4000), ("change_note", 1000), ("terms", 12_000)):
        if len(getattr(form, name)) > longest:
            form.errors[name] = _("At most %(longest)d characters.") % {"longest": longest}
    if form.payment_policy not in QuotationVersion.PaymentPolicy.values:
        form.errors["payment_policy"] = _("Choose what is paid on acceptance.")
    if form.invoice_policy not in QuotationVersion.InvoicePolicy.values:
        form.errors["invoice_policy"] = _("Choose when the invoice is made.")
    terms = terms_from_text(form.terms)
    return {
        "title": form.title,
        "intro": form.intro,
        "change_note": form.change_note,
        "valid_until": read_day(form, today),
        "payment_policy": form.payment_policy,
        "deposit_percent": read_deposit(form),
        "payment_parts": read_parts(form),
        "invoice_policy": form.invoice_policy,
        "invoice_before_payment": form.invoice_before_payment,
        "signature_required": form.signature_required,
        "terms": terms,
        "terms_version": version.terms_version if terms == version.terms else today.isoformat(),
    }


def read_day(form: Form, today: date) -> date | None:
    """Valid Until; a draft may be without."""
    if not form.valid_until:
        return None
    try:
        day = date.fromisoformat(form.valid_until)
    except ValueError:
        form.errors["valid_until"] = _("Enter a day, such as %(example)s.") % {"example": today.isoformat()}
        return None
    if not today <= day <= today + timedelta(days=365 * MOST_YEARS):
        form.errors["valid_until"] = _("Choose today or a later day, within %(years)d years.") % {"years": MOST_YEARS}
    return day


def read_parts(form: Form) -> list[list[Any]] | None:
    """The parts in which its invoices are to be paid: None as agreed with the customer, none for one sum."""
    if form.paid_in == "agreed":
        return None
    if form.paid_in != "parts":
        return []
    try:
        plan = read_plan(form.plan, form.language)
    except Invalid as refusal:
        form.errors["plan"] = refusal.message
        return None
    if not plan:
        form.errors["plan"] = _("Enter at least two parts, or choose one sum.")
    return plan_kept(plan)


def read_deposit(form: Form) -> Decimal:
    """The deposit in percent, above 0 and below 100 where there is one."""
    if form.payment_policy != QuotationVersion.PaymentPolicy.DEPOSIT:
        return Decimal(0)
    try:
        percent = parse_decimal(form.deposit_percent, form.language)
    except Invalid as refusal:
        form.errors["deposit_percent"] = refusal.message if form.deposit_percent else _("Enter the deposit in percent.")
        return Decimal(0)
    if not 0 < percent < 100:
        form.errors["deposit_percent"] = _("A deposit is above 0 and below 100 percent.")
    return percent
