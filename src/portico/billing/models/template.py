"""A quotation to begin from: its conditions and lines without a customer."""

from datetime import datetime
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from portico.accounts.models import Seller, User
from portico.kit.privacy import Privacy


class QuotationTemplate(models.Model):
    """What was written once and is offered again. `content` holds `fields` of a version and its `lines`, numbers as text."""

    privacy = {Privacy.NONE: "id seller name currency content saved_at", Privacy.ACTOR: "saved_by"}

    seller = models.ForeignKey(Seller, on_delete=models.CASCADE, related_name="quotation_templates")
    name = models.CharField(max_length=80)
    currency = models.CharField(max_length=3, help_text="of the prices as they were written")
    content = models.JSONField(default=dict)
    saved_at = models.DateTimeField()
    saved_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        verbose_name, verbose_name_plural = _("quotation template"), _("quotation templates")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["seller", "name"], name="quotation_template_name_once"),
            models.CheckConstraint(condition=~models.Q(name=""), name="quotation_template_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def keep(
        cls, *, seller: Seller, name: str, currency: str, content: dict[str, Any], by: User, now: datetime
    ) -> "QuotationTemplate":
        """Save under `name`; what was saved under it before is replaced."""
        values = {"currency": currency, "content": content, "saved_at": now, "saved_by": by}
        return cls.objects.update_or_create(seller=seller, name=name, defaults=values)[0]
