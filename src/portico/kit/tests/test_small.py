"""The small tools: tokens, addresses, fragments, the privacy check."""

from typing import Any

import pytest
from django.db import models
from django.test import RequestFactory
from django.test.utils import isolate_apps

from portico.kit import checks
from portico.kit.addresses import absolute, client_address
from portico.kit.htmx import is_fragment
from portico.kit.privacy import Privacy, undeclared
from portico.kit.tokens import digest, new_token, same


def test_tokens_are_long_different_and_kept_as_a_hash() -> None:
    one, other = new_token(), new_token()
    assert one != other
    assert len(one) >= 43  # 256 bits
    assert digest(one) != one
    assert len(digest(one)) == 64
    assert same(digest(one), digest(one))
    assert not same(digest(one), digest(other))


def test_absolute_addresses_come_from_the_setting_alone(settings: Any) -> None:
    settings.PORTICO_BASE_URL = "https://portal.example"
    assert absolute("/my/quotations/S00042/") == "https://portal.example/my/quotations/S00042/"
    for path in ("//evil.example/", "https://evil.example/", "my/"):
        with pytest.raises(ValueError, match="one slash"):
            absolute(path)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "seen"),
    [
        (0, "198.51.100.7", "127.0.0.1"),
        (1, "198.51.100.7", "198.51.100.7"),
        (1, "1.1.1.1, 198.51.100.7", "198.51.100.7"),
        (2, "1.1.1.1, 198.51.100.7, 10.0.0.1", "198.51.100.7"),
        (2, "10.0.0.1", "10.0.0.1"),
        (1, "", "127.0.0.1"),
    ],
)
def test_a_forwarded_address_counts_only_as_far_as_we_trust(
    settings: Any, proxies: int, forwarded: str, seen: str
) -> None:
    settings.PORTICO_TRUSTED_PROXIES = proxies
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    assert client_address(RequestFactory().get("/", headers=headers)) == seen


@pytest.mark.parametrize(
    ("headers", "fragment"),
    [
        ({}, False),
        ({"HX-Request": "true"}, True),
        ({"HX-Request": "true", "HX-Boosted": "true"}, False),
        ({"HX-Request": "true", "HX-History-Restore-Request": "true"}, False),
        ({"HX-Request": "true", "HX-Request-Type": "full"}, False),
    ],
)
def test_a_fragment_is_what_htmx_asks_for(headers: dict[str, str], fragment: bool) -> None:
    assert is_fragment(RequestFactory().get("/", headers=headers)) is fragment


@isolate_apps("portico.kit")
def test_a_field_without_a_privacy_class_is_found() -> None:
    class Person(models.Model):
        privacy = {Privacy.NONE: "id gone", Privacy.IDENTITY: "name name"}
        name = models.CharField(max_length=10)
        phone = models.CharField(max_length=10)

        class Meta:
            app_label = "kit"

        def __str__(self) -> str:
            return self.name

    assert undeclared([Person]) == [
        "kit.Person.phone: no privacy class",
        "kit.Person.gone: no such field",
        "kit.Person.name: declared twice",
    ]


def test_every_field_of_ours_is_declared() -> None:
    assert checks.privacy_declared(None) == []
