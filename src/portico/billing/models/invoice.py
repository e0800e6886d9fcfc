"""Invoices, deposit invoices and credit notes: numbered, frozen, chained."""

import hashlib
import json
import secrets
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from django.db import models
from django.db.models import BigIntegerField, Case, DateField, F, Func, IntegerField, Q, Subquery, Value, When
from django.db.models.functions import Coalesce, Greatest, Least
from django.utils.translation import gettext as _

from portico.accounts.models import Customer, Membership, Seller, User
from portico.billing.instalments import frozen_parts
from portico.billing.models.line import Line, Totals
from portico.billing.models.number import NumberSeries, Taken
from portico.billing.models.order import Order, OrderLine
from portico.billing.models.subscription import DatabaseAccess, SubscriptionPeriod, sees_all
from portico.kit.db import claim
from portico.kit.decimals import FourDecimals
from portico.kit.errors import Conflict
from portico.kit.files import StoredFile
from portico.kit.privacy import Privacy


def canonical(content: Any) -> bytes:
    """The one way a JSON value is written before it is hashed: sorted keys, no spaces, UTF-8 (RFC 8785 in spirit)."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def salted_hash(salt: str, content: Any) -> str:
    """SHA-256(salt ‖ canonical content): erasing content and salt later leaves nothing to guess from."""
    return hashlib.sha256(bytes.fromhex(salt) + canonical(content)).hexdigest()


def overdue(payment_state: str, due_on: date | None, today: date) -> bool:
    """Whether the due day has ended with something left to pay that is not on its way (DOMAIN 5)."""
    return due_on is not None and payment_state in Invoice.PAYABLE and today > due_on


def in_order(groups: "Iterable[InvoiceVat]") -> "list[InvoiceVat]":
    """VAT groups as they are printed and hashed: by category, the higher rate first."""
    return sorted(groups, key=lambda group: (group.category, -group.rate))


LEFT_TO_PAY = F("amount_due_minor") - F("on_its_way_minor")
"""What can be paid now of an invoice, as `Invoice.left_to_pay_minor` tells it."""


class InvoiceQuerySet(models.QuerySet["Invoice"]):
    """Invoices as a person may see them, and the lists staff and customers work from."""

    def visible_to(self, membership: Membership) -> "InvoiceQuerySet":
        """What was issued to the member's customer; drafts never."""
        return self.visible_to_member(membership.customer_id, membership.pk)

    def visible_to_member(self, customer: Any, member: Any) -> "InvoiceQuerySet":
        """The same by the ids of customer and membership, which a prepared query leaves open.

        A limited member sees the invoices of its databases' orders and periods, and the credit notes about them.
        """
        chosen = DatabaseAccess.chosen_by(member)
        orders = Order.objects.filter(subscription__in=chosen).values("pk")
        periods = SubscriptionPeriod.objects.filter(subscription__in=chosen).values("pk")
        of_databases = Q(order__in=orders) | Q(period__in=periods)
        noted = Invoice.objects.filter(of_databases).values("pk")
        seen = sees_all(member) | of_databases | Q(refers_to__in=noted)
        return self.filter(seen, customer_id=customer, state=Invoice.State.ISSUED)

    def open(self) -> "InvoiceQuerySet":
        """Issued invoices on which something is left to pay."""
        return self.filter(state=Invoice.State.ISSUED, amount_due_minor__gt=0).exclude(kind=Invoice.Kind.CREDIT_NOTE)

    def by_part(self) -> Any:
        """Open invoices, a row for each part of which something can be paid: see `with_parts`."""
        return self.with_parts().filter(part_left_minor__gt=0)

    def with_parts(self) -> Any:
        """Open invoices, a row for each part: with `part` (0: the one sum), `part_due_on`, and two amounts in minor units.

        `part_unpaid_minor` is what is not paid of it, `part_left_minor` what of that is not on its way either. For sums and
        lists by due day. Money fills the earliest part first (`billing.instalments`).
        """
        settled = F("total_minor") - F("amount_due_minor")

        def of_part(taken: Any, whole: Any) -> Case:
            rest = Least(F("instalments__amount_minor"), Greatest(F("instalments__upto_minor") - taken, Value(0)))
            return Case(When(instalment_count=0, then=whole), default=rest, output_field=BigIntegerField())

        return self.open().annotate(
            part=Coalesce(F("instalments__position"), Value(0), output_field=IntegerField()),
            part_due_on=Coalesce(F("instalments__due_on"), F("due_on"), output_field=DateField()),
            part_unpaid_minor=of_part(settled, F("amount_due_minor")),
            part_left_minor=of_part(settled + F("on_its_way_minor"), LEFT_TO_PAY),
        )

    def not_yet_due(self, today: date) -> Coalesce:
        """What is left of parts that `today` does not find overdue, of open ones of these rows, which may name an outer query.

        An overdue invoice in parts is overdue with what is left to pay less this.
        """
        rows = self.by_part().filter(instalment_count__gt=0, part_due_on__gte=today).order_by()
        summed = rows.annotate(sum=Func(F("part_left_minor"), function="SUM", output_field=BigIntegerField()))
        return Coalesce(Subquery(summed.values("sum")), 0)

    def giving(self) -> "InvoiceQuerySet":
        """Issued papers that are to the customer's credit, with what each `gives`: as `Invoice.gives_minor`."""
        to_settle = F("total_minor") + F("rounding_minor") - F("prepaid_minor")
        note = Q(kind=Invoice.Kind.CREDIT_NOTE)
        rows = self.filter(state=Invoice.State.ISSUED).filter(
            note | Q(series=NumberSeries.Series.IMPORTED, total_minor__lt=0)
        )
        return rows.annotate(gives=Case(When(note, then=to_settle), default=-to_settle)).filter(gives__gt=0)

    def held_back(self) -> "InvoiceQuerySet":
        """Papers whose e-invoice breaks a rule, and that no credit note has repaired."""
        return self.filter(einvoice_state=Invoice.EInvoice.FAILED, credit_notes=None)

    def of_status(self, status: str, today: date) -> "InvoiceQuerySet":
        """Invoices of one status as `Invoice.status` tells it: overdue wins over not and partially paid.

        `to_pay` is what can be paid now: not or partially paid, overdue or not.
        """
        rows = self.exclude(kind=Invoice.Kind.CREDIT_NOTE)
        payable = rows.filter(payment_state__in=Invoice.PAYABLE, amount_due_minor__gt=0)
        if status == "to_pay":
            return payable
        if status == "overdue":
            return payable.filter(due_on__lt=today)
        if status in Invoice.PAYABLE:
            return rows.filter(payment_state=status).exclude(due_on__lt=today)
        return rows.filter(payment_state=status)


