"""A quotation and its versions: what is offered, until when, and how far the decision has come."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext as _

from portico.accounts.models import Customer, Membership, Seller, User
from portico.billing.models.catalog import Price
from portico.billing.models.line import Line, Totals
from portico.billing.models.number import NumberSeries
from portico.billing.models.subscription import DatabaseAccess, Subscription, sees_all
from portico.kit.db import claim
from portico.kit.decimals import FourDecimals, OptionalFourDecimals
from portico.kit.errors import Conflict
from portico.kit.files import StoredFile
from portico.kit.periods import today
from portico.kit.privacy import Privacy


class QuotationQuerySet(models.QuerySet["Quotation"]):
    """Quotations as a person may see them."""

    def visible_to(self, membership: Membership) -> "QuotationQuerySet":
        """What was sent to the member's customer; drafts never."""
        return self.visible_to_member(membership.customer_id, membership.pk)

    def visible_to_member(self, customer: Any, member: Any) -> "QuotationQuerySet":
        """The same by the ids of customer and membership, which a prepared query leaves open.

        A limited member sees what changes or renews its databases, and what opened them.
        """
        chosen = DatabaseAccess.chosen_by(member)
        opened = QuotationVersion.objects.filter(order__subscription__in=chosen).values("quotation")
        seen = sees_all(member) | Q(subscription__in=chosen) | Q(pk__in=opened)
        return self.filter(seen, customer_id=customer, current__isnull=False)


