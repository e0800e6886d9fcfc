"""Whom a mail goes to, and the mails about a login: the invitation, and a credential that was changed.

Readers are people with their own language, each once; what a person has switched off it does not get. The other apps' letters
ask here for their readers.
"""

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.models import (
    Actor,
    Customer,
    IdentityRequest,
    InvoiceRecipient,
    LetterChoice,
    Membership,
    Seller,
    User,
    person,
)
from portico.kit.addresses import absolute
from portico.kit.models import Letter
from portico.kit.outbox import MEMBER, STAFF, Drawn, Reader, Sender, kind, kinds, post
from portico.kit.prepared import Given, Prepared, prepared

DECIDES: Sequence[str] = ("owner", "approver")
PAYS: Sequence[str] = ("owner", "billing")
EVERYBODY: Sequence[str] = ("owner", "approver", "billing", "viewer")
REASONS = {
    "decides": lazy("You get this because you may decide for %(company)s in this portal."),
    "pays": lazy("You get this because you look after the payments of %(company)s in this portal."),
    "member": lazy("You get this because you have a login for %(company)s in this portal."),
    "recipient": lazy("You get this because %(company)s has its invoices sent to this address. Ask there to change it."),
    "sells": lazy("You get this because you look after this customer."),
    "asked": lazy("You get this because you asked for it in this portal."),
    "asked_desk": lazy("You get this because you asked for it in this portal."),
    "login": lazy("You get this because it concerns your login. Such mails cannot be switched off."),
}  # fmt: skip


# Readers --------------------------------------------------------------------------------------------------------------


def wanted(member: Membership | User, event: str) -> bool:
    """Whether this person gets the mails of `event`; what cannot be switched off is always wanted."""
    user = member.user if isinstance(member, Membership) else member
    return not kinds()[event].optional or not LetterChoice.refusing([user.pk], event)


def switches(user: User) -> list[tuple[str, str, bool]]:
    """What this person may switch on and off: event, its words, whether it is on."""
    side = STAFF if user.is_staff else MEMBER
    off = set(LetterChoice.objects.filter(user=user, wanted=False).values_list("event", flat=True))
    return [
        (one.event, str(one.label), one.event not in off)
        for one in kinds().values()
        if one.optional and side in one.sides
    ]


def choose(user: User, chosen: Container[str]) -> None:
    """Keep what a person ticked: of what it may switch, the events in `chosen` are on, the others off. A transaction."""
    with transaction.atomic():
        LetterChoice.choose(user, {event: event in chosen for event, _words, _on in switches(user)})


def members(customer: Customer, roles: Sequence[str], event: str, *, why: str, but: User | None = None) -> list[Reader]:
    """The active people of `customer` who hold any of `roles` and want it; `but` did it and knows."""
    return members_of([customer.pk], roles, event, why=why, but=but)[customer.pk]


def members_of(
    customers: Collection[int], roles: Sequence[str], event: str, *, why: str, but: User | None = None
) -> dict[int, list[Reader]]:
    """The same for several customers, by their ids, in one statement."""
    optional = kinds()[event].optional
    if len(customers) == 1:
        people = people_of(tuple(roles), optional)(customer=next(iter(customers)), event=event)
    else:
        people = list(people_in(Q(customer__in=customers), roles, event if optional else None))
    found: dict[int, list[Reader]] = {customer: [] for customer in customers}
    for customer, key, email, name, language in people:
        if but is None or key != but.pk:
            found[customer].append(Reader(email, name, language, why, key))
    return found


def people_in(customers: Q, roles: Sequence[str], event: Any) -> "QuerySet[Membership, tuple[Any, ...]]":
    """The active people of these customers who hold any of the roles, without those who do not want mails of `event`."""
    held = Q()
    for role in roles:
        held |= Q(**{f"is_{role}": True})
    rows = Membership.objects.filter(customers, held, user__is_active=True)
    rows = rows.exclude(is_limited=True, is_owner=False)  # a mail could be about what such a member does not see
    if event is not None:
        refused = LetterChoice.objects.filter(user=OuterRef("user"), event=event, wanted=False)
        rows = rows.filter(~Exists(refused))
    return rows.order_by("pk").values_list("customer_id", "user_id", "user__email", "user__name", "user__language")


