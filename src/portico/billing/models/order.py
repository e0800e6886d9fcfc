"""A sales order: what was bought, how far it is delivered, invoiced and paid."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from portico.accounts.models import Customer, Membership, Seller, User
from portico.billing.models.line import Line, Totals
from portico.billing.models.quotation import QuotationVersion
from portico.billing.models.subscription import DatabaseAccess, Subscription, sees_all
from portico.kit.changing import change
from portico.kit.db import claim
from portico.kit.decimals import FourDecimals
from portico.kit.errors import Conflict, Invalid
from portico.kit.privacy import Privacy


class OrderQuerySet(models.QuerySet["Order"]):
    """Orders as a person may see them."""

    def visible_to(self, membership: Membership) -> "OrderQuerySet":
        """Those of the member's customer; of a limited member those of its databases."""
        return self.visible_to_member(membership.customer_id, membership.pk)

    def visible_to_member(self, customer: Any, member: Any) -> "OrderQuerySet":
        """The same by the ids of customer and membership, which a prepared query leaves open."""
        seen = sees_all(member) | Q(subscription__in=DatabaseAccess.chosen_by(member))
        return self.filter(seen, customer_id=customer)

    def with_progress(self) -> "OrderQuerySet":
        """Beside each order: how many lines it has, and how many are begun and finished, in delivery and invoicing."""
        lines = OrderLine.objects.filter(order=OuterRef("pk"), kind=Line.Kind.LINE).order_by().values("order")

        def count(condition: Q) -> Coalesce:
            return Coalesce(Subquery(lines.filter(condition).annotate(n=Count("pk")).values("n")), 0)

        return self.annotate(
            lines_count=count(Q()),
            lines_begun=count(~Q(delivered_quantity=0)),
            lines_delivered=count(Q(delivered_quantity=F("quantity"))),
            lines_billed=count(~Q(invoiced_quantity=0)),
            lines_invoiced=count(Q(invoiced_quantity=F("quantity"))),
        )


def progress(lines: int, begun: int, finished: int) -> str:
    """How far the lines of an order are delivered or invoiced: none, part or all."""
    if lines and finished == lines:
        return "all"
    return "part" if begun else "none"


