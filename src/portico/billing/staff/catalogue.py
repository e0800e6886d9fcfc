"""Finding what is sold while a quotation is written."""

from collections.abc import Iterable

from django.db.models import Case, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.utils import timezone

from portico.billing.models import Price, Product, Quotation
from portico.kit.periods import today

MOST_FOUND = 8


def products_found(quotation: Quotation, words: str) -> QuerySet[Product]:
    """Products on sale whose name, code or description hold all words, the best match first, each with its `listed` price."""
    found = Product.objects.filter(seller=quotation.seller, is_active=True)
    for word in words.split():
        found = found.filter(Q(name__icontains=word) | Q(code__icontains=word) | Q(description__icontains=word))
    rank = Case(
        When(code__iexact=words, then=Value(0)),
        When(name__istartswith=words, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    return with_price(found, quotation).order_by(rank, "name", "pk")[:MOST_FOUND]


def with_price(products: QuerySet[Product], quotation: Quotation) -> QuerySet[Product]:
    """Each with its list price of today in the customer's currency as `listed`: for the term, else a single one."""
    prices = Price.objects.filter(
        product=OuterRef("pk"), currency=quotation.customer.currency, term_months__in=(0, quotation.term_months),
        valid_from__lte=today(timezone.now(), quotation.seller.zone),
    )  # fmt: skip
    return products.annotate(listed=Subquery(prices.order_by("-term_months", "-valid_from").values("unit_price")[:1]))


def product_to_add(quotation: Quotation, text: str) -> Product | None:
    """The product whose id was posted, if it is on sale, with its list price."""
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        return None
    on_sale = Product.objects.filter(seller=quotation.seller, is_active=True, pk=int(text))
    return with_price(on_sale, quotation).first()


def products_of(quotation: Quotation, keys: Iterable[str]) -> dict[int, Product]:
    """The products that typed lines name, on sale or not."""
    wanted = {int(key) for key in keys if key.isascii() and key.isdigit() and len(key) < 19}
    if not wanted:
        return {}
    return {product.pk: product for product in Product.objects.filter(seller=quotation.seller, pk__in=wanted)}
