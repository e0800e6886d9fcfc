"""Why a file is refused: a code with what it names, and the words for it in the reader's language.

A code is stable and is kept; its words are made when they are read. Each says what is wrong and, where somebody can do
something about it, what. Names of terms are those of EN 16931-1; rules in brackets are those of its official checks.
"""

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, override

from portico.kit.errors import Conflict, Invalid

EXPORT = gettext_noop("Export the invoice again from the system that made it, and send that file.")
ASK = gettext_noop("Ask the company that made it for a corrected invoice; this portal does not repair invoices.")
REASONS: dict[str, tuple[str, str]] = {
    # The file
    "empty": (gettext_noop("The file is empty."), EXPORT),
    "too_large": (
        gettext_noop("The file is larger than %(megabytes)s MB."),
        gettext_noop("Send the invoice alone, without its annexes."),
    ),
    "neither": (
        gettext_noop("This is neither XML nor a PDF."),
        gettext_noop("Send the e-invoice itself: its XML, or the PDF with the XML inside."),
    ),
    "not_xml": (gettext_noop("The XML cannot be read: %(detail)s."), EXPORT),
    "doctype": (
        gettext_noop("The XML has a document type declaration. Such a file is not opened."),
        gettext_noop("An e-invoice needs none: ask its maker for a file without."),
    ),
    "not_invoice": (
        gettext_noop("This is not an invoice: its root is %(name)s."),
        gettext_noop("UBL invoices and credit notes, CII, and PDFs with one inside can be read."),
    ),
    # A PDF
    "pdf_heavy": (
        gettext_noop("The PDF cannot be opened: it is broken, or unfolds to more than an invoice needs."),
        EXPORT,
    ),
    "pdf_encrypted": (gettext_noop("The PDF is encrypted."), gettext_noop("Send it without a password.")),
    "pdf_broken": (gettext_noop("The PDF is broken: %(detail)s."), EXPORT),
    "pdf_without": (
        gettext_noop("This PDF holds no e-invoice: there is no factur-x.xml or zugferd-invoice.xml inside."),
        gettext_noop("A scan or a plain PDF cannot be read. Ask for Factur-X, ZUGFeRD, or the XML itself."),
    ),
    "pdf_packing": (
        gettext_noop("The invoice inside the PDF is packed in a way that is not opened (%(detail)s)."),
        EXPORT,
    ),
    "pdf_unfolds": (gettext_noop("The invoice inside the PDF unfolds to more than %(megabytes)s MB."), EXPORT),
    # What must be there
    "no_totals": (gettext_noop("This is not an invoice of EN 16931: its document totals (BG-22) are missing."), ASK),
    "minimum": (
        gettext_noop("The VAT breakdown (BG-23) is missing: the file holds less than an invoice (profile MINIMUM)."),
        gettext_noop("Ask for the profile BASIC, EN 16931 or EXTENDED."),
    ),
    "missing": (gettext_noop("%(term)s is missing."), ASK),
    "not_number": (gettext_noop("%(term)s is not a number: %(value)s."), ASK),
    "not_day": (gettext_noop("%(term)s is not a day: %(value)s."), ASK),
    "no_number": (gettext_noop("It has no number (BR-02)."), ASK),
    "long_number": (gettext_noop("Its number is longer than %(most)s characters."), ASK),
    "not_type": (
        gettext_noop("This is not an invoice: its type code is %(value)s (BT-3, BR-CL-01)."),
        gettext_noop("Orders, delivery notes and reminders cannot be imported."),
    ),
    "not_currency": (gettext_noop("%(value)s is not a currency (BR-05, BR-CL-04)."), ASK),
    "no_seller": (gettext_noop("The seller has no name (BR-06)."), ASK),
    "no_buyer": (gettext_noop("The buyer has no name (BR-07)."), ASK),
    "no_line": (gettext_noop("It has no line (BR-16)."), ASK),
    "many_lines": (
        gettext_noop("It has more than %(most)s lines."),
        gettext_noop("Such an invoice cannot be imported: enter its sum as one line."),
    ),
    "no_breakdown": (gettext_noop("It has no VAT breakdown (BR-CO-18)."), ASK),
    "not_category": (gettext_noop("%(value)s is not a VAT category (BR-CO-04, BR-CL-17)."), ASK),
    "not_rate": (gettext_noop("%(value)s is not a VAT rate: it is between 0 and 100 percent."), ASK),
    "no_year": (gettext_noop("%(term)s is %(value)s: no invoice is of that year."), ASK),
    "large_of_line": (
        gettext_noop("%(term)s in line %(line)s is larger than this portal counts."),
        gettext_noop("Check whether the decimal sign is right."),
    ),
    # What must add up
    "too_fine": (gettext_noop("%(term)s is %(value)s: finer than %(currency)s allows (BR-DEC)."), ASK),
    "too_fine_of_line": (
        gettext_noop("%(term)s in line %(line)s is %(value)s: finer than %(currency)s allows (BR-DEC)."),
        ASK,
    ),
    "large": (
        gettext_noop("%(term)s is %(value)s: larger than this portal counts."),
        gettext_noop("Check whether the decimal sign is right."),
    ),
    "sum": (gettext_noop("%(term)s is %(stated)s, but its parts make %(made)s (%(rule)s)."), ASK),
    "vat_none": (
        gettext_noop(
            "VAT %(category)s %(rate)s %%: there is no VAT in this category, but %(stated)s stands there (%(rule)s)."
        ),
        ASK,
    ),
    "vat_amount": (
        gettext_noop("VAT %(category)s %(rate)s %% of %(base)s is %(made)s, but %(stated)s stands there (%(rule)s)."),
        ASK,
    ),
    "vat_base": (
        gettext_noop("VAT %(category)s %(rate)s %%: its base is %(stated)s, but its lines make %(made)s (%(rule)s)."),
        ASK,
    ),
    "vat_missing": (
        gettext_noop("VAT %(category)s %(rate)s %% of %(base)s is missing in the breakdown (%(rule)s)."),
        ASK,
    ),
    # A ZIP
    "zip_broken": (
        gettext_noop("The ZIP, or this file in it, is damaged."),
        gettext_noop("Pack it again and send that."),
    ),
    "zip_encrypted": (gettext_noop("The ZIP is encrypted."), gettext_noop("Send it without a password.")),
    "zip_empty": (gettext_noop("The ZIP holds no file."), gettext_noop("Put the invoices into it as XML or PDF.")),
    "zip_many": (gettext_noop("The ZIP holds more than %(most)s files."), gettext_noop("Send them in several.")),
    "zip_nested": (
        gettext_noop("This is a ZIP inside a ZIP. It is not opened."),
        gettext_noop("Unpack it, and send what is inside."),
    ),
    "zip_unfolds": (
        gettext_noop("The ZIP unfolds to more than %(megabytes)s MB, or to more than %(most)s times its size."),
        gettext_noop("Send its files in several."),
    ),
    # The rest
    "fault": (
        gettext_noop("Reading it broke off three times. Nothing of it was kept."),
        gettext_noop("Send the file alone. If that fails too, tell your administrator."),
    ),
    "other": (gettext_noop("%(detail)s"), EXPORT),
    # Whose it is
    "other_seller": (
        gettext_noop("This invoice is not %(company)s's: its seller is %(seller)s."),
        gettext_noop(
            "Only invoices of your own company are imported. If the name is yours, check your VAT id in Settings."
        ),
    ),
    "other_content": (
        gettext_noop("Invoice %(number)s of this seller was imported before, with other content. Nothing was changed."),
        gettext_noop("A number is used once. A correction needs a credit note, or a number of its own."),
    ),
    "ours": (
        gettext_noop("%(number)s was issued by this portal itself. Nothing was changed."),
        gettext_noop("It is among your invoices already."),
    ),
}
TERMS: dict[str, str] = {
    "BT-2": gettext_noop("The issue date (BT-2)"),
    "BT-9": gettext_noop("The due date (BT-9)"),
    "BT-72": gettext_noop("The delivery date (BT-72)"),
    "BT-92": gettext_noop("The amount of an allowance or charge (BT-92, BT-99)"),
    "BT-96": gettext_noop("The VAT rate of an allowance or charge (BT-96, BT-103)"),
    "BT-106": gettext_noop("The sum of line nets (BT-106)"),
    "BT-107": gettext_noop("The sum of allowances (BT-107)"),
    "BT-108": gettext_noop("The sum of charges (BT-108)"),
    "BT-109": gettext_noop("The total without VAT (BT-109)"),
    "BT-110": gettext_noop("The total VAT (BT-110)"),
    "BT-112": gettext_noop("The total with VAT (BT-112)"),
    "BT-113": gettext_noop("The paid amount (BT-113)"),
    "BT-114": gettext_noop("The rounding amount (BT-114)"),
    "BT-115": gettext_noop("The amount due (BT-115)"),
    "BT-116": gettext_noop("A VAT base (BT-116)"),
    "BT-117": gettext_noop("A VAT amount (BT-117)"),
    "BT-119": gettext_noop("A VAT rate (BT-119)"),
    "BT-129": gettext_noop("A quantity (BT-129)"),
    "BT-131": gettext_noop("A net amount (BT-131)"),
    "BT-146": gettext_noop("A price (BT-146)"),
    "BT-149": gettext_noop("The base quantity of a price (BT-149)"),
    "BT-152": gettext_noop("The VAT rate of a line (BT-152)"),
}


def what_is_wrong(code: str, about: Mapping[str, str]) -> str:
    """The sentence for a code, in the language of the moment."""
    return _(REASONS[code][0]) % {name: _(TERMS[value]) if name == "term" else value for name, value in about.items()}


def what_to_do(code: str) -> str:
    """What somebody can do about it, in the language of the moment."""
    return _(REASONS[code][1])


class Coded:
    """A refusal with its code and what it names, text all of it; its message is English, for those who read no page."""

    def __init__(self, code: str, **about: object) -> None:
        self.code, self.about = code, {name: str(value)[:200] for name, value in about.items()}
        with override("en"):
            super().__init__(f"{what_is_wrong(code, self.about)} {what_to_do(code)}")  # type: ignore[call-arg]


class Unreadable(Coded, Invalid):
    """The file is no sound invoice of this seller."""


class Taken(Coded, Conflict):
    """The number is taken: by another content, or by this portal itself."""
