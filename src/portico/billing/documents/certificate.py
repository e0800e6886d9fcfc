"""The certificate of acceptance: who accepted which paper, how and when, with the accepted PDF inside (PDF/A-3).

Drawn from the evidence whenever it is asked for; the evidence itself never changes (DOMAIN 3).
"""

from datetime import UTC, datetime

from django.utils import translation
from django.utils.translation import gettext as _

from portico.billing.documents.parts import buyer_party, buyer_values, footer_lines, seller_party, seller_values
from portico.billing.documents.render import Attachment, render_pdf
from portico.billing.documents.sheet import Sheet, SheetFact, SheetSum, SheetText
from portico.billing.models import Acceptance
from portico.kit.errors import Missing

MOST_VIEWS = 12
"""Openings told one by one; the others are counted."""


def certificate_pdf(acceptance: Acceptance) -> bytes:
    """The certificate as PDF, with the accepted paper attached and a drawn signature shown."""
    if not acceptance.signer_name:
        raise Missing(_("The evidence of this acceptance was deleted when the law asked to keep it no longer."))
    quotation = acceptance.version.quotation
    name = f"{quotation.number}-v{acceptance.version.version}.pdf"
    paper = Attachment(
        name=name,
        content=acceptance.pdf.read(),
        mime_type="application/pdf",
        relationship="source",
        description=f"The quotation as it was accepted, {name}",
    )
    drawn = acceptance.signature if acceptance.signature_kind == Acceptance.SignatureKind.DRAWN else ""
    return render_pdf(
        certificate_sheet(acceptance),
        accent=quotation.seller.accent,
        logo=quotation.seller.logo,
        attachments=[paper],
        drawn_signature=drawn,
    )


def certificate_sheet(acceptance: Acceptance) -> Sheet:
    """The certificate's words, in the customer's language."""
    version = acceptance.version
    quotation = version.quotation
    seller, customer = quotation.seller, quotation.customer
    with translation.override(customer.language):
        number = f"{quotation.number}, {_('version %(number)s') % {'number': version.version}}"
        accepted_on = acceptance.accepted_at.astimezone(seller.zone).date()
        facts = [SheetFact(_("Quotation"), quotation.number), SheetFact(_("Accepted on"), accepted_on)]
        if acceptance.po_number:
            facts.append(SheetFact(_("Your order number"), acceptance.po_number))
        return Sheet(
            kind="certificate",
            title=_("Certificate of acceptance"),
            number=number,
            currency=version.currency,
            language=customer.language,
            issued_on=accepted_on,
            seller=seller_party(seller_values(seller)),
            seller_short_name=seller.short_name,
            buyer=buyer_party(_("Accepted for"), buyer_values(customer)),
            facts=tuple(facts),
            subject=version.title,
            intro=acceptance.consent,
            sums=(SheetSum(_("Total accepted, including VAT"), acceptance.total_minor, "grand"),),
            terms=tuple(SheetText(title, text) for title, text in _evidence(acceptance) if text),
            notes=(_("The accepted document is attached to this PDF, exactly as it was accepted."),),
            signed_by_buyer=acceptance.signature if acceptance.signature_kind == "typed" else "",
            show_signature=acceptance.signature_kind != Acceptance.SignatureKind.NONE,
            footer=footer_lines(seller_values(seller)),
        )


def _evidence(acceptance: Acceptance) -> list[tuple[str, str]]:
    """The evidence, one heading and its words each."""
    signer = ", ".join(part for part in (acceptance.signer_name, acceptance.signer_title) if part)
    account = acceptance.accepted_by.email if acceptance.accepted_by else ""
    signed = {
        "none": _("No signature was asked for"),
        "typed": _("Typed name: %(name)s") % {"name": acceptance.signature},
        "drawn": _("Drawn by hand, shown below"),
    }[acceptance.signature_kind]
    return [
        (_("Who accepted"), "\n".join(part for part in (signer, account) if part)),
        (_("When"), _moment(acceptance.accepted_at)),
        (_("Signature"), signed),
        (_("How the account was signed in"), _signed_in(acceptance)),
        (_("Network address and browser"), "\n".join(part for part in (acceptance.ip, acceptance.user_agent) if part)),
        (_("Terms"), _("Version %(version)s") % {"version": acceptance.terms_version} if acceptance.terms_version else ""),
        (_("Opened before"), _views(acceptance.view_history)),
        (_("SHA-256 of the document"), acceptance.pdf_sha256),
        (_("SHA-256 of its data"), acceptance.data_sha256),
    ]  # fmt: skip


def _signed_in(acceptance: Acceptance) -> str:
    """How the person was known; or under which mandate it was accepted by itself."""
    mandate = acceptance.mandate
    if mandate is None:
        ways = {"password": _("E-mail address and password")}
        return ways.get(acceptance.auth_method, acceptance.auth_method)
    return _("Not signed in: accepted by itself under mandate %(number)s, given on %(moment)s") % {
        "number": mandate.pk,
        "moment": _moment(mandate.given_at),
    }


def _moment(at: datetime) -> str:
    """A moment as evidence gives it: to the second, in UTC (ISO 8601)."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _views(history: list[list[str]]) -> str:
    """When the version was opened before it was accepted."""
    times = [_moment(datetime.fromisoformat(str(entry[0]))) for entry in history]
    if len(times) > MOST_VIEWS:
        times = [*times[:MOST_VIEWS], _("and %(count)s times more") % {"count": len(times) - MOST_VIEWS}]
    return "\n".join(times)
