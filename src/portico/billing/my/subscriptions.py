"""The customer's subscriptions: what runs in which database, until when, and what its renewal costs."""

from functools import partial

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portico.accounts.access import MemberRequest, member
from portico.billing.actions import ahead, autopay
from portico.billing.actions import leave as leaving
from portico.billing.actions.change import request_change
from portico.billing.actions.collect import method_for
from portico.billing.changing import coupon_from, offer, runs, seen_from, wanted_from
from portico.billing.models import Change, Collection, Invoice, Order, Quotation, Subscription
from portico.billing.standings import standing_of
from portico.billing.subscribed import COLUMNS, SHORT, STATUSES, complete, in_groups, papers_of, periods_of, with_items
from portico.kit.errors import Invalid, Missing
from portico.kit.listing import Sort, chosen_status, listing, search_words
from portico.kit.money import line_net_minor
from portico.kit.periods import today

SORTS = {
    "name": Sort(lazy("Name, A to Z"), ["database__name", "id"]),
    "-name": Sort(lazy("Name, Z to A"), ["-database__name", "-id"]),
    "renewal": Sort(lazy("Next renewal, soonest first"), ["period_end", "id"]),
    "-renewal": Sort(lazy("Next renewal, latest first"), ["-period_end", "-id"]),
}
# Pages -----------------------------------------------------------------------------------------------------------------


@member()
@require_safe
def index(request: MemberRequest) -> HttpResponse:
    """All subscriptions of the customer with their next renewal."""
    q, status = search_words(request.GET), chosen_status(request.GET, STATUSES)
    customer = request.member.customer
    day = today(timezone.now(), customer.seller.zone)
    rows = Subscription.objects.visible_to(request.member)
    if q:
        rows = rows.filter(database__name__icontains=q)
    if status:
        rows = rows.filter(state=status)
    found = listing(
        rows.values(*COLUMNS),
        request.GET,
        q=q,
        status=status,
        statuses=STATUSES,
        sorts=SORTS,
        read=partial(with_items, day=day),
    )
    for row in found.rows:
        complete(row, customer, day)
    return render(request, "billing/my/subscriptions/index.html", {"list": found, "today": day})


@member()
@require_safe
def detail(request: MemberRequest, database: str) -> HttpResponse:
    """One subscription: what it holds, what a change that the address names would cost, its renewal and its papers."""
    return page(request, database, request.GET)


@member()
@require_safe
def preview(request: MemberRequest, database: str) -> HttpResponse:
    """The same page: an address of its own for what asks for the price alone."""
    return page(request, database, request.GET)


@member("approver")
@require_POST
def change(request: MemberRequest, database: str) -> HttpResponse:
    """Get the quotation for what was chosen; what costs nothing is done at once."""
    subscription = find(request, database)
    language = request.user.language
    try:
        wanted = wanted_from(request.POST, request.member.customer.seller, language)
        quotation = request_change(
            subscription=subscription,
            wanted=wanted,
            seen_minor=seen_from(request.POST),
            coupon=coupon_from(request.POST),
            by=request.member,
            now=timezone.now(),
        )
    except Invalid as refusal:
        return page(request, database, request.POST, problem=refusal.message)
    if quotation is None:
        messages.success(request, _("Your change is noted. Nothing is to pay for it."))
        return HttpResponseRedirect(reverse("my:subscriptions.detail", args=[database]))
    messages.success(request, _("Here is the quotation. Accept it, and your database changes."))
    return HttpResponseRedirect(reverse("my:quotations.detail", args=[quotation.number]))