class Invoice(Totals):
    """A paper that says what is owed, or for a credit note, what is no longer. All amounts are positive on both.

    `content` and `buyer` are the frozen copies that were hashed. `amount_due_minor`, `on_its_way_minor`, `payment_state`,
    and of an invoice in parts `due_on`, are kept for lists, derived from allocations and open attempts, and written only by
    the settling transaction (see `actions.settle`).
    """

    privacy = {
        Privacy.NONE: (
            "id seller kind number series chain_position state currency net_minor vat_minor total_minor lines_net_minor "
            "allowances_minor charges_minor order period refers_to issued_on due_on delivered_on language "
            "created_at issued_at amount_due_minor on_its_way_minor payment_state disputed_at paid_at previous_hash hash "
            "content_hash buyer_hash pdf cii ubl prepaid_minor rounding_minor instalment_count einvoice_state "
            "einvoice_attempts einvoice_checked_at einvoice_findings"
        ),
        Privacy.INVOICE: "printed_number customer title reason po_number content buyer content_salt buyer_salt",
        Privacy.ACTOR: "issued_by",
    }

    class Kind(models.TextChoices):
        INVOICE = "invoice"
        DEPOSIT = "deposit"
        CREDIT_NOTE = "credit_note"

    TYPE_CODE = {Kind.INVOICE: "380", Kind.DEPOSIT: "386", Kind.CREDIT_NOTE: "381"}
    """UNTDID 1001 (BT-3)."""

    class State(models.TextChoices):
        DRAFT = "draft"
        ISSUED = "issued"

    class PaymentState(models.TextChoices):
        NOT_PAID = "not_paid"
        IN_PAYMENT = "in_payment"
        PARTIALLY_PAID = "partially_paid"
        PAID = "paid"
        CREDITED = "credited"
        DISPUTED = "disputed"

    class EInvoice(models.TextChoices):
        """What the checks after issue said of its e-invoice."""

        UNCHECKED = "", "not checked yet"
        PASSED = "passed", "follows the rules"
        FAILED = "failed", "breaks a rule: held back"
        NONE = "none", "there is none"

    MOST_ATTEMPTS = 5
    """So often a check may come to no answer; then somebody must look at it."""

    PAYABLE = (PaymentState.NOT_PAID, PaymentState.PARTIALLY_PAID)
    """The states in which it can be paid, and over which overdue wins."""

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="invoices")
    kind = models.CharField(max_length=11, choices=Kind)
    series = models.CharField(max_length=4, choices=NumberSeries.Series)
    number = models.CharField(max_length=40, null=True, unique=True)
    printed_number = models.CharField(
        max_length=200, blank=True, help_text="BT-1 of an imported paper, whose `number` is a key made from it"
    )
    chain_position = models.PositiveIntegerField(null=True, help_text="its number within its year")
    state = models.CharField(max_length=6, choices=State, default=State.DRAFT)
    title = models.CharField(max_length=160, blank=True)
    reason = models.CharField(max_length=300, blank=True, help_text="why a credit note was made")
    po_number = models.CharField(max_length=60, blank=True, help_text="BT-13")
    language = models.CharField(max_length=2, default="en")
    order = models.ForeignKey(Order, null=True, on_delete=models.PROTECT, related_name="invoices")
    period = models.OneToOneField(SubscriptionPeriod, null=True, on_delete=models.PROTECT, related_name="invoice")
    refers_to = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="credit_notes")
    lines_net_minor = models.BigIntegerField(default=0, help_text="BT-106")
    allowances_minor = models.BigIntegerField(default=0, help_text="BT-107")
    charges_minor = models.BigIntegerField(default=0, help_text="BT-108")
    prepaid_minor = models.BigIntegerField(default=0, help_text="BT-113, paid before an imported paper came here")
    rounding_minor = models.BigIntegerField(default=0, help_text="BT-114 of an imported paper")
    issued_on = models.DateField(null=True, help_text="BT-2, a day in the seller's zone")
    due_on = models.DateField(null=True, help_text="BT-9; of an invoice in parts the day of the next unpaid one")
    instalment_count = models.PositiveSmallIntegerField(default=0, help_text="0: to be paid in one sum")
    delivered_on = models.DateField(null=True, help_text="BT-72")
    created_at = models.DateTimeField()
    issued_at = models.DateTimeField(null=True)
    issued_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    content = models.JSONField(default=dict)
    buyer = models.JSONField(default=dict)
    content_salt = models.CharField(max_length=64, blank=True)
    buyer_salt = models.CharField(max_length=64, blank=True)
    content_hash = models.CharField(max_length=64, blank=True)
    buyer_hash = models.CharField(max_length=64, blank=True)
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64, blank=True)
    amount_due_minor = models.BigIntegerField(default=0)
    on_its_way_minor = models.BigIntegerField(
        default=0, help_text="what of the amount due its payers have confirmed and we do not have yet"
    )
    payment_state = models.CharField(max_length=14, choices=PaymentState, default=PaymentState.NOT_PAID)
    paid_at = models.DateTimeField(null=True)
    disputed_at = models.DateTimeField(null=True)
    pdf = models.ForeignKey(StoredFile, null=True, on_delete=models.PROTECT, related_name="+")
    cii = models.ForeignKey(StoredFile, null=True, on_delete=models.PROTECT, related_name="+")
    ubl = models.ForeignKey(StoredFile, null=True, on_delete=models.PROTECT, related_name="+")
    einvoice_state = models.CharField(max_length=6, choices=EInvoice, blank=True, default=EInvoice.UNCHECKED)
    einvoice_attempts = models.PositiveSmallIntegerField(default=0)
    einvoice_checked_at = models.DateTimeField(null=True)
    einvoice_findings = models.JSONField(default=list, help_text="pairs of rule and what it says")

    objects = InvoiceQuerySet.as_manager()

    class Meta(Totals.Meta):
        indexes = [
            models.Index(fields=["customer", "-id"], name="invoice_of_customer"),
            models.Index(
                fields=["customer", "due_on", "payment_state", "currency", "amount_due_minor", "on_its_way_minor"],
                condition=Q(amount_due_minor__gt=0),
                name="invoice_open_of_customer",
            ),
            models.Index(
                fields=["customer", "due_on"],
                condition=Q(amount_due_minor__gt=0, instalment_count__gt=0),
                name="invoice_in_parts_open",
            ),
            models.Index(
                fields=["customer", "issued_on", "kind", "currency", "total_minor"],
                condition=Q(state="issued"),
                name="invoice_spend_of_customer",
            ),
            models.Index(fields=["seller", "series", "issued_on", "id"], name="invoice_in_chain"),
            models.Index(
                fields=["einvoice_attempts", "id"],
                condition=Q(state="issued", einvoice_state=""),
                name="invoice_to_check",
            ),
            models.Index(
                fields=["seller", "issued_on"], condition=Q(einvoice_state="failed"), name="invoice_held_back"
            ),
        ]
        constraints = [
            *Totals.Meta.constraints,
            models.CheckConstraint(
                condition=Q(net_minor=F("lines_net_minor") - F("allowances_minor") + F("charges_minor")),
                name="invoice_net_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(state="draft", number__isnull=True, hash="")
                | (Q(state="issued", number__isnull=False, issued_on__isnull=False) & ~Q(hash="")),
                name="invoice_number_at_issue",
            ),
            models.CheckConstraint(
                condition=Q(kind="credit_note", series="CN", refers_to__isnull=False)
                | (~Q(kind="credit_note") & Q(series="INV", refers_to__isnull=True))
                | Q(series="EXT"),
                name="invoice_series_fits_kind",
            ),
            models.CheckConstraint(condition=Q(amount_due_minor__gte=0), name="invoice_due_not_negative"),
            models.CheckConstraint(
                condition=Q(on_its_way_minor__gte=0, on_its_way_minor__lte=F("amount_due_minor")),
                name="invoice_on_its_way_within_due",
            ),
            models.CheckConstraint(
                condition=Q(amount_due_minor__lte=models.F("total_minor") + models.F("rounding_minor"))
                | Q(total_minor__lt=0),
                name="invoice_due_at_most_total",
            ),
            models.CheckConstraint(
                condition=Q(series="EXT") & ~Q(printed_number="")
                | ~Q(series="EXT") & Q(printed_number="", prepaid_minor=0, rounding_minor=0),
                name="invoice_imported_says_so",
            ),
        ]

    def __str__(self) -> str:
        return self.number or "draft invoice"

    @property
    def is_imported(self) -> bool:
        """Whether another system made it."""
        return self.series == NumberSeries.Series.IMPORTED

    @property
    def shown_number(self) -> str:
        """The number as it is printed; of ours it is the key itself."""
        return self.printed_number or self.number or ""

    @property
    def to_settle_minor(self) -> int:
        """What payments and credit notes settle: the total, less what was paid before it came here (BT-115)."""
        return self.total_minor + self.rounding_minor - self.prepaid_minor

    @property
    def left_to_pay_minor(self) -> int:
        """What can be paid now: the amount due, less what is on its way."""
        return self.amount_due_minor - self.on_its_way_minor

    @property
    def gives_minor(self) -> int:
        """What the customer has to its credit by it: a credit note's amount, or that of an imported invoice below zero."""
        if self.kind == self.Kind.CREDIT_NOTE:
            return max(self.to_settle_minor, 0)
        return max(-self.to_settle_minor, 0)

    @property
    def first_due_on(self) -> date | None:
        """BT-9 as it was issued: of an invoice in parts the day of the first one."""
        if not self.instalment_count:
            return self.due_on
        if frozen := frozen_parts(self.content):
            return frozen[0].due_on
        return self.instalments.order_by("position").values_list("due_on", flat=True).first()

    @property
    def type_code(self) -> str:
        """UNTDID 1001: 380 invoice, 386 deposit invoice, 381 credit note."""
        return self.TYPE_CODE[self.Kind(self.kind)]

    def is_overdue(self, today: date) -> bool:
        """Whether the due day has ended with something left: a flag over not and partially paid (DOMAIN 5)."""
        return overdue(self.payment_state, self.due_on, today)

    def status(self, today: date) -> str:
        """The status on screen: overdue wins over not and partially paid."""
        return "overdue" if self.is_overdue(today) else self.payment_state

    def chain_block(self, groups: "Iterable[InvoiceVat]") -> dict[str, Any]:
        """What this document's hash covers beside its predecessor: never a name or an address (SAFETY 4)."""
        return {
            "number": self.number,
            "type": self.type_code,
            "issued_on": self.issued_on.isoformat() if self.issued_on else None,
            "due_on": first.isoformat() if (first := self.first_due_on) else None,
            "seller": self.seller_id,
            "currency": self.currency,
            "vat": [
                [group.category, f"{group.rate.normalize():f}", group.base_minor, group.vat_minor]
                for group in in_order(groups)
            ],
            "net": self.net_minor,
            "vat_total": self.vat_minor,
            "total": self.total_minor,
            "content": self.content_hash,
            "buyer": self.buyer_hash,
        }

    def chained_hash(self, groups: "Iterable[InvoiceVat]") -> str:
        """SHA-256(previous hash ‖ canonical chain block)."""
        return hashlib.sha256(bytes.fromhex(self.previous_hash) + canonical(self.chain_block(groups))).hexdigest()

    def issue(
        self,
        taken: Taken,
        groups: "Iterable[InvoiceVat]",
        *,
        due_on: date,
        instalments: int = 0,
        content: dict[str, Any],
        buyer: dict[str, Any],
        by: User | None,
        now: datetime,
    ) -> None:
        """draft → issued, in memory: the number `taken`, `content` and `buyer` frozen, the hash over its VAT `groups`.

        `due_on` is when it is due, or the first of so many `instalments`; a credit note is never.

        Whoever calls saves it, and makes `hash` the head of the series, in the transaction that took the number. Raises
        Conflict when it was issued before.
        """
        if self.state != self.State.DRAFT:
            raise Conflict(_("This invoice has already been issued."))
        self.number, self.chain_position, self.issued_on = taken.number, taken.position, taken.issued_on
        if self.kind != self.Kind.CREDIT_NOTE:
            self.due_on, self.instalment_count = due_on, instalments
        self.state, self.issued_at, self.issued_by = self.State.ISSUED, now, by
        self.content, self.buyer = content, buyer
        self.content_salt, self.buyer_salt = secrets.token_hex(32), secrets.token_hex(32)
        self.content_hash = salted_hash(self.content_salt, content)
        self.buyer_hash = salted_hash(self.buyer_salt, buyer)
        self.previous_hash = taken.previous_hash
        self.hash = self.chained_hash(groups)

    def take_check(self) -> None:
        """One more attempt to check it begins."""
        Invoice.objects.filter(pk=self.pk, einvoice_state="").update(einvoice_attempts=F("einvoice_attempts") + 1)
        self.refresh_from_db(fields=["einvoice_attempts", "einvoice_state"])

    def was_checked(self, state: str, findings: Sequence[Sequence[str]], *, now: datetime) -> bool:
        """What its check said, kept once; True for the one of several that kept it."""
        kept = claim(
            Invoice.objects.filter(pk=self.pk, einvoice_state=""),
            einvoice_state=state,
            einvoice_checked_at=now,
            einvoice_findings=[list(finding) for finding in findings],
        )
        self.refresh_from_db(fields=["einvoice_state", "einvoice_checked_at", "einvoice_findings"])
        return kept

    def check_again(self) -> bool:
        """failed → not checked: its rules are asked anew, as after a correction of the rules; False when it did not fail."""
        return claim(
            Invoice.objects.filter(pk=self.pk, einvoice_state=self.EInvoice.FAILED),
            einvoice_state="",
            einvoice_attempts=0,
            einvoice_findings=[],
        )

    def keep_file(self, name: str, file: StoredFile) -> None:
        """Remember an issued file (`pdf`, `cii`, `ubl`), once: a later template never replaces it."""
        Invoice.objects.filter(**{"pk": self.pk, name: None}).update(**{name: file})
        self.refresh_from_db(fields=[name])