@cache
def people_of(roles: tuple[str, ...], optional: bool) -> "Prepared[tuple[Any, ...]]":
    """The same of one customer, asked for many a time."""
    return Prepared(lambda: people_in(Q(customer=Given("customer")), roles, Given("event") if optional else None))


@prepared
def recipients_of(customer: Any) -> Any:
    """The addresses that get a customer's invoices."""
    return InvoiceRecipient.objects.filter(customer=customer).order_by("pk")


def payers(customers: Collection[int], event: str, *, recipients: bool = False) -> dict[int, list[Reader]]:
    """Who looks after the money of each of these customers; with `recipients` also the addresses that get its invoices."""
    found = members_of(customers, PAYS, event, why="pays")
    if recipients:
        known = {customer: {reader.address.lower() for reader in readers} for customer, readers in found.items()}
        if len(customers) == 1:
            addresses = recipients_of(customer=next(iter(customers)))
        else:
            addresses = list(InvoiceRecipient.objects.filter(customer__in=customers).order_by("pk"))
        for one in addresses:
            if one.email.lower() not in known[one.customer_id]:
                found[one.customer_id].append(Reader(one.email, one.name, one.language, "recipient"))
    return found


def sellers(seller: Seller, salesperson: User | None, event: str, *, but: User | None = None) -> list[Reader]:
    """Who looks after a sale: its salesperson, else everybody who sells, else the administrators."""
    if salesperson is not None and salesperson.is_active and salesperson.is_staff:
        found = [salesperson]
    else:
        rows = User.objects.filter(staff_of=seller, is_active=True)
        found = list(rows.filter(staff_role=User.StaffRole.SALES).order_by("pk")) or list(
            rows.filter(staff_role=User.StaffRole.ADMIN).order_by("pk")
        )
    return readers((user for user in found if but is None or user.pk != but.pk), event, why="sells")


def bookkeepers(seller: Seller, salesperson: User | None, event: str) -> list[Reader]:
    """Who looks after money that is in question: finance, else the administrators, and the salesperson of the sale."""
    rows = User.objects.filter(staff_of=seller, is_active=True)
    found = list(rows.filter(staff_role=User.StaffRole.FINANCE).order_by("pk")) or list(
        rows.filter(staff_role=User.StaffRole.ADMIN).order_by("pk")
    )
    if salesperson is not None and salesperson.is_active and salesperson.is_staff and salesperson not in found:
        found.append(salesperson)
    return readers(found, event, why="sells")


def readers(users: Iterable[User], event: str, *, why: str) -> list[Reader]:
    """These people as readers, without those who do not want it."""
    people = list(users)
    one = kinds()[event]
    refusing = LetterChoice.refusing([user.pk for user in people], event) if one.optional and people else set()
    return [Reader(user.email, user.name, user.language, why, user.pk) for user in people if user.pk not in refusing]


# What every letter shows ------------------------------------------------------------------------------------------------


def sender_of(seller: Seller) -> Sender:
    """The seller as the sender of a letter, its address at the foot."""
    place = " ".join(part for part in (seller.postcode, seller.city) if part)
    address = ", ".join(part for part in (seller.street, seller.street_2, place) if part)
    footer = [seller.legal_name, address, _("Questions: %(email)s") % {"email": seller.support_email}]
    return Sender(seller.short_name, seller.support_email, [line for line in footer if line], seller.accent)


