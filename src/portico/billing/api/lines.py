"""What a document's lines and totals look like, the same for quotation, order, invoice and credit note."""

from collections.abc import Iterable
from typing import Any, Literal

from ninja import Schema
from pydantic import Field

from portico.billing.api.shapes import Currency, Minor, Number
from portico.billing.models.line import Line as Row


class Part(Schema):
    """The share of a period that is charged."""

    days: int = Field(..., description="Days charged.", examples=[139])
    of_days: int = Field(..., description="Days of the period.", examples=[365])


class DocumentLine(Schema):
    """One row of a document. Sections and notes carry text only."""

    position: int = Field(..., examples=[1])
    kind: Literal["line", "section", "note", "allowance", "charge"] = Field(..., examples=["line"])
    product: str | None = Field(..., description="The code of the product; null for a free line.", examples=["users"])
    name: str = Field(..., examples=["Users"])
    detail: str
    quantity: Number
    unit: str = Field(..., examples=["users"])
    unit_price: Number = Field(..., description="Before VAT, in the major unit of the currency.")
    discount_percent: Number
    part: Part | None = Field(..., description="Where not a whole period is charged.")
    vat_category: str = Field(..., description="UNTDID 5305: S, Z, E, AE, K, G or O.", examples=["S"])
    vat_rate: Number = Field(..., description="Percent.")
    net_minor: Minor


class Totals(Schema):
    """The amounts of a document, in integer minor units of its currency; total = net + VAT."""

    currency: Currency
    net_minor: Minor
    vat_minor: Minor
    total_minor: Minor


def told(row: Row, **more: Any) -> dict[str, Any]:
    """A line as the API tells it; `row` comes with its product."""
    part = {"days": row.part_days, "of_days": row.part_of_days} if row.part_of_days > 1 else None
    plain = ("position", "kind", "name", "detail", "quantity", "unit", "unit_price", "discount_percent", "vat_category",
             "vat_rate", "net_minor")  # fmt: skip
    product = row.product.code if row.product is not None else None
    return {name: getattr(row, name) for name in plain} | {"product": product, "part": part} | more


def all_told(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The lines of a document."""
    return [told(row) for row in rows]


def totals(document: Any) -> dict[str, Any]:
    """The amounts of a document."""
    return {name: getattr(document, name) for name in ("currency", "net_minor", "vat_minor", "total_minor")}