class Quotation(models.Model):
    """An offer to a customer under one number; what it says stands in its versions."""

    privacy = {
        Privacy.NONE: (
            "id seller number kind origin subscription database_name term_months current created_at "
            "effective_on fraction_days fraction_of_days trial_days renews_from"
        ),
        Privacy.OFFER: "customer",
        Privacy.ACTOR: "salesperson contact",
    }

    class Kind(models.TextChoices):
        NEW = "new"
        UPSELL = "upsell"
        RENEWAL = "renewal"

    class Origin(models.TextChoices):
        STAFF = "staff"
        PORTAL = "portal"
        REPORT = "report"
        RENEWAL = "renewal"
        API = "api"

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="quotations")
    number = models.CharField(max_length=20, unique=True)
    kind = models.CharField(max_length=7, choices=Kind, default=Kind.NEW)
    origin = models.CharField(max_length=7, choices=Origin, default=Origin.STAFF)
    salesperson = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    contact = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    subscription = models.ForeignKey(
        Subscription, null=True, blank=True, on_delete=models.PROTECT, related_name="quotations"
    )
    database_name = models.CharField(max_length=63, blank=True, help_text="a database to open when this is a new one")
    term_months = models.PositiveSmallIntegerField(default=12)
    effective_on = models.DateField(null=True, help_text="upsell: the first day charged")
    fraction_days = models.PositiveIntegerField(null=True, help_text="upsell: remaining days of the period")
    fraction_of_days = models.PositiveIntegerField(null=True, help_text="upsell: days in the period")
    trial_days = models.PositiveSmallIntegerField(default=0, help_text="new: free days before the first term")
    renews_from = models.DateField(null=True, help_text="renewal: the first day of the period that it is for")
    current = models.OneToOneField(
        "billing.QuotationVersion", null=True, on_delete=models.PROTECT, related_name="+", help_text="last version sent"
    )
    created_at = models.DateTimeField()

    objects = QuotationQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["customer", "-id"], name="quotation_of_customer"),
            models.Index(fields=["customer", "-current"], name="quotation_newest_version"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(fraction_days__isnull=True, fraction_of_days__isnull=True)
                | Q(fraction_days__lte=F("fraction_of_days"), fraction_of_days__gt=0),
                name="quotation_fraction_at_most_one",
            ),
            models.UniqueConstraint(
                fields=["subscription", "renews_from"],
                condition=Q(origin="renewal"),
                name="quotation_of_the_run_once_a_period",
            ),
            models.CheckConstraint(
                condition=Q(trial_days=0) | Q(kind="new", trial_days__lte=366), name="quotation_trial_of_a_new_one"
            ),
            models.CheckConstraint(
                condition=Q(kind="new") | Q(subscription__isnull=False), name="quotation_change_names_a_subscription"
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @classmethod
    def draft(
        cls, *, seller: Seller, customer: Customer, salesperson: User | None, now: datetime, **fields: Any
    ) -> "Quotation":
        """A new quotation with its number and an empty first version. Inside a transaction."""
        taken = NumberSeries.take(seller, NumberSeries.Series.QUOTATION, today(now, seller.zone))
        quotation = cls.objects.create(
            seller=seller,
            customer=customer,
            number=taken.number,
            salesperson=salesperson,
            created_at=now,
            **fields,
        )
        QuotationVersion.objects.create(
            quotation=quotation, version=1, currency=customer.currency, created_at=now, created_by=salesperson
        )
        return quotation

    @property
    def draft_version(self) -> "QuotationVersion | None":
        """The version being written, if any."""
        return self.versions.filter(state=QuotationVersion.State.DRAFT).first()


class VersionQuerySet(models.QuerySet["QuotationVersion"]):
    """Versions of quotations."""

    def left_over(self) -> "VersionQuerySet":
        """Versions that are over without an order and whose paper is still kept."""
        return self.filter(state__in=QuotationVersion.CLOSED, paper__isnull=False)

    def to_draw(self) -> "VersionQuerySet":
        """Open versions that a customer has opened and whose paper was not drawn yet."""
        return self.filter(state__in=["sent", "changes_requested"], first_viewed_at__isnull=False, paper_key="")


class QuotationVersion(Totals):
    """One version of a quotation. Once sent its content never changes; only its state moves.

    `net_minor`, `vat_minor`, `total_minor` are those of the selection the seller proposes.
    """

    privacy = {
        Privacy.NONE: (
            "id quotation version state currency net_minor vat_minor total_minor valid_until payment_policy "
            "deposit_percent payment_parts invoice_policy invoice_before_payment signature_required terms terms_version "
            "created_at sent_at first_viewed_at changes_requested_at accepted_at rejected_at reopened_at withdrawn_at "
            "superseded_at rejected_reason revision saved_at saved_from send_at send_problem "
            "paper paper_key"
        ),
        Privacy.OFFER: "title intro change_note rejected_comment",
        Privacy.ACTOR: "created_by saved_by send_by sent_by changes_requested_by accepted_by rejected_by withdrawn_by",
    }

    class State(models.TextChoices):
        DRAFT = "draft"
        SENT = "sent"
        CHANGES_REQUESTED = "changes_requested"
        ACCEPTED = "accepted"
        REJECTED = "rejected"
        WITHDRAWN = "withdrawn"
        SUPERSEDED = "superseded"

    CANNOT_BE_DRAWN = "-"
    CLOSED = (State.REJECTED, State.WITHDRAWN, State.SUPERSEDED)
    """Sent, and over without an order; a rejected one may be reopened."""
    OPEN = (State.SENT, State.CHANGES_REQUESTED)
    """States in which the customer may decide, while the version is not expired."""

    class PaymentPolicy(models.TextChoices):
        NONE = "none"
        DEPOSIT = "deposit"
        FULL = "full"

    class InvoicePolicy(models.TextChoices):
        AT_ACCEPTANCE = "at_acceptance"
        ON_DELIVERY = "on_delivery"
        PER_PERIOD = "per_period"

    class RejectedReason(models.TextChoices):
        PRICE = "price"
        NOT_NOW = "not_now"
        OTHER_SOLUTION = "other_solution"
        OTHER = "other"

    quotation = models.ForeignKey(Quotation, on_delete=models.CASCADE, related_name="versions")
    version = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=17, choices=State, default=State.DRAFT)
    title = models.CharField(max_length=160, blank=True)
    intro = models.TextField(blank=True, max_length=4000)
    change_note = models.TextField(blank=True, max_length=1000, help_text="what changed, in the seller's words")
    valid_until = models.DateField(null=True, blank=True, help_text="the last day, in the seller's zone")
    payment_policy = models.CharField(max_length=7, choices=PaymentPolicy, default=PaymentPolicy.NONE)
    deposit_percent = FourDecimals(default=0)
    payment_parts = models.JSONField(
        null=True, blank=True, default=None, help_text="pairs of percent and days, none: one sum; null: the customer's"
    )
    invoice_policy = models.CharField(max_length=13, choices=InvoicePolicy, default=InvoicePolicy.AT_ACCEPTANCE)
    invoice_before_payment = models.BooleanField(default=False)
    signature_required = models.BooleanField(default=False)
    terms = models.JSONField(default=list, help_text="pairs of title and text")
    terms_version = models.CharField(max_length=20, blank=True)
    revision = models.PositiveIntegerField(default=0, help_text="counts the saves of a draft: two editors notice")
    saved_at = models.DateTimeField(null=True, help_text="when a person last saved the draft")
    saved_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    saved_from = models.CharField(max_length=32, blank=True, default="", help_text="the window that saved it")
    send_at = models.DateTimeField(null=True, help_text="when the draft is to be sent by itself")
    send_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    send_problem = models.CharField(max_length=300, blank=True, default="", help_text="why that could not be done")
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    sent_at = models.DateTimeField(null=True)
    sent_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    first_viewed_at = models.DateTimeField(null=True)
    changes_requested_at = models.DateTimeField(null=True)
    changes_requested_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    rejected_at = models.DateTimeField(null=True)
    rejected_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    rejected_reason = models.CharField(max_length=14, choices=RejectedReason, blank=True, default="")
    rejected_comment = models.TextField(blank=True, max_length=2000)
    reopened_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    superseded_at = models.DateTimeField(null=True)
    paper = models.ForeignKey(
        StoredFile, null=True, on_delete=models.SET_NULL, related_name="+", help_text="the PDF as offered, drawn ahead"
    )
    paper_key = models.CharField(max_length=64, blank=True, default="", help_text="what it was drawn from")

    objects = VersionQuerySet.as_manager()

    class Meta(Totals.Meta):
        ordering = ["version"]
        indexes = [
            models.Index(
                fields=["id"],
                condition=Q(state__in=["sent", "changes_requested"], first_viewed_at__isnull=False, paper_key=""),
                name="quotation_to_draw",
            ),
            models.Index(fields=["send_at"], condition=Q(send_at__isnull=False), name="quotation_to_send"),
            models.Index(  # holds all that the customer's start page asks of the quotations it can decide
                fields=["quotation", "valid_until", "currency", "total_minor", "state"],
                condition=Q(state__in=["sent", "changes_requested"]),
                name="quotation_to_decide",
            ),
        ]
        constraints = [
            *Totals.Meta.constraints,
            models.CheckConstraint(
                condition=Q(send_at__isnull=True) | Q(state="draft"), name="quotation_only_a_draft_is_scheduled"
            ),
            models.UniqueConstraint(fields=["quotation", "version"], name="quotation_version_once"),
            models.UniqueConstraint(
                fields=["quotation"],
                condition=Q(state__in=["sent", "changes_requested", "accepted"]),
                name="quotation_one_live_version",
            ),
            models.UniqueConstraint(fields=["quotation"], condition=Q(state="draft"), name="quotation_one_draft"),
            models.CheckConstraint(
                condition=Q(state="draft") | Q(sent_at__isnull=False, valid_until__isnull=False),
                name="quotation_sent_has_date_and_validity",
            ),
            models.CheckConstraint(
                condition=Q(state="accepted", accepted_at__isnull=False)
                | (~Q(state="accepted") & Q(accepted_at__isnull=True)),
                name="quotation_accepted_when",
            ),
            models.CheckConstraint(
                condition=~Q(state="rejected") | Q(rejected_at__isnull=False), name="quotation_rejected_when"
            ),
            models.CheckConstraint(
                condition=~Q(state="changes_requested") | Q(changes_requested_at__isnull=False),
                name="quotation_changes_requested_when",
            ),
            models.CheckConstraint(
                condition=~Q(state="withdrawn") | Q(withdrawn_at__isnull=False), name="quotation_withdrawn_when"
            ),
            models.CheckConstraint(
                condition=~Q(state="superseded") | Q(superseded_at__isnull=False), name="quotation_superseded_when"
            ),
            models.CheckConstraint(
                condition=Q(payment_policy="deposit", deposit_percent__gt=0, deposit_percent__lt=100)
                | (~Q(payment_policy="deposit") & Q(deposit_percent=0)),
                name="quotation_deposit_percent",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quotation.number} v{self.version}"

    @property
    def agreed_parts(self) -> list[list[Any]]:
        """The parts in which its invoices are to be paid; none for one sum. A sent version no longer follows the customer."""
        if self.payment_parts is not None:
            return list(self.payment_parts)
        return list(self.quotation.customer.payment_parts)

    def is_expired(self, now: datetime) -> bool:
        """Open, and the Valid Until day has ended in the seller's zone. Computed on read, never stored."""
        return self.state in self.OPEN and self.validity_is_over(now)

    def validity_is_over(self, now: datetime) -> bool:
        """Whether the Valid Until day has ended in the seller's zone; valid through its last microsecond."""
        return self.valid_until is not None and today(now, self.quotation.seller.zone) > self.valid_until

    def status(self, now: datetime) -> str:
        """The state as the customer sees it: `expired` instead of an open state whose time is over."""
        return "expired" if self.is_expired(now) else self.state

    def send(self, *, by: User | None, valid_until: date, now: datetime) -> None:
        """draft → sent. The version before it that was still open is superseded. Conflict when it is no draft."""
        rows = QuotationVersion.objects.filter(quotation_id=self.quotation_id)
        rows.filter(state__in=self.OPEN).update(state=self.State.SUPERSEDED, superseded_at=now)
        if rows.filter(state=self.State.ACCEPTED).exists():
            raise Conflict(_("This quotation was accepted meanwhile; it can no longer be changed."))
        self._move(
            [self.State.DRAFT],
            self.State.SENT,
            sent_at=now,
            sent_by=by,
            valid_until=valid_until,
            payment_parts=self.agreed_parts,
            send_at=None,
            send_problem="",
        )
        Quotation.objects.filter(pk=self.quotation_id).update(current=self)
        self.quotation.current = self

    def accept(self, *, by: User, now: datetime) -> None:
        """sent, changes_requested → accepted, unless expired."""
        self._refuse_expired(now)
        self._move(self.OPEN, self.State.ACCEPTED, accepted_at=now, accepted_by=by)

    def ask_for_changes(self, *, by: User, now: datetime) -> None:
        """sent, changes_requested → changes_requested (a second wish adds to the first), unless expired."""
        self._refuse_expired(now)
        self._move(self.OPEN, self.State.CHANGES_REQUESTED, changes_requested_at=now, changes_requested_by=by)

    def reject(self, *, by: User, reason: str, comment: str, now: datetime) -> None:
        """sent, changes_requested → rejected with its reason, unless expired."""
        self._refuse_expired(now)
        self._move(
            self.OPEN,
            self.State.REJECTED,
            rejected_at=now,
            rejected_by=by,
            rejected_reason=reason,
            rejected_comment=comment,
        )

    def keep_paper(self, paper: StoredFile | None, key: str) -> None:
        """Remember the PDF that was drawn ahead, and what it was drawn from."""
        QuotationVersion.objects.filter(pk=self.pk).update(paper=paper, paper_key=key)
        self.paper, self.paper_key = paper, key

    def let_go_of_paper(self) -> bool:
        """Forget the PDF that was drawn ahead, once the version is over; False when it was reopened meanwhile."""
        rows = QuotationVersion.objects.filter(pk=self.pk, paper=self.paper_id, state__in=self.CLOSED)
        return claim(rows, paper=None, paper_key="")

    def reopen(self, *, now: datetime) -> None:
        """rejected → sent, until Valid Until."""
        if self.validity_is_over(now):
            raise Conflict(_("This quotation expired and can no longer be reopened. Ask for a new quotation."))
        self._move([self.State.REJECTED], self.State.SENT, reopened_at=now)

    def withdraw(self, *, by: User | None, now: datetime) -> None:
        """sent, changes_requested → withdrawn, by the seller; also when expired."""
        self._move(self.OPEN, self.State.WITHDRAWN, withdrawn_at=now, withdrawn_by=by)

    def know_lines(self, lines: Iterable["QuotationLine"]) -> None:
        """Take `lines`, which were read elsewhere, as its own: once it is sent they never change."""
        own = list(lines)
        assert all(line.version_id == self.pk for line in own), "lines of another version"
        self._prefetched_objects_cache = {"lines": own}  # as prefetching does

    def refuse_closed(self, now: datetime) -> None:
        """Conflict with what happened when the customer can decide nothing about this version any more."""
        self._refuse_expired(now)
        if self.state not in self.OPEN:
            raise Conflict(_already(self.state))

    def _refuse_expired(self, now: datetime) -> None:
        if self.is_expired(now):
            raise Conflict(_("This quotation has expired. Nothing was changed. Ask for a new quotation."))

    def _move(self, allowed: Any, state: str, **changes: Any) -> None:
        """Claim the row from one of `allowed`; Conflict with what happened meanwhile when another was first."""
        if not claim(QuotationVersion.objects.filter(pk=self.pk, state__in=allowed), state=state, **changes):
            self.refresh_from_db()
            raise Conflict(_already(self.state))
        self.state = state
        for name, value in changes.items():
            setattr(self, name, value)


def _already(state: str) -> str:
    """What to tell somebody who came too late."""
    return {
        "draft": _("This version has not been sent yet."),
        "sent": _("This quotation is open and waits for a decision."),
        "changes_requested": _("Changes were requested for this quotation meanwhile. Nothing else was changed."),
        "accepted": _("This quotation has already been accepted. Nothing else was changed."),
        "rejected": _("This quotation has already been rejected. Nothing else was changed."),
        "withdrawn": _("This quotation was withdrawn by the seller. Nothing was changed."),
        "superseded": _("A new version of this quotation was sent meanwhile. Nothing was changed."),
    }[state]


class QuotationLine(Line):
    """A line of a version. `key` stays the same from version to version, so that changes are told line by line."""

    privacy = {
        Privacy.NONE: (
            "id version key position kind product quantity unit unit_price discount_percent part_days part_of_days "
            "vat_category vat_rate list_price discount_until discount_after "
            "net_minor optional selected quantity_min quantity_max"
        ),
        Privacy.OFFER: "name detail",
    }

    version = models.ForeignKey(QuotationVersion, on_delete=models.CASCADE, related_name="lines")
    key = models.PositiveIntegerField()
    optional = models.BooleanField(default=False)
    selected = models.BooleanField(default=True, help_text="an optional line the seller proposes")
    quantity_min = OptionalFourDecimals(null=True, blank=True)
    quantity_max = OptionalFourDecimals(null=True, blank=True)
    discount_until = models.DateField(null=True, blank=True, help_text="the first renewal without the discount")
    discount_after = FourDecimals(default=0, help_text="percent from then on, or after the trial")
    list_price = models.ForeignKey(
        Price, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False,
        help_text="the list price it stands at; empty: a price for this customer alone",
    )  # fmt: skip

    class Meta(Line.Meta):
        constraints = [
            *Line.Meta.constraints,
            models.UniqueConstraint(fields=["version", "key"], name="quotation_line_key_once"),
            models.CheckConstraint(
                condition=Q(optional=True) | Q(selected=True), name="quotation_line_fixed_is_selected"
            ),
            models.CheckConstraint(
                condition=Q(optional=False) | Q(kind="line"), name="quotation_line_optional_is_a_line"
            ),
            models.CheckConstraint(
                condition=Q(quantity_min__isnull=True, quantity_max__isnull=True)
                | Q(quantity_min__gt=0, quantity_max__gte=F("quantity_min"), quantity__gte=F("quantity_min"))
                & Q(quantity__lte=F("quantity_max")),
                name="quotation_line_quantity_range",
            ),
        ]
