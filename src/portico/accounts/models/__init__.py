"""Who is who: the seller, its customers, the people, and what happened (ids only)."""

from portico.accounts.models.customer import Customer
from portico.accounts.models.event import Event
from portico.accounts.models.letter import InvoiceRecipient, LetterChoice
from portico.accounts.models.seller import Seller
from portico.accounts.models.user import Membership, User

__all__ = ["Customer", "Event", "InvoiceRecipient", "LetterChoice", "Membership", "Seller", "User"]
