"""What the customer does with a quotation: looks, chooses, asks for changes, approves, accepts. All append-only."""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q

from portico.accounts.models import User
from portico.billing.models.mandate import Mandate
from portico.billing.models.quotation import QuotationLine, QuotationVersion
from portico.kit.decimals import OptionalFourDecimals
from portico.kit.files import StoredFile
from portico.kit.privacy import Privacy


class QuotationView(models.Model):
    """A member opened a version. Staff previews are not counted; one row per person and hour is enough."""

    privacy = {Privacy.NONE: "id version", Privacy.EVIDENCE: "at ip user_agent", Privacy.ACTOR: "user"}

    version = models.ForeignKey(QuotationVersion, on_delete=models.CASCADE, related_name="views")
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField()
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["at"]

    def __str__(self) -> str:
        return f"{self.version_id} at {self.at:%Y-%m-%d %H:%M}"


class Selection(models.Model):
    """What the customer chose of a version: `choices` maps a line's key to the quantity as text, "0" for left out.

    Lines not named are taken as offered. `total_minor` is what the customer saw.
    """

    privacy = {Privacy.NONE: "id version choices total_minor made_at", Privacy.ACTOR: "made_by"}

    version = models.ForeignKey(QuotationVersion, on_delete=models.PROTECT, related_name="selections")
    choices = models.JSONField(default=dict)
    total_minor = models.BigIntegerField()
    made_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"selection of {self.version_id}"


class Approval(models.Model):
    """The first of two approvals; the second one is the acceptance, on the same selection."""

    privacy = {Privacy.NONE: "id version selection at", Privacy.ACTOR: "by"}

    version = models.OneToOneField(QuotationVersion, on_delete=models.PROTECT, related_name="first_approval")
    selection = models.ForeignKey(Selection, on_delete=models.PROTECT, related_name="+")
    by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"first approval of {self.version_id}"


class Acceptance(models.Model):
    """The evidence of an acceptance, never changed: what was accepted, by whom, how (DOMAIN 3)."""

    privacy = {
        Privacy.NONE: (
            "id version selection total_minor pdf_sha256 data_sha256 pdf terms_version accepted_at po_number mandate"
        ),
        Privacy.EVIDENCE: "consent signer_name signer_title signature_kind signature auth_method ip user_agent view_history",
        Privacy.ACTOR: "accepted_by",
    }

    class SignatureKind(models.TextChoices):
        NONE = "none"
        TYPED = "typed"
        DRAWN = "drawn"

    version = models.OneToOneField(QuotationVersion, on_delete=models.PROTECT, related_name="acceptance")
    selection = models.OneToOneField(Selection, on_delete=models.PROTECT, related_name="acceptance")
    total_minor = models.BigIntegerField()
    pdf = models.ForeignKey(StoredFile, on_delete=models.PROTECT, related_name="+")
    pdf_sha256 = models.CharField(max_length=64)
    data_sha256 = models.CharField(max_length=64)
    terms_version = models.CharField(max_length=20, blank=True)
    consent = models.TextField()
    po_number = models.CharField(max_length=60, blank=True)
    signer_name = models.CharField(max_length=120)
    signer_title = models.CharField(max_length=120, blank=True)
    signature_kind = models.CharField(max_length=5, choices=SignatureKind)
    signature = models.TextField(blank=True, help_text="the typed name, or the drawn path as SVG path data")
    accepted_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    auth_method = models.CharField(max_length=40)
    mandate = models.ForeignKey(
        Mandate,
        null=True,
        on_delete=models.PROTECT,
        related_name="acceptances",
        help_text="it was accepted by itself under",
    )
    accepted_at = models.DateTimeField()
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=300, blank=True)
    view_history = models.JSONField(default=list, help_text="pairs of UTC time and view id")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(signature_kind="none", signature="") | (~Q(signature_kind="none") & ~Q(signature="")),
                name="acceptance_signature_given",
            )
        ]

    def __str__(self) -> str:
        return f"acceptance of {self.version_id}"


class ChangeRequest(models.Model):
    """The customer asks for something else: other lines, or a new quotation after expiry."""

    privacy = {Privacy.NONE: "id version kind at answered_at", Privacy.CONVERSATION: "message", Privacy.ACTOR: "by"}

    class Kind(models.TextChoices):
        CHANGES = "changes"
        NEW_QUOTATION = "new_quotation"

    version = models.ForeignKey(QuotationVersion, on_delete=models.CASCADE, related_name="change_requests")
    kind = models.CharField(max_length=13, choices=Kind, default=Kind.CHANGES)
    message = models.TextField(max_length=4000)
    by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["at"]

    def __str__(self) -> str:
        return f"wish for {self.version_id}"

    @classmethod
    def answer_open(cls, quotation_id: int, now: datetime) -> int:
        """Mark every open wish of a quotation as answered, because a new version was sent."""
        return cls.objects.filter(version__quotation_id=quotation_id, answered_at=None).update(answered_at=now)

    def add_wishes(self, wishes: list[dict[str, Any]]) -> None:
        """One row per line wished otherwise: line, wish, quantity, comment."""
        ChangeWish.objects.bulk_create(ChangeWish(request=self, **wish) for wish in wishes)


class ChangeWish(models.Model):
    """A wish for one line: another quantity, remove it, or a comment."""

    privacy = {Privacy.NONE: "id request line wish quantity", Privacy.CONVERSATION: "comment"}

    class Wish(models.TextChoices):
        QUANTITY = "quantity"
        REMOVE = "remove"
        COMMENT = "comment"

    request = models.ForeignKey(ChangeRequest, on_delete=models.CASCADE, related_name="wishes")
    line = models.ForeignKey(QuotationLine, on_delete=models.CASCADE, related_name="wishes")
    wish = models.CharField(max_length=8, choices=Wish)
    quantity = OptionalFourDecimals(null=True)
    comment = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["request", "line"], name="one_wish_per_line"),
            models.CheckConstraint(
                condition=Q(wish="quantity", quantity__gte=0) | (~Q(wish="quantity") & Q(quantity__isnull=True)),
                name="wish_quantity_where_wished",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.wish} {self.line_id}"