@member("billing", whole=True)
@require_http_methods(["GET", "HEAD", "POST"])
def auto_pay(request: MemberRequest, database: str) -> HttpResponse:
    """The customer's own switch: what is agreed to, what it charges, and what it did lately; POST switches it."""
    subscription = find(request, database)
    consent, error, status = autopay.consent_to_auto_pay(subscription), "", 200
    if request.method == "POST":
        now = timezone.now()
        try:
            if request.POST.get("switch") == "off":
                autopay.switch_off(subscription=subscription, by=request.member, now=now)
                messages.success(request, _("Auto-pay is off. Nothing is charged by itself any more."))
            else:
                agreed = consent if "consent" in request.POST else ""
                autopay.switch_on(subscription=subscription, by=request.member, consent=agreed, now=now)
                messages.success(request, _("Auto-pay is on."))
            return HttpResponseRedirect(reverse("my:subscriptions.auto_pay", args=[database]))
        except Invalid as refusal:
            error, status = refusal.message, 400
    latest = Collection.objects.filter(auto_pay__subscription=subscription).select_related("invoice")
    context = {
        "name": database,
        "switch": autopay.auto_pay_of(subscription),
        "method": method_for(request.member.customer),
        "consent": consent,
        "latest": latest.order_by("-created_at", "-id")[:SHORT],
        "error": error,
    }
    return render(request, "billing/my/subscriptions/auto_pay.html", context, status=status)


# Renewing, pausing, leaving ---------------------------------------------------------------------------------------------


@member("approver", "billing")
@require_http_methods(["GET", "HEAD", "POST"])
def renewal(request: MemberRequest, database: str) -> HttpResponse:
    """Whether it renews by itself, in which term, and a new quotation of the next period; POST does one of these."""
    subscription, now, error = find(request, database), timezone.now(), ""
    do = request.POST.get("do", "")
    if request.method == "POST":
        try:
            if do in {"on", "off"}:
                leaving.switch_auto_renewal(subscription=subscription, on=do == "on", by=request.member, now=now)
                said = _("It renews by itself from now on.") if do == "on" else _("It no longer renews by itself.")
                messages.success(request, said)
                return HttpResponseRedirect(reverse("my:subscriptions.renewal", args=[database]))
            quotation = ahead.ask_for_renewal(
                subscription=subscription, term_months=months_from(request.POST), by=request.member, now=now
            )
        except Invalid as refusal:
            error = refusal.message
        else:
            messages.success(request, _("Here is the quotation. Accept it, and your subscription goes on."))
            return HttpResponseRedirect(reverse("my:quotations.detail", args=[quotation.number]))
    context = standing_of(subscription, today(now, request.member.customer.seller.zone)) | {"error": error}
    return render(request, "billing/my/subscriptions/renewal.html", context, status=400 if error else 200)


def months_from(fields: QueryDict) -> int:
    """The term that was chosen; Invalid for what is none."""
    text = fields.get("term", "")
    if not (text.isascii() and text.isdigit() and len(text) < 4):
        raise Invalid(_("Choose the term."))
    return int(text)


@member("owner")
@require_http_methods(["GET", "HEAD", "POST"])
def pause(request: MemberRequest, database: str) -> HttpResponse:
    """What a pause means, and from when; POST asks for it, takes it back, or lets a paused one go on."""
    subscription, now = find(request, database), timezone.now()
    here = HttpResponseRedirect(reverse("my:subscriptions.detail", args=[database]))
    if request.method == "POST":
        do, by = request.POST.get("do", ""), request.member
        if do == "resume":
            quotation = leaving.resume(subscription=subscription, by=by, now=now)
            if quotation is not None:
                messages.success(request, _("Here is the quotation. Accept it, and your subscription goes on."))
                return HttpResponseRedirect(reverse("my:quotations.detail", args=[quotation.number]))
            messages.success(request, _("It goes on from today."))
        elif do == "back":
            leaving.do_not_pause(subscription=subscription, by=by, now=now)
            messages.success(request, _("It does not pause."))
        else:
            leaving.ask_to_pause(subscription=subscription, by=by, now=now)
            messages.success(request, _("It pauses when its period ends."))
        return here
    context = standing_of(subscription, today(now, request.member.customer.seller.zone))
    return render(request, "billing/my/subscriptions/pause.html", context)