class InvoiceLine(Line):
    """A line of an invoice, copied when it was made and never changed.

    `order_line` is what it invoices; `deducts` is the deposit invoice that a line of quantity −1 takes off (BG-3).
    """

    privacy = {
        Privacy.NONE: (
            "id invoice position kind product quantity unit unit_price discount_percent part_days part_of_days "
            "vat_category vat_rate net_minor "
            "order_line deducts credits"
        ),
        Privacy.INVOICE: "name detail",
    }

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="lines")
    order_line = models.ForeignKey(OrderLine, null=True, on_delete=models.PROTECT, related_name="invoice_lines")
    deducts = models.ForeignKey(Invoice, null=True, on_delete=models.PROTECT, related_name="deducted_by")
    credits = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="credited_by")

    class Meta(Line.Meta):
        constraints = [
            *Line.Meta.constraints,
            models.UniqueConstraint(
                fields=["invoice", "deducts", "vat_category", "vat_rate"],
                condition=Q(deducts__isnull=False),
                name="deposit_deducted_once_per_vat_group",
            ),
        ]


class InvoiceVat(models.Model):
    """One VAT group of an invoice (EN 16931 BG-23)."""

    privacy = {Privacy.NONE: "id invoice category rate base_minor vat_minor exemption_code note"}

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="vat_groups")
    category = models.CharField(max_length=2)
    rate = FourDecimals()
    base_minor = models.BigIntegerField(help_text="BT-116")
    vat_minor = models.BigIntegerField(help_text="BT-117")
    exemption_code = models.CharField(max_length=30, blank=True, help_text="BT-121")
    note = models.CharField(max_length=300, blank=True, help_text="BT-120")

    class Meta:
        ordering = ["category", "-rate"]
        constraints = [
            models.UniqueConstraint(fields=["invoice", "category", "rate"], name="one_vat_group_per_rate"),
            models.CheckConstraint(
                condition=Q(category__in=["S", "L", "M", "B"]) | Q(vat_minor=0), name="invoice_vat_only_where_standard"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.category} {self.rate}"
