"""What the worker tidies up for the accounts."""

from datetime import datetime

from portico.accounts.api_keys import forget_answers
from portico.kit.jobs import sweep


@sweep(every=600)
def kept_answers(now: datetime) -> int:
    """Answers of the API that nobody can ask for again."""
    return forget_answers(now)
