"""Who is who: the seller, its customers, the people, and what happened (ids only)."""

from portico.accounts.models.api_key import SCOPES, ApiKey, ApiUse, KeptAnswer
from portico.accounts.models.customer import Customer
from portico.accounts.models.event import Actor, Event, events_together, person
from portico.accounts.models.identity import IdentityRequest
from portico.accounts.models.letter import InvoiceRecipient, LetterChoice
from portico.accounts.models.seller import Seller
from portico.accounts.models.user import Membership, User

__all__ = [
    "SCOPES",
    "Actor",
    "ApiKey",
    "ApiUse",
    "Customer",
    "Event",
    "IdentityRequest",
    "InvoiceRecipient",
    "KeptAnswer",
    "LetterChoice",
    "Membership",
    "Seller",
    "User",
    "events_together",
    "person",
]
