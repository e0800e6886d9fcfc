"""A customer's running database and the subscription that pays for it."""

from collections.abc import Collection
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Exists, F, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.models import Customer, Membership
from portico.billing.models.catalog import Price, Product
from portico.billing.models.pricelist import ListPrice
from portico.kit.db import claim
from portico.kit.decimals import FourDecimals
from portico.kit.errors import Conflict
from portico.kit.periods import add_months, next_period_end
from portico.kit.privacy import Privacy


class Database(models.Model):
    """The customer's running instance, known by its name, which is also its address in the portal."""

    privacy = {Privacy.NONE: "id created_at", Privacy.SUBSCRIPTION: "customer name"}

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="databases")
    name = models.CharField(max_length=63, unique=True, validators=[RegexValidator(r"^[a-z0-9](-?[a-z0-9])*$")])
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class DatabaseAccess(models.Model):
    """A member that is limited to chosen databases sees this one."""

    privacy = {Privacy.NONE: "id membership subscription"}

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="databases")
    subscription = models.ForeignKey("billing.Subscription", on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["membership", "subscription"], name="database_access_once")]

    def __str__(self) -> str:
        return f"{self.membership_id} sees {self.subscription_id}"

    @classmethod
    def chosen_by(cls, member: Any) -> Any:
        """The subscriptions that a limited member (by its id) may see."""
        return cls.objects.filter(membership=member).values("subscription")


def sees_all(member: Any) -> Q:
    """Whether this member (by its id, which a prepared query leaves open) sees everything of its customer."""
    return Q(Exists(Membership.objects.filter(pk=member).filter(Q(is_limited=False) | Q(is_owner=True))))


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    """Subscriptions as a person may see them."""

    def visible_to(self, membership: Membership) -> "SubscriptionQuerySet":
        """Those of the member's customer; of a limited member the chosen ones."""
        return self.visible_to_member(membership.customer_id, membership.pk)

    def visible_to_member(self, customer: Any, member: Any) -> "SubscriptionQuerySet":
        """The same by the ids of customer and membership, which a prepared query leaves open."""
        return self.filter(sees_all(member) | Q(pk__in=DatabaseAccess.chosen_by(member)), customer_id=customer)