def drawn(
    letter: Letter,
    *,
    seller: Seller,
    path: str,
    customer: Customer | None = None,
    context: Mapping[str, object],
    **more: object,
) -> Drawn:
    """A letter of `seller`, with the reason why its reader gets it and where to change that."""
    return Drawn(
        sender=sender_of(seller),
        path=path,
        why=str(REASONS[letter.why]) % {"company": customer.legal_name if customer else seller.short_name},
        change=change_path(letter),
        context={"seller": seller, "customer": customer, **context},
        **more,  # type: ignore[arg-type]  # attachments and secrets, as Drawn takes them
    )


def change_path(letter: Letter) -> str:
    """Where this reader chooses its mails; empty for an address without a login."""
    if letter.person is None:
        return ""
    face = "staff" if letter.why in {"sells", "asked_desk"} else "my"
    try:
        return reverse(f"{face}:account.letters")
    except NoReverseMatch:
        return reverse(f"{face}:account.index")


# Letters about a login --------------------------------------------------------------------------------------------------


def invitation(*, membership: Membership, by: Actor, now: datetime, again: str = "") -> None:
    """Somebody may work for a customer from now on: a link to choose a password, or to sign in where there is one.

    `again` must differ for each new invitation of the same membership.
    """
    user, customer, inviter = membership.user, membership.customer, person(by)
    post(
        "invitation",
        readers([user], "invitation", why="login"),
        about=f"membership:{membership.pk}",
        data={"membership": membership.pk, "by": inviter.pk if inviter else 0},
        seller=customer.seller_id,
        customer=customer.pk,
        again=again,
        now=now,
    )


@kind("invitation", label=lazy("An invitation to this portal"), optional=False)
def draw_invitation(letter: Letter) -> Drawn | None:
    """The link holds a key that works once; it is made at the moment of sending and not kept."""
    membership = Membership.objects.select_related("user", "customer__seller").get(pk=letter.data["membership"])
    user, customer = membership.user, membership.customer
    if not user.is_active:
        return None
    path, secrets = way_in(user)
    by = User.objects.filter(pk=letter.data["by"]).first()
    context = {
        "who": by.get_full_name() if by else customer.seller.short_name,
        "is_new": bool(secrets),
        "email": user.email,
        "reset_url": absolute(reverse("account_reset_password")),
    }
    return drawn(letter, seller=customer.seller, customer=customer, path=path, context=context, secrets=secrets)


def way_in(user: User) -> tuple[str, list[str]]:
    """Where an invitation leads: to a new password, by a key that is a secret; to the sign-in where there is one already."""
    if user.has_usable_password():
        return reverse("account_login"), []
    key = default_token_generator.make_token(user)
    found = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
    path = found.replace("UID-KEY", f"{user_pk_to_url_str(user)}-{key}")
    return path, [absolute(path)]


def staff_invitation(*, user: User, seller: Seller, by: User, now: datetime) -> None:
    """Somebody works for `seller` from now on: a link to choose a password."""
    post(
        "staff_invitation",
        readers([user], "staff_invitation", why="login"),
        about=f"user:{user.pk}",
        data={"user": user.pk, "by": by.pk},
        seller=seller.pk,
        now=now,
    )


@kind("staff_invitation", label=lazy("An invitation to the seller's desk"), sides=(STAFF,), optional=False)
def draw_staff_invitation(letter: Letter) -> Drawn | None:
    """As `draw_invitation`, for the seller's own people."""
    user = User.objects.select_related("staff_of").get(pk=letter.data["user"])
    if not user.is_active or user.staff_of is None:
        return None
    path, secrets = way_in(user)
    by = User.objects.filter(pk=letter.data["by"]).first()
    context = {
        "who": by.get_full_name() if by else user.staff_of.short_name,
        "role": user.get_staff_role_display(),
        "is_new": bool(secrets),
        "email": user.email,
        "reset_url": absolute(reverse("account_reset_password")),
    }
    return drawn(letter, seller=user.staff_of, path=path, context=context, secrets=secrets)


CHANGES = {
    "password": lazy("Your password was changed. Every other session was signed out."),
    "email": lazy("The e-mail address of your login was changed. From now on you sign in with the new one."),
    "factor_added": lazy("A second step was added to your sign-in."),
    "factor_removed": lazy("A second step was taken away from your sign-in."),
    "recovery_codes": lazy("New recovery codes were made for your sign-in. The old ones no longer work."),
}