class Order(Totals):
    """A sales order. `awaiting_payment → confirmed → fulfilled`; `cancelled` only before fulfilment."""

    privacy = {
        Privacy.NONE: (
            "id seller number version state currency net_minor vat_minor total_minor payment_policy deposit_percent "
            "invoice_policy invoice_before_payment subscription database_name term_months ordered_on created_at "
            "confirmed_at fulfilled_at cancelled_at due_days payment_parts"
        ),
        Privacy.CONTRACT: "customer title po_number terms",
        Privacy.ACTOR: "created_by cancelled_by",
    }

    class State(models.TextChoices):
        AWAITING_PAYMENT = "awaiting_payment"
        CONFIRMED = "confirmed"
        FULFILLED = "fulfilled"
        CANCELLED = "cancelled"

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="orders")
    number = models.CharField(max_length=20, unique=True)
    version = models.OneToOneField(QuotationVersion, null=True, on_delete=models.PROTECT, related_name="order")
    state = models.CharField(max_length=16, choices=State)
    title = models.CharField(max_length=160, blank=True)
    po_number = models.CharField(max_length=60, blank=True, help_text="BT-13")
    payment_policy = models.CharField(max_length=7, choices=QuotationVersion.PaymentPolicy)
    deposit_percent = FourDecimals(default=0)
    invoice_policy = models.CharField(max_length=13, choices=QuotationVersion.InvoicePolicy)
    invoice_before_payment = models.BooleanField(default=False)
    terms = models.JSONField(default=list)
    due_days = models.PositiveSmallIntegerField(default=30, help_text="payment terms of its invoices")
    payment_parts = models.JSONField(default=list, help_text="pairs of percent and days; none: one sum")
    subscription = models.ForeignKey(Subscription, null=True, on_delete=models.PROTECT, related_name="orders")
    database_name = models.CharField(max_length=63, blank=True)
    term_months = models.PositiveSmallIntegerField(default=12)
    ordered_on = models.DateField()
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    confirmed_at = models.DateTimeField(null=True)
    fulfilled_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    cancelled_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    objects = OrderQuerySet.as_manager()

    class Meta(Totals.Meta):
        indexes = [models.Index(fields=["customer", "-id"], name="order_of_customer")]
        constraints = [
            *Totals.Meta.constraints,
            models.CheckConstraint(
                condition=Q(state__in=["awaiting_payment", "cancelled"]) | Q(confirmed_at__isnull=False),
                name="order_confirmed_when",
            ),
            models.CheckConstraint(
                condition=Q(state="fulfilled", fulfilled_at__isnull=False)
                | (~Q(state="fulfilled") & Q(fulfilled_at__isnull=True)),
                name="order_fulfilled_when",
            ),
            models.CheckConstraint(
                condition=Q(state="cancelled", cancelled_at__isnull=False)
                | (~Q(state="cancelled") & Q(cancelled_at__isnull=True)),
                name="order_cancelled_when",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def is_for_database(self) -> bool:
        """Whether it changes a subscription, or opens one."""
        return self.subscription_id is not None or bool(self.database_name)

    def confirm(self, *, now: datetime) -> None:
        """awaiting_payment → confirmed: what the payment policy asks for has arrived."""
        self._move([self.State.AWAITING_PAYMENT], self.State.CONFIRMED, confirmed_at=now)

    def fulfil(self, *, now: datetime) -> None:
        """confirmed → fulfilled: everything is delivered."""
        self._move([self.State.CONFIRMED], self.State.FULFILLED, fulfilled_at=now)

    def ask_nothing_first(self) -> None:
        """Its deposit, a percentage of a very small sum, rounds to nothing: it is invoiced as one without a deposit."""
        self.payment_policy, self.deposit_percent = "none", Decimal(0)
        self.save(update_fields=["payment_policy", "deposit_percent"])

    def cancel(self, *, by: User | None, now: datetime) -> None:
        """awaiting_payment, confirmed → cancelled."""
        allowed = [self.State.AWAITING_PAYMENT, self.State.CONFIRMED]
        self._move(allowed, self.State.CANCELLED, cancelled_at=now, cancelled_by=by)

    def _move(self, allowed: list[Any], state: str, **changes: Any) -> None:
        if not claim(Order.objects.filter(pk=self.pk, state__in=allowed), state=state, **changes):
            self.refresh_from_db()
            raise Conflict(
                {
                    "awaiting_payment": _("This order still awaits its payment. Nothing was changed."),
                    "confirmed": _("This order is already confirmed. Nothing was changed."),
                    "fulfilled": _("This order is already fulfilled. Nothing was changed."),
                    "cancelled": _("This order was cancelled. Nothing was changed."),
                }[self.state]
            )
        self.state = state
        for name, value in changes.items():
            setattr(self, name, value)


class OrderLine(Line):
    """A line of an order with its three quantities: ordered (`quantity`), delivered, invoiced."""

    privacy = {
        Privacy.NONE: (
            "id order position kind product quantity unit unit_price discount_percent part_days part_of_days "
            "vat_category vat_rate net_minor "
            "delivered_quantity invoiced_quantity invoiced_net_minor"
        ),
        Privacy.CONTRACT: "name detail",
    }

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    delivered_quantity = FourDecimals(default=0)
    invoiced_quantity = FourDecimals(default=0)
    invoiced_net_minor = models.BigIntegerField(default=0, help_text="what earlier invoices took of net_minor")

    class Meta(Line.Meta):
        constraints = [
            *Line.Meta.constraints,
            models.CheckConstraint(
                condition=Q(quantity__gte=0, delivered_quantity__gte=0, delivered_quantity__lte=F("quantity"))
                | Q(quantity__lt=0, delivered_quantity__lte=0, delivered_quantity__gte=F("quantity")),
                name="order_line_delivered_within_ordered",
            ),
            models.CheckConstraint(
                condition=Q(quantity__gte=0, invoiced_quantity__gte=0, invoiced_quantity__lte=F("quantity"))
                | Q(quantity__lt=0, invoiced_quantity__lte=0, invoiced_quantity__gte=F("quantity")),
                name="order_line_invoiced_within_ordered",
            ),
        ]

    def deliver(self, quantity: Decimal) -> None:
        """Record that `quantity` more was delivered; Invalid when that is nothing or more than is left."""
        left = self.quantity - self.delivered_quantity
        if quantity <= 0 or quantity > left:
            raise Invalid(
                _("%(name)s: %(left)s left to deliver. Enter a quantity above zero and no more than that.")
                % {"name": self.name, "left": f"{left.normalize():f}"}
            )
        before = self.delivered_quantity
        if not claim(
            OrderLine.objects.filter(pk=self.pk, delivered_quantity=before), delivered_quantity=before + quantity
        ):
            raise Conflict(_("Somebody recorded a delivery of this line meanwhile. Nothing was changed."))
        self.delivered_quantity = before + quantity

    @classmethod
    def invoice_each(cls, taken: "Sequence[tuple[OrderLine, Decimal, int]]") -> None:
        """Record that an invoice took so much more of each line (quantity, net); Conflict when another took it meanwhile.

        Lines of which nothing was invoiced and of which all is taken are written together.
        """
        whole = [
            line
            for line, quantity, net_minor in taken
            if line.invoiced_quantity == 0 == line.invoiced_net_minor
            and (quantity, net_minor) == (line.quantity, line.net_minor)
        ]
        if whole:
            rows = cls.objects.filter(pk__in=[line.pk for line in whole], invoiced_quantity=0, invoiced_net_minor=0)
            if change(rows, invoiced_quantity=F("quantity"), invoiced_net_minor=F("net_minor")) != len(whole):
                raise Conflict(_("Somebody invoiced this line meanwhile. Nothing was changed."))
            for line in whole:
                line.invoiced_quantity, line.invoiced_net_minor = line.quantity, line.net_minor
        for line, quantity, net_minor in taken:
            if line not in whole:
                line.invoice(quantity, net_minor)

    def invoice(self, quantity: Decimal, net_minor: int) -> None:
        """Record that an invoice took `quantity` more at `net_minor`; Conflict when another took it meanwhile."""
        before = self.invoiced_quantity
        if not claim(
            OrderLine.objects.filter(pk=self.pk, invoiced_quantity=before),
            invoiced_quantity=before + quantity,
            invoiced_net_minor=F("invoiced_net_minor") + net_minor,
        ):
            raise Conflict(_("Somebody invoiced this line meanwhile. Nothing was changed."))
        self.invoiced_quantity = before + quantity
        self.invoiced_net_minor += net_minor


class PaymentRequest(models.Model):
    """What an order asks to be paid before it is confirmed: the deposit or everything. Not an invoice.

    The settling transaction issues the invoice. One open request per order.
    """

    privacy = {Privacy.NONE: "id order kind amount_minor currency state created_at settled_at cancelled_at"}

    class Kind(models.TextChoices):
        DEPOSIT = "deposit"
        FULL = "full"

    class State(models.TextChoices):
        OPEN = "open"
        SETTLED = "settled"
        CANCELLED = "cancelled"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="payment_requests")
    kind = models.CharField(max_length=7, choices=Kind)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order"], condition=Q(state="open"), name="one_open_request_per_order"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payment_request_positive"),
            models.CheckConstraint(
                condition=Q(state="settled", settled_at__isnull=False)
                | (~Q(state="settled") & Q(settled_at__isnull=True)),
                name="payment_request_settled_when",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.order.number}"

    def settle(self, *, now: datetime) -> None:
        """open → settled."""
        if not claim(
            PaymentRequest.objects.filter(pk=self.pk, state=self.State.OPEN), state=self.State.SETTLED, settled_at=now
        ):
            raise Conflict(_("This payment request is no longer open."))
        self.state, self.settled_at = self.State.SETTLED, now

    def cancel(self, *, now: datetime) -> None:
        """open → cancelled, with its order. Idempotent on a cancelled one."""
        claim(
            PaymentRequest.objects.filter(pk=self.pk, state=self.State.OPEN),
            state=self.State.CANCELLED,
            cancelled_at=now,
        )
        self.refresh_from_db()
