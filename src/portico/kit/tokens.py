"""Secrets that open something: made at random, kept only as a hash, compared in constant time."""

import hashlib
import hmac
import secrets


def new_token() -> str:
    """256 random bits, safe in a URL. It is shown once; keep `digest(token)`."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What is kept of a token: 64 hexadecimal digits. A random token needs no salt and no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two secrets are equal, in a time that tells nothing about where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())