@member("owner")
@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: MemberRequest, database: str) -> HttpResponse:
    """What cancelling means: until when it runs, what stays payable, what can be downloaded; POST does it or takes it back."""
    subscription, now, error = find(request, database), timezone.now(), ""
    if request.method == "POST":
        try:
            if request.POST.get("do") == "stay":
                leaving.stay(subscription=subscription, by=request.member, now=now)
                messages.success(request, _("It goes on. Your cancellation is taken back."))
            else:
                leaving.ask_to_leave(
                    subscription=subscription,
                    reason=request.POST.get("reason", ""),
                    comment=request.POST.get("comment", ""),
                    by=request.member,
                    now=now,
                )
                messages.success(
                    request, _("It is cancelled. It runs until its period ends, and you can take this back.")
                )
            return HttpResponseRedirect(reverse("my:subscriptions.detail", args=[database]))
        except Invalid as refusal:
            error = refusal.message
    context = standing_of(subscription, today(now, request.member.customer.seller.zone)) | {
        "error": error,
        "posted": request.POST,
        "reasons": [(key, label, "") for key, label in Subscription.LeaveReason.choices],
        "open": Invoice.objects.visible_to(request.member)
        .open()
        .filter(Q(period__subscription=subscription) | Q(order__subscription=subscription))
        .order_by("due_on", "id")[:SHORT],
    }
    return render(request, "billing/my/subscriptions/leave.html", context, status=400 if error else 200)


def find(request: MemberRequest, database: str) -> Subscription:
    """The subscription of this database with its customer; Missing."""
    rows = Subscription.objects.visible_to(request.member).select_related("database")
    found = rows.filter(database__name=database).order_by("id").first()
    if found is None:
        raise Missing(_("There is no subscription of this name."))
    found.customer = request.member.customer
    return found


def page(request: MemberRequest, database: str, fields: QueryDict, *, problem: str = "") -> HttpResponse:
    """The page with the choice that `fields` hold."""
    customer = request.member.customer
    day = today(timezone.now(), customer.seller.zone)
    one = Subscription.objects.visible_to(request.member).filter(database__name=database).order_by("id")
    found = with_items(one, day=day)
    if not found:
        raise Missing(_("There is no subscription of this name."))
    row = found[0]
    complete(row, customer, day)
    context = {
        "subscription": row,
        "groups": in_groups(row["items"], row["currency"]),
        "periods": periods_of(row["id"], day),
        "changes": changes_of(row["id"], row["currency"]) if runs(row, day) else [],
        "today": day,
    } | papers_of(
        row["id"],
        Quotation.objects.visible_to(request.member),
        Order.objects.visible_to(request.member),
        Invoice.objects.visible_to(request.member),
        day=day,
        zone=customer.seller.zone,
    )
    status = 200
    if runs(row, day):
        offered, problem = offer(
            find(request, database), fields, language=request.user.language, now=timezone.now(), problem=problem
        )
        context |= offered
        status = 400 if problem else 200
    return render(request, "billing/my/subscriptions/detail.html", context | {"problem": problem}, status=status)


LESS = {Change.Kind.REMOVE, Change.Kind.END, Change.Kind.DROP}


def changes_of(subscription: int, currency: str) -> list[Change]:
    """The latest changes that were made, newest first: by whom, by which order, `net_minor` more a term."""
    rows = Change.objects.filter(subscription=subscription, state=Change.State.APPLIED)
    rows = rows.select_related("product", "created_by", "order__created_by").order_by("-applied_at", "-id")
    made = list(rows[:SHORT])
    for one in made:
        net = line_net_minor(one.quantity, one.unit_price, one.discount_percent, currency)
        one.net_minor = -net if one.kind in LESS else net  # type: ignore[attr-defined]  # for the page
    return made


urlpatterns = [
    path("subscriptions/", index, name="subscriptions.index"),
    path("subscriptions/<str:database>/", detail, name="subscriptions.detail"),
    path("subscriptions/<str:database>/auto-pay/", auto_pay, name="subscriptions.auto_pay"),
    path("subscriptions/<str:database>/change/", change, name="subscriptions.change"),
    path("subscriptions/<str:database>/leave/", leave, name="subscriptions.leave"),
    path("subscriptions/<str:database>/pause/", pause, name="subscriptions.pause"),
    path("subscriptions/<str:database>/renewal/", renewal, name="subscriptions.renewal"),
    path("subscriptions/<str:database>/preview/", preview, name="subscriptions.preview"),
]
