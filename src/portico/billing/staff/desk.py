"""What the desk's forms share."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Q

from portico.accounts.access import StaffRequest
from portico.accounts.models import Customer
from portico.kit.listing import search_words

MOST_OFFERED = 20


def by_id(rows: Any, text: str) -> Any:
    """The row whose id was posted, or None."""
    return rows.filter(pk=int(text)).first() if text.isascii() and text.isdigit() and len(text) < 19 else None


def customers_offered(request: StaffRequest) -> Sequence[Customer]:
    """The first customers by name, or those whose name, VAT number or city hold `?q=`, to choose one of."""
    words = search_words(request.GET)
    found = Q(legal_name__icontains=words) | Q(vat_id__icontains=words) | Q(city__icontains=words)
    return list(Customer.objects.filter(found, seller=request.seller).order_by("legal_name", "pk")[:MOST_OFFERED])
