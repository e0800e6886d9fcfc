"""The parts in which an invoice is to be paid, frozen when it is issued."""

from django.db import models
from django.db.models import F, Q

from portico.billing.instalments import Left, Split, filled, frozen_parts
from portico.billing.models.invoice import Invoice
from portico.kit.privacy import Privacy


class Instalment(models.Model):
    """One part of an invoice: its due day and amount, minor units of the invoice's currency.

    `upto_minor` is the sum of this part and those before it, so that lists can tell what is left of a part from the
    invoice's amount due alone. An invoice that is paid in one sum has none.
    """

    privacy = {Privacy.NONE: "id invoice position due_on amount_minor upto_minor"}

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="instalments")
    position = models.PositiveSmallIntegerField(help_text="from 1, in the order of due days")
    due_on = models.DateField(help_text="the last day to pay it, in the seller's zone")
    amount_minor = models.BigIntegerField()
    upto_minor = models.BigIntegerField()

    class Meta:
        ordering = ["invoice", "position"]
        constraints = [
            models.UniqueConstraint(fields=["invoice", "position"], name="one_instalment_per_position"),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0, upto_minor__gte=F("amount_minor"), position__gte=1),
                name="instalment_amounts",
            ),
        ]

    def __str__(self) -> str:
        return f"instalment {self.position} of {self.invoice_id}"


def parts_of(invoice: Invoice) -> list[Split]:
    """The parts in which an invoice is to be paid, the earliest first; none for one sum.

    Read from the frozen copy, which is there already; from the rows once that was erased.
    """
    if not invoice.instalment_count:
        return []
    frozen = frozen_parts(invoice.content)
    if frozen:
        return frozen
    rows = Instalment.objects.filter(invoice=invoice).order_by("position")
    return [Split(due_on, amount) for due_on, amount in rows.values_list("due_on", "amount_minor")]


def standing_of(invoice: Invoice) -> list[Left]:
    """How the parts of an invoice stand by its kept amounts; one part for an invoice that is paid in one sum."""
    parts = parts_of(invoice)
    if not parts and invoice.due_on is not None:
        parts = [Split(invoice.due_on, max(invoice.to_settle_minor, 0))]
    return filled(parts, invoice.amount_due_minor, invoice.on_its_way_minor)