class Subscription(models.Model):
    """What is paid for a database each period. Periods are half-open days in the seller's zone."""

    privacy = {
        Privacy.NONE: (
            "id state currency term_months period_start period_end auto_renew renewal_problem trial_ends_on created_at "
            "past_due_on suspended_on ended_on leave_asked_at leave_reason pause_asked_at resumes_on anchored_on"
        ),
        Privacy.SUBSCRIPTION: "customer database leave_comment",
    }

    class State(models.TextChoices):
        PENDING = "pending"
        ACTIVE = "active"
        PAST_DUE = "past_due"
        SUSPENDED = "suspended"
        PAUSED = "paused"
        ENDED = "ended"

    class LeaveReason(models.TextChoices):
        PRICE = "price", lazy("It costs too much")
        UNUSED = "unused", lazy("We do not use it enough")
        MISSING = "missing", lazy("Something is missing")
        OTHER_TOOL = "other_tool", lazy("We use something else")
        SUPPORT = "support", lazy("Help was not good enough")
        CLOSING = "closing", lazy("The company or project ends")
        OTHER = "other", lazy("Another reason")

    LATE = (State.PAST_DUE, State.SUSPENDED)
    """States that paying ends."""
    GOING = (State.ACTIVE, *LATE)
    """States in which it has a running contract."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="subscriptions")
    database = models.OneToOneField(Database, on_delete=models.PROTECT, related_name="subscription")
    state = models.CharField(max_length=9, choices=State, default=State.PENDING)
    currency = models.CharField(max_length=3)
    term_months = models.PositiveSmallIntegerField()
    period_start = models.DateField(null=True)
    period_end = models.DateField(null=True, help_text="exclusive: the renewal date")
    auto_renew = models.BooleanField(default=False)
    past_due_on = models.DateField(null=True, help_text="since when something is late")
    suspended_on = models.DateField(null=True)
    ended_on = models.DateField(null=True, help_text="the first day without it")
    leave_asked_at = models.DateTimeField(null=True, help_text="ends with its period, unless taken back")
    leave_reason = models.CharField(max_length=12, blank=True, choices=LeaveReason)
    leave_comment = models.TextField(blank=True, max_length=2000)
    pause_asked_at = models.DateTimeField(null=True, help_text="pauses with its period's end, unless taken back")
    resumes_on = models.DateField(null=True, help_text="after a pause: where its next period begins")
    anchored_on = models.DateField(null=True, help_text="after a pause: the day of month that its periods keep to")
    renewal_problem = models.CharField(max_length=300, blank=True, help_text="why the last run could not renew it")
    trial_ends_on = models.DateField(
        null=True, blank=True, help_text="the first day that is paid; its first period is free"
    )
    created_at = models.DateTimeField()

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(period_start__isnull=True, period_end__isnull=True) | Q(period_end__gt=F("period_start")),
                name="subscription_period_not_empty",
            ),
            models.CheckConstraint(
                condition=Q(state="pending") | Q(period_start__isnull=False), name="subscription_running_has_a_period"
            ),
            models.CheckConstraint(
                condition=Q(leave_asked_at__isnull=True, leave_reason="") | ~Q(leave_reason=""),
                name="subscription_left_for_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(term_months__gte=1, term_months__lte=120), name="subscription_term_months"
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "id"], name="subscription_of_customer"),
            models.Index(
                fields=["period_end", "id"], condition=Q(state="active", auto_renew=True), name="subscription_to_renew"
            ),
        ]

    def __str__(self) -> str:
        return self.database.name

    def start(self, period_start: date, period_end: date) -> None:
        """Begin the first period [start, end)."""
        self.state, self.period_start, self.period_end = self.State.ACTIVE, period_start, period_end
        self.save(update_fields=["state", "period_start", "period_end"])
        SubscriptionPeriod.objects.create(subscription=self, start=period_start, end=period_end)

    def start_trial(self, first_day: date, days: int) -> None:
        """Begin with a first period of free days; the run renews it into the first term that is paid, unless that is ended."""
        self.trial_ends_on, self.auto_renew = first_day + timedelta(days=days), True
        self.save(update_fields=["trial_ends_on", "auto_renew"])
        self.start(first_day, self.trial_ends_on)

    def committed_until(self, product: Product | None = None) -> date | None:
        """Until when it is agreed at least, or one product of it; None when nothing is. A renewal on that day may end it."""
        rows = (
            self.items.filter(ended_on=None) if product is None else self.items.filter(ended_on=None, product=product)
        )
        found: date | None = rows.aggregate(latest=models.Max("committed_until"))["latest"]
        return found

    def end_now(self, product: Product, quantity: Decimal, on: date) -> None:
        """Let `quantity` of `product` end today, where another takes its place; what ends with the period goes first."""
        left = quantity
        running = self.items.filter(product=product, started_on__lte=on).exclude(ended_on__lte=on)
        for item in running.order_by("ended_on", "-id"):
            ending = min(item.quantity, left)
            if ending == item.quantity:
                item.ended_on = on
                item.save(update_fields=["ended_on"])
            elif ending:
                item.split(ending, ended_on=on)
            left -= ending
        if left:
            raise Conflict(
                _("There are not so many %(name)s in this subscription. Nothing was changed.") % {"name": product.name}
            )

    def drop_following(self, product: Product, on: date) -> None:
        """Take back what was to begin with the next period."""
        self.items.filter(product=product, started_on__gt=on).delete()

    @property
    def next_start(self) -> date | None:
        """Where the next period begins: at the end of this one, or after a pause on the day that was chosen."""
        return self.resumes_on or self.period_end

    def end_of_next(self, term_months: int) -> date | None:
        """The end (exclusive) of a next period of that term; None when nothing has begun.

        The first day of all that is paid, or the day after a pause or of another term, is the anchor.
        """
        first, start = self.periods.order_by("start").values_list("start", flat=True).first(), self.next_start
        if first is None or start is None:
            return None
        anchor = start if term_months != self.term_months else self.anchored_on or self.trial_ends_on or first
        return next_period_end(anchor, start, term_months)

    def renew(self, term_months: int | None = None) -> "SubscriptionPeriod":
        """Write down the next period, of the same term or another; it runs from its first day on (`advance`).

        Raises Conflict when nothing has begun, or the next period is agreed already.
        """
        start, end = self.next_start, self.end_of_next(term_months or self.term_months)
        if start is None or end is None:
            raise Conflict(_("This subscription has not begun; there is nothing to renew."))
        if self.periods.filter(start__gte=start).exists():
            raise Conflict(_("The next period of this subscription is agreed already. Nothing was changed."))
        if term_months is not None and term_months != self.term_months:
            self.term_months, self.anchored_on = term_months, start
            self.save(update_fields=["term_months", "anchored_on"])
        return SubscriptionPeriod.objects.create(subscription=self, start=start, end=end)

    def advance(self, day: date) -> "SubscriptionPeriod | None":
        """Let the agreed period that has begun by `day` be the running one; None when there is none."""
        begun = self.periods.filter(start__lte=day, start__gte=self.next_start).order_by("start").first()
        if begun is None:
            return None
        self.period_start, self.period_end, self.resumes_on = begun.start, begun.end, None
        self.save(update_fields=["period_start", "period_end", "resumes_on"])
        return begun

    def move(self, to: str, *, from_: Collection[str], **changes: Any) -> bool:
        """Claim a state: `from_` any of those → `to`, with what else changes; False when it is in another by now."""
        if not claim(Subscription.objects.filter(pk=self.pk, state__in=from_), state=to, **changes):
            return False
        self.refresh_from_db(fields=["state", *changes])
        return True

    def end_at_renewal(self, product: Product, quantity: Decimal) -> None:
        """Let `quantity` of `product` end with the period: paid until then, not renewed. What ends is an item of its own.

        The dearest units end first. Raises Conflict when there are not so many, or nothing has begun.
        """
        if self.period_end is None:
            raise Conflict(_("This subscription has not begun; there is nothing to remove."))
        left = quantity
        until = self.committed_until(product)
        if until is not None and self.period_end < until:
            raise Conflict(
                _("%(name)s is agreed until %(date)s at least. Nothing was changed.")
                % {"name": product.name, "date": until.isoformat()}
            )
        running = self.items.filter(product=product, ended_on=None, started_on__lt=self.period_end)
        for item in running.order_by("-unit_price", "-id"):
            ending = min(item.quantity, left)
            if ending == item.quantity:
                item.ended_on = self.period_end
                item.save(update_fields=["ended_on"])
            elif ending:
                item.split(ending, ended_on=self.period_end)
            left -= ending
        if left:
            raise Conflict(
                _("There are not so many %(name)s in this subscription. Nothing was changed.") % {"name": product.name}
            )

    def keep(self, product: Product, quantity: Decimal, on: date) -> None:
        """Take back that `quantity` units of `product` end with the period; the others go on ending. `on` is today."""
        rows = self.items.filter(product=product, ended_on__gt=on, provisional=False)
        ending = rows.aggregate(sum=models.Sum("quantity"))["sum"]
        left = max((ending or Decimal(0)) - quantity, Decimal(0))
        self._join(product, on)
        if left:
            self.end_at_renewal(product, left)

    def _join(self, product: Product, on: date) -> None:
        """Every unit of `product` that ends after `on` goes on, in the item at its price."""
        for item in self.items.filter(product=product, ended_on__gt=on, provisional=False).order_by("id"):
            same = self.items.filter(
                product=product,
                unit_price=item.unit_price,
                discount_percent=item.discount_percent,
                discount_until=item.discount_until,
                discount_after=item.discount_after,
                list_price=item.list_price_id,
                started_on=item.started_on,
                ended_on=None,
            ).first()
            if same is None:
                item.ended_on = None
                item.save(update_fields=["ended_on"])
            else:
                same.quantity += item.quantity
                item.delete()
                same.save(update_fields=["quantity"])

    def add(
        self,
        product: Product,
        quantity: Decimal,
        unit_price: Decimal,
        discount_percent: Decimal,
        on: date,
        *,
        list_price: int | None = None,
        discount_until: date | None = None,
        discount_after: Decimal = Decimal(0),
    ) -> None:
        """Add `quantity` of `product` from `on`, into the item that stands at the same price, else a new one.

        `list_price` is the key of the list price that it follows; `discount_until` the first renewal at `discount_after`
        instead. What a subscription holds already of a product tells until when more of it is agreed; else its minimum term.
        """
        running = self.items.filter(product=product, ended_on=None, started_on__lte=on)
        same = running.filter(
            unit_price=unit_price, discount_percent=discount_percent, list_price=list_price,
            discount_until=discount_until, discount_after=discount_after,
        ).first()  # fmt: skip
        if same is not None:
            same.quantity += quantity
            same.save(update_fields=["quantity"])
            return
        committed_until, first = None, running.first()
        if first is not None:
            committed_until = first.committed_until
        elif product.minimum_months:
            committed_until = add_months(max(on, self.trial_ends_on or on), product.minimum_months)
        self.items.create(
            product=product,
            description=product.name,
            quantity=quantity,
            unit_price=unit_price,
            discount_percent=discount_percent,
            discount_until=discount_until,
            discount_after=discount_after,
            list_price_id=list_price,
            committed_until=committed_until,
            started_on=on,
        )

    def install(
        self,
        product: Product,
        quantity: Decimal,
        unit_price: Decimal,
        discount_percent: Decimal,
        on: date,
        *,
        until: date,
    ) -> "SubscriptionItem":
        """Let `quantity` of `product` run ahead of its order, provisionally and until a day (exclusive); never renewed."""
        return self.items.create(
            product=product, description=product.name, quantity=quantity, unit_price=unit_price,
            discount_percent=discount_percent, started_on=on, ended_on=until, provisional=True,
        )  # fmt: skip


class SubscriptionItem(models.Model):
    """One product of a subscription, priced per term."""

    privacy = {
        Privacy.NONE: (
            "id subscription product description quantity unit_price discount_percent discount_until discount_after "
            "list_price committed_until started_on ended_on provisional"
        )
    }

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="items")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    description = models.CharField(max_length=160)
    quantity = FourDecimals()
    unit_price = FourDecimals(help_text="for one unit and one term, excluding VAT")
    discount_percent = FourDecimals(default=0)
    discount_until = models.DateField(null=True, blank=True, help_text="the first renewal without it; empty: it stays")
    discount_after = FourDecimals(default=0, help_text="percent from then on")
    list_price = models.ForeignKey(
        Price, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False,
        help_text="the list price it was agreed at; empty: agreed for this customer alone",
    )  # fmt: skip
    committed_until = models.DateField(null=True, blank=True, help_text="it ends on no renewal before this day")
    started_on = models.DateField()
    ended_on = models.DateField(null=True, blank=True)
    provisional = models.BooleanField(
        default=False, help_text="runs ahead of its order, until it ends or the order comes"
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="subscription_item_quantity_positive"),
            models.CheckConstraint(
                condition=Q(discount_percent__gte=0, discount_percent__lte=100),
                name="subscription_item_discount_percent",
            ),
            models.CheckConstraint(
                condition=Q(ended_on__isnull=True) | Q(ended_on__gte=F("started_on")),
                name="subscription_item_ends_after",
            ),
        ]

    def __str__(self) -> str:
        return self.description

    @property
    def listed(self) -> ListPrice | None:
        """The list price it was agreed at, as pricing reads it; read it with `select_related("list_price")`."""
        return self.list_price.listed if self.list_price is not None else None

    def copied(self) -> "SubscriptionItem":
        """The same as a new item, not saved."""
        return SubscriptionItem(
            subscription_id=self.subscription_id, product_id=self.product_id, description=self.description,
            quantity=self.quantity, unit_price=self.unit_price, discount_percent=self.discount_percent,
            discount_until=self.discount_until, discount_after=self.discount_after, list_price_id=self.list_price_id,
            committed_until=self.committed_until, started_on=self.started_on, ended_on=self.ended_on,
        )  # fmt: skip

    def split(self, quantity: Decimal, *, ended_on: date) -> "SubscriptionItem":
        """Move `quantity` of this item into one of its own that ends on `ended_on` (exclusive)."""
        self.quantity -= quantity
        self.save(update_fields=["quantity"])
        ending = self.copied()
        ending.quantity, ending.ended_on = quantity, ended_on
        ending.save()
        return ending


class SubscriptionPeriod(models.Model):
    """A period that has begun: kept for ever, so that no past date is ever computed again."""

    privacy = {Privacy.NONE: "id subscription start end"}

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="periods")
    start = models.DateField()
    end = models.DateField(help_text="exclusive")

    class Meta:
        ordering = ["start"]
        constraints = [
            models.UniqueConstraint(fields=["subscription", "start"], name="one_period_per_start"),
            models.CheckConstraint(condition=Q(end__gt=F("start")), name="period_not_empty"),
        ]

    def __str__(self) -> str:
        return f"[{self.start}, {self.end})"