def credentials_changed(*, user: User, what: str, now: datetime, address: str = "") -> None:
    """Tell a person that a credential changed, at `address` (the old one, when that is what changed)."""
    seller = seller_of(user)
    if seller is None:
        return
    membership = user.current_membership
    post(
        "credentials_changed",
        [Reader(address or user.email, user.name, user.language, "login", user.pk)],
        about=f"user:{user.pk}",
        data={"user": user.pk, "what": what},
        seller=seller.pk,
        customer=membership.customer_id if membership else None,
        again=f"{what}-{now.isoformat()}",
        now=now,
    )


@kind("credentials_changed", label=lazy("Password or address changed"), sides=(MEMBER, STAFF), optional=False)
def draw_credentials_changed(letter: Letter) -> Drawn | None:
    """What changed and when, and what to do when it was somebody else."""
    user = User.objects.get(pk=letter.data["user"])
    seller = Seller.objects.get(pk=letter.seller)
    context = {"what": str(CHANGES[letter.data["what"]]), "zone": seller.zone}
    return drawn(letter, seller=seller, path=reverse("account_reset_password"), context=context | {"user": user})


# Letters about a company's name -------------------------------------------------------------------------------------------


def identity_asked(request: IdentityRequest, *, now: datetime) -> None:
    """A customer asks for another name or VAT id: who keeps the books hears it."""
    customer = request.customer
    _post_identity("identity_asked", request, bookkeepers(customer.seller, None, "identity_asked"), now=now)


def identity_decided(request: IdentityRequest, *, now: datetime) -> None:
    """The answer, to the owners."""
    _post_identity(
        "identity_decided", request, members(request.customer, ["owner"], "identity_decided", why="member"), now=now
    )


def _post_identity(event: str, request: IdentityRequest, to: Sequence[Reader], *, now: datetime) -> None:
    customer = request.customer
    post(
        event, to, about=f"customer:{customer.pk}", data={"request": request.pk}, seller=customer.seller_id,
        customer=customer.pk, again=str(request.pk), now=now,
    )  # fmt: skip


def _identity(letter: Letter) -> IdentityRequest:
    return IdentityRequest.objects.select_related("customer__seller", "asked_by").get(pk=letter.data["request"])


@kind("identity_asked", label=lazy("A customer asks for another name or VAT number"), sides=(STAFF,))
def draw_identity_asked(letter: Letter) -> Drawn | None:
    """Who, what and why; nothing once it was decided."""
    one = _identity(letter)
    if one.state != IdentityRequest.State.OPEN:
        return None
    who = one.asked_by.get_full_name() if one.asked_by else _("Somebody")
    path = reverse("staff:identity_requests.detail", args=[one.pk])
    return drawn(letter, seller=one.customer.seller, customer=one.customer, path=path, context={"one": one, "who": who})


@kind("identity_decided", label=lazy("An answer about your company's name or VAT number"))
def draw_identity_decided(letter: Letter) -> Drawn | None:
    """What the papers say from now on, and the words of a refusal."""
    one = _identity(letter)
    changed = one.state == IdentityRequest.State.CONFIRMED
    context = {
        "one": one,
        "changed": changed,
        "name": one.legal_name if changed else one.old_legal_name,
        "vat_id": one.vat_id if changed else one.old_vat_id,
    }
    seller = one.customer.seller
    return drawn(letter, seller=seller, customer=one.customer, path=reverse("my:company.index"), context=context)


def seller_of(user: object) -> Seller | None:
    """The seller a person works or buys for; an unknown address gets the installation's."""
    if isinstance(user, User):
        if user.staff_of is not None:
            return user.staff_of
        if user.current_membership is not None:
            return user.current_membership.customer.seller
    return Seller.objects.order_by("id").first()
