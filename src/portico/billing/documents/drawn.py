"""The paper of an open quotation, drawn before anybody accepts it: accepting then stores nothing but what it is called.

Its key says from what it was drawn: the sheet, the seller's colour and logo, the templates. The evidence of an acceptance takes
the paper only where the key is the one of the sheet that is accepted; otherwise (other options were chosen, an address changed,
the worker has not come yet) it is drawn then.
"""

import hashlib
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal

from django.db import DatabaseError, transaction

from portico.accounts.models import Seller, User
from portico.billing.documents.build import quotation_sheet
from portico.billing.documents.render import made_with, render_pdf
from portico.billing.documents.sheet import Sheet
from portico.billing.documents.wording import wording
from portico.billing.models import QuotationVersion
from portico.kit import files

BATCH = 20
LEFT_OVER = 200
NAMED = ("quotation__seller", "quotation__customer", "quotation__contact", "quotation__salesperson")
"""Whom a paper names."""
logger = logging.getLogger("portico.documents")


def key_of(sheet: Sheet, seller: Seller) -> str:
    """What a paper is drawn from, as a hash: two sheets with the same key give the same bytes. A release may word the same
    sheet otherwise, so the words count too."""
    drawn_from = repr((sheet, wording(sheet), seller.accent, seller.logo, made_with()))
    return hashlib.sha256(drawn_from.encode()).hexdigest()


def paper_of(version: QuotationVersion, choices: Mapping[int, Decimal], *, now: datetime) -> files.StoredFile:
    """The paper of a version with these choices, stored: the one drawn ahead if it is the same, else drawn now.

    `version` comes with its quotation, seller, customer and `paper`; call it outside a transaction.
    """
    sheet = quotation_sheet(version, choices, now=now)
    seller = version.quotation.seller
    if version.paper is not None and version.paper_key == key_of(sheet, seller):
        with suppress(files.DamagedFile):  # else it is drawn, which puts the bytes back
            version.paper.read()
            return version.paper
    return files.store(render_pdf(sheet, accent=seller.accent, logo=seller.logo), "application/pdf")


def draw_due(*, now: datetime) -> int:
    """Draw the papers of open quotations that a customer has opened; how many. What cannot be drawn is not tried again."""
    rows = QuotationVersion.objects.to_draw().select_related(*NAMED)
    found = list(rows.order_by("id")[:BATCH])
    for version in found:
        try:
            sheet, seller = quotation_sheet(version, {}, now=now), version.quotation.seller
            content = render_pdf(sheet, accent=seller.accent, logo=seller.logo)
        except (DatabaseError, OSError):
            raise  # the database or the disk is away, and with it everything: the sweep is tried again
        except Exception:  # one paper stops no other
            logger.exception("a quotation could not be drawn ahead", extra={"version": version.pk})
            version.keep_paper(None, QuotationVersion.CANNOT_BE_DRAWN)
        else:
            paper = files.store(content, "application/pdf")
            if not _kept(version, paper, key_of(sheet, seller), now=now):
                files.drop([paper.pk])
    return len(found)


def drop_left_over() -> int:
    """Delete what was drawn ahead of versions that are over without an order: nobody accepts them; how many they were."""
    found = list(QuotationVersion.objects.left_over().order_by("id")[:LEFT_OVER])
    for version in found:
        if version.let_go_of_paper():
            files.drop([version.paper_id] if version.paper_id else [])
    return len(found)


def _kept(version: QuotationVersion, paper: files.StoredFile, key: str, *, now: datetime) -> bool:
    """Keep a paper if it is still the one that would be drawn. Whom it names is locked meanwhile: who is erased while their
    name is being drawn is on no paper afterwards."""
    named = (version.quotation.contact_id, version.quotation.salesperson_id)
    people = [key for key in named if key is not None]
    with transaction.atomic():
        list(User.objects.select_for_update(no_key=True).filter(pk__in=people).order_by("pk"))
        fresh = QuotationVersion.objects.select_related(*NAMED).get(pk=version.pk)
        same = key == key_of(quotation_sheet(fresh, {}, now=now), fresh.quotation.seller)
        if same:
            fresh.keep_paper(paper, key)
    return same
