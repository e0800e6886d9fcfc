"""The mail about a message on a thread: to the other side of the desk, never for an internal note."""

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.letters import DECIDES, PAYS, drawn, members, readers, sellers
from portico.accounts.models import Customer, Membership, User
from portico.billing.models import Invoice, Order, Quotation, Subscription
from portico.conversation.models import Document, Message, Thread
from portico.kit.models import Letter
from portico.kit.outbox import MEMBER, STAFF, Drawn, Reader, kind, post

LONGEST = 1500
"""So much of a message is quoted; the rest is on the page."""


def thread_message(message: Message, document: Document, customer: Customer) -> None:
    """Tell the other side: of the customer whom the document concerns and who wrote before, of the seller who sells.

    Called in the transaction that wrote the message. An internal note is told to nobody.
    """
    if message.internal:
        return
    author = message.author
    found = _customer_side(message, document, customer) if message.from_staff else _staff_side(document, author)
    post(
        "thread_message",
        found,
        about=f"message:{message.pk}",
        data={"message": message.pk},
        seller=customer.seller_id,
        customer=customer.pk,
        now=message.at,
    )


def _customer_side(message: Message, document: Document, customer: Customer) -> list[Reader]:
    roles = PAYS if isinstance(document, Invoice) else DECIDES
    found = members(customer, roles, "thread_message", why="member")
    known = {reader.person for reader in found}
    wrote = Message.objects.filter(thread=message.thread_id, from_staff=False).values("author")
    others = Membership.objects.filter(customer=customer, user__in=wrote, user__is_active=True).select_related("user")
    more = [
        one.user
        for one in others.order_by("pk")
        if one.user_id not in known and (one.sees_all or Thread.objects.visible_to(one).filter(pk=message.thread_id))
    ]  # whoever wrote before it was limited may not see the document any more
    return found + readers(more, "thread_message", why="member")


def _staff_side(document: Document, author: User | None) -> list[Reader]:
    return sellers(document.customer.seller, salesperson_of(document), "thread_message", but=author)


def salesperson_of(document: Document) -> User | None:
    """Who sold what this document is about; None where nobody did."""
    if isinstance(document, Quotation):
        return document.salesperson
    if isinstance(document, Order):
        return document.version.quotation.salesperson if document.version else None
    if isinstance(document, Invoice):
        return salesperson_of(document.order) if document.order else None
    last = document.quotations.select_related("salesperson").order_by("-pk").first()
    return last.salesperson if last else None


@kind("thread_message", label=lazy("A message on a document"), sides=(MEMBER, STAFF))
def draw_thread_message(letter: Letter) -> Drawn | None:
    """Who wrote what, on which document."""
    message = Message.objects.select_related("author", "thread__customer__seller").get(pk=letter.data["message"])
    thread = message.thread
    customer, seller = thread.customer, thread.customer.seller
    face = "staff" if letter.why == "sells" else "my"
    noun, number, title = place_of(thread)
    words = message.body if len(message.body) <= LONGEST else f"{message.body[:LONGEST]} …"
    return drawn(
        letter,
        seller=seller,
        customer=customer,
        path=reverse(f"{face}:{noun}.thread", args=[number]),
        context={
            "number": number,
            "title": title,
            "who": message.author.get_full_name() if message.author else _("Somebody"),
            "words": words,
            "files": message.attachments.count(),
            "for_staff": face == "staff",
        },
    )


def place_of(thread: Thread) -> tuple[str, str, str]:
    """Noun, number and title of the document a thread is on."""
    if thread.quotation is not None:
        current = thread.quotation.current
        return "quotations", thread.quotation.number, current.title if current else ""
    if thread.order is not None:
        return "orders", thread.order.number, thread.order.title
    if thread.invoice is not None:
        return "invoices", str(thread.invoice.number), thread.invoice.title
    subscription = Subscription.objects.select_related("database").get(thread=thread)
    return "subscriptions", subscription.database.name, ""
