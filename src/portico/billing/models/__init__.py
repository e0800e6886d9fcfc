"""What each thing of the sale is, and its own changes."""

from portico.billing.models.archive import Archive
from portico.billing.models.autopay import AutoPay, Collection
from portico.billing.models.bank import BankEntry, BankFile, CsvColumns
from portico.billing.models.catalog import Price, Product, VatRate
from portico.billing.models.change import Change
from portico.billing.models.coupon import Coupon, CouponUse
from portico.billing.models.decision import (
    Acceptance,
    Approval,
    ChangeRequest,
    ChangeWish,
    QuotationView,
    Selection,
)
from portico.billing.models.dispute import Dispute
from portico.billing.models.dunning import DunningPause, DunningRules, Reminder
from portico.billing.models.exchange import ExchangeRate
from portico.billing.models.imported import ImportedPaper, OtherName
from portico.billing.models.importing import ImportFile, ImportJob
from portico.billing.models.instalment import Instalment
from portico.billing.models.invoice import LEFT_TO_PAY, Invoice, InvoiceLine, InvoiceVat
from portico.billing.models.mandate import ChangePolicy, Mandate, MandateMonth
from portico.billing.models.method import Enrolment, SavedMethod
from portico.billing.models.number import NumberSeries
from portico.billing.models.order import Order, OrderLine, PaymentRequest
from portico.billing.models.payment import Allocation, Payment, PaymentLookup, PaymentTarget, ProviderEvent, Reversal
from portico.billing.models.payment_rules import PaymentRules
from portico.billing.models.quotation import Quotation, QuotationLine, QuotationVersion
from portico.billing.models.refund import Refund, RefundRules
from portico.billing.models.renewal_rules import RenewalRules
from portico.billing.models.report import Report
from portico.billing.models.run import RenewalFailure, RenewalRun
from portico.billing.models.subscription import (
    Database,
    DatabaseAccess,
    Subscription,
    SubscriptionItem,
    SubscriptionPeriod,
)
from portico.billing.models.template import QuotationTemplate

__all__ = [
    "LEFT_TO_PAY",
    "Acceptance",
    "Allocation",
    "Approval",
    "Archive",
    "AutoPay",
    "BankEntry",
    "BankFile",
    "Change",
    "ChangePolicy",
    "ChangeRequest",
    "ChangeWish",
    "Collection",
    "Coupon",
    "CouponUse",
    "CsvColumns",
    "Database",
    "DatabaseAccess",
    "Dispute",
    "DunningPause",
    "DunningRules",
    "Enrolment",
    "ExchangeRate",
    "ImportFile",
    "ImportJob",
    "ImportedPaper",
    "Instalment",
    "Invoice",
    "InvoiceLine",
    "InvoiceVat",
    "Mandate",
    "MandateMonth",
    "NumberSeries",
    "Order",
    "OrderLine",
    "OtherName",
    "Payment",
    "PaymentLookup",
    "PaymentRequest",
    "PaymentRules",
    "PaymentTarget",
    "Price",
    "Product",
    "ProviderEvent",
    "Quotation",
    "QuotationLine",
    "QuotationTemplate",
    "QuotationVersion",
    "QuotationView",
    "Refund",
    "RefundRules",
    "Reminder",
    "RenewalFailure",
    "RenewalRules",
    "RenewalRun",
    "Report",
    "Reversal",
    "SavedMethod",
    "Selection",
    "Subscription",
    "SubscriptionItem",
    "SubscriptionPeriod",
    "VatRate",
]
