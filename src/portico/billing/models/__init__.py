"""What each thing of the sale is, and its own changes."""

from portico.billing.models.catalog import Price, Product, VatRate
from portico.billing.models.change import Change
from portico.billing.models.decision import (
    Acceptance,
    Approval,
    ChangeRequest,
    ChangeWish,
    QuotationView,
    Selection,
)
from portico.billing.models.dispute import Dispute
from portico.billing.models.invoice import Invoice, InvoiceLine, InvoiceVat
from portico.billing.models.number import NumberSeries
from portico.billing.models.order import Order, OrderLine, PaymentRequest
from portico.billing.models.payment import Allocation, Payment, PaymentLookup, PaymentTarget, ProviderEvent
from portico.billing.models.quotation import Quotation, QuotationLine, QuotationVersion
from portico.billing.models.subscription import Database, Subscription, SubscriptionItem, SubscriptionPeriod
from portico.billing.models.template import QuotationTemplate

__all__ = [
    "Acceptance",
    "Allocation",
    "Approval",
    "Change",
    "ChangeRequest",
    "ChangeWish",
    "Database",
    "Dispute",
    "Invoice",
    "InvoiceLine",
    "InvoiceVat",
    "NumberSeries",
    "Order",
    "OrderLine",
    "Payment",
    "PaymentLookup",
    "PaymentRequest",
    "PaymentTarget",
    "Price",
    "Product",
    "ProviderEvent",
    "Quotation",
    "QuotationLine",
    "QuotationTemplate",
    "QuotationVersion",
    "QuotationView",
    "Selection",
    "Subscription",
    "SubscriptionItem",
    "SubscriptionPeriod",
    "VatRate",
]
