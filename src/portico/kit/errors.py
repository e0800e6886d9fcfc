"""One family of readable refusals. A face (page, API, command line) turns each into an answer, once.

A message says what is wrong, what it means for money, and what to do, in the reader's language.
"""


class Refusal(Exception):
    """The request cannot be done; nothing has changed.

    `message` is for the person; `status` is the HTTP status a web face answers with.
    """

    status = 400

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Invalid(Refusal):
    """The input is wrong: it names what, and what is allowed."""

    status = 400


class Forbidden(Refusal):
    """The person may see the thing but not do this to it."""

    status = 403


class Missing(Refusal):
    """There is no such thing, or it is somebody else's: the two are never told apart."""

    status = 404


class Conflict(Refusal):
    """The thing has changed meanwhile: already decided, superseded, expired, paid."""

    status = 409


class Unavailable(Refusal):
    """Another party does not answer; what was begun is written down and looked up later."""

    status = 503
