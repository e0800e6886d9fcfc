"""What a person chose on a quotation, read from the fields of its page: options, quantities, wishes, the signature.

Fields: `chosen=1` says that boxes were shown (an unticked box sends nothing), `line-<key>` an option, `quantity-<key>` a
quantity, `wish-<key>`, `wish-quantity-<key>`, `wish-comment-<key>` a wish.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from django.http import HttpRequest
from django.utils.translation import gettext as _

from portico.accounts.access import MemberRequest
from portico.billing.actions import decide
from portico.billing.models import ChangeWish, QuotationLine
from portico.kit.addresses import client_address
from portico.kit.errors import Invalid
from portico.kit.money import parse_decimal
from portico.kit.text import one_line, paragraphs

LONGEST = 4000


def choices_from(fields: Mapping[str, str], lines: Iterable[QuotationLine]) -> dict[int, Decimal]:
    """The choices by line key; only lines that may be chosen are looked at. Invalid for a quantity that is no number.

    A quantity is written with a point in every language: number fields and our own addresses send it so.
    """
    if not fields.get("chosen"):
        return {}
    choices: dict[int, Decimal] = {}
    for line in lines:
        if line.optional and f"line-{line.key}" not in fields:
            choices[line.key] = Decimal(0)
        elif line.quantity_min is not None:
            choices[line.key] = parse_decimal(fields.get(f"quantity-{line.key}", str(line.quantity)))
        elif line.optional:
            choices[line.key] = line.quantity
    return choices


def fields_of(choices: Mapping[int, Decimal], lines: Iterable[QuotationLine]) -> list[tuple[str, str]]:
    """The same choices as hidden fields, to carry them from the page to the acceptance."""
    rows = [("chosen", "1")]
    for line in lines:
        quantity = choices.get(line.key, line.quantity if line.selected else Decimal(0))
        if line.optional and quantity:
            rows.append((f"line-{line.key}", "on"))
        if line.quantity_min is not None and quantity:
            rows.append((f"quantity-{line.key}", f"{quantity.normalize():f}"))
    return rows


def wishes_from(
    fields: Mapping[str, str], lines: Iterable[QuotationLine], language: str
) -> dict[int, tuple[str, Decimal | None, str]]:
    """The wishes by line key: (wish, quantity or none, comment)."""
    wishes: dict[int, tuple[str, Decimal | None, str]] = {}
    for line in lines:
        wish = fields.get(f"wish-{line.key}", "")
        comment = words(fields.get(f"wish-comment-{line.key}", ""), 500)
        if not wish and not comment:
            continue
        wish = wish or ChangeWish.Wish.COMMENT
        if wish not in ChangeWish.Wish.values:
            raise Invalid(_("Choose what should happen with “%(name)s”.") % {"name": line.name})
        quantity = None
        if wish == ChangeWish.Wish.QUANTITY:
            quantity = parse_decimal(fields.get(f"wish-quantity-{line.key}", ""), language)
            if not 0 <= quantity <= 10_000_000:
                raise Invalid(_("“%(name)s”: wish for a quantity from 0 to 10,000,000.") % {"name": line.name})
        wishes[line.key] = (wish, quantity, comment)
    return wishes


def short(text: str, longest: int = LONGEST) -> str:
    """A text of several lines, nothing invisible in it; Invalid when it is too long, so that nothing is cut unseen."""
    return not_longer(paragraphs(text), longest)


def words(text: str, longest: int) -> str:
    """The same on one line."""
    return not_longer(one_line(text), longest)


def not_longer(plain: str, longest: int) -> str:
    """`plain` itself; Invalid when it is longer."""
    if len(plain) > longest:
        raise Invalid(_("A text is too long: at most %(most)s characters. Nothing was sent.") % {"most": longest})
    return plain


def version_from(fields: Mapping[str, str]) -> int:
    """The version that the page showed."""
    return whole(fields.get("version", ""))


def whole(text: str) -> int:
    """A whole number of a hidden field; Invalid for anything else, which no page of ours sends."""
    if not text.lstrip("-").isascii() or not text.lstrip("-").isdigit() or len(text) > 18:
        raise Invalid(_("The form was not complete. Reload the page and try again. Nothing was changed."))
    return int(text)


def signature_from(fields: Mapping[str, str], request: MemberRequest) -> decide.Signature:
    """Who signs, and how: typed (the name) or drawn (path data)."""
    name = words(fields.get("signer_name", ""), 120) or request.user.get_full_name()
    title = words(fields.get("signer_title", ""), 120)
    kind = fields.get("signature_kind", "")
    value = {"typed": words(fields.get("signature_typed", ""), 120), "drawn": fields.get("signature_drawn", "")}.get(
        kind, ""
    )
    return decide.Signature(name, title, kind if value else "none", value)


def origin_of(request: HttpRequest) -> decide.Origin:
    """Where a decision comes from, for the evidence."""
    method = "password" if request.session.get("account_authentication_methods") else "session"
    return decide.Origin(client_address(request), request.headers.get("User-Agent", "")[:300], method)
