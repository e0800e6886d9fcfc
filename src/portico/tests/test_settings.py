"""A production process starts only when it is safe, and says what to set when it is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = {
    "PORTICO_RUN": "production",
    "PORTICO_SECRET_KEY": "x4-w8Qz1nLr6uTy3vKe9bHs7dJf5gPa2mCo0iRtEyUqWlZxNkVb3h",
    "PORTICO_BASE_URL": "https://portal.example",
    "PORTICO_TRUSTED_PROXIES": "1",
    "DATABASE_URL": "postgresql://portico:p%40ss@db.example:5433/portico?sslmode=require",
}


def settings(tmp_path: Path, expression: str = "'started'", **changes: str) -> tuple[int, str]:
    """Import the settings in a process of their own; its status and what it said (an empty value unsets)."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PORTICO_", "DATABASE_URL"))
    }
    environment |= {name: value for name, value in (GOOD | changes).items() if value}
    environment["PORTICO_DATA"] = str(tmp_path)
    code = f"import portico.settings as s; print({expression})"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr.strip().rsplit("ImproperlyConfigured: ", 1)[-1]


def test_what_is_safe_starts(tmp_path: Path) -> None:
    assert settings(tmp_path) == (0, "started\n")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"PORTICO_SECRET_KEY": ""}, "PORTICO_SECRET_KEY is not set"),
        ({"PORTICO_SECRET_KEY": "short"}, "PORTICO_SECRET_KEY is too weak"),
        ({"PORTICO_SECRET_KEY": "a" * 60}, "PORTICO_SECRET_KEY is too weak"),
        ({"PORTICO_DEBUG": "1"}, "PORTICO_DEBUG is on"),
        ({"PORTICO_DEBUG": "ja"}, "Set it to 1 or 0"),
        ({"PORTICO_BASE_URL": ""}, "PORTICO_BASE_URL is not set"),
        ({"PORTICO_BASE_URL": "portal.example"}, "PORTICO_BASE_URL is not set"),
        ({"PORTICO_BASE_URL": "https://portal.example/sub"}, "PORTICO_BASE_URL"),
        ({"PORTICO_BASE_URL": "http://portal.example"}, "not https"),
        ({"PORTICO_TRUSTED_PROXIES": ""}, "PORTICO_TRUSTED_PROXIES=1"),
        ({"PORTICO_TRUSTED_PROXIES": "-1"}, "whole number"),
        ({"DATABASE_URL": ""}, "DATABASE_URL is not set"),
        ({"DATABASE_URL": "mysql://db.example/portico"}, "must begin with postgresql://"),
        ({"PORTICO_PROVIDERS": "sandbox"}, "PORTICO_ALLOW_SANDBOX=1"),
        ({"PORTICO_CRASH_POINTS": "orders"}, "PORTICO_CRASH_POINTS lets tests kill this portal. Unset it"),
        ({"PORTICO_PROVIDERS": "sandbox", "PORTICO_ALLOW_SANDBOX": "1"}, "PORTICO_WEBHOOK_SECRET_SANDBOX is missing"),
        ({"PORTICO_PROVIDERS": "paypal"}, "names paypal. Set one or more of bank_transfer, sandbox, stripe,"),
        ({"PORTICO_PROVIDERS": "Stripe"}, "PORTICO_PROVIDERS names Stripe. Set one or more of"),
        ({"PORTICO_PROVIDERS": ","}, "PORTICO_PROVIDERS names none."),
        (
            {"PORTICO_PROVIDERS": "stripe", "PORTICO_STRIPE_KEY": "pk_live_1"},
            "PORTICO_STRIPE_KEY is no restricted or secret key",
        ),
        ({"PORTICO_PROVIDERS": "stripe"}, "PORTICO_WEBHOOK_SECRET_STRIPE is missing"),
        ({"PORTICO_PROVIDERS": "stripe", "PORTICO_WEBHOOK_SECRET_STRIPE": "whsec"}, "at least 16 characters"),
        (
            {"PORTICO_PROVIDERS": "stripe", "PORTICO_WEBHOOK_SECRET_STRIPE": "whsec_0123456789abcdef,whsec"},
            "at least 16 characters",
        ),
        (
            {"PORTICO_PROVIDERS": "stripe", "PORTICO_WEBHOOK_SECRET_STRIPE": "whsec_0123456789abcdef"},
            "PORTICO_STRIPE_KEY is not set",
        ),
        (
            {
                "PORTICO_PROVIDERS": "stripe",
                "PORTICO_WEBHOOK_SECRET_STRIPE": "whsec_0123456789abcdef",
                "PORTICO_STRIPE_KEY": "rk_live_1",
                "PORTICO_STRIPE_ADDRESS": "http://127.0.0.1:8420",
            },
            "PORTICO_STRIPE_ADDRESS points to a stand-in",
        ),
        ({"PORTICO_MAIL_URL": "mail.example"}, "PORTICO_MAIL_URL must look like"),
        ({"PORTICO_MAIL_URL": "mailjet://key@"}, "MAILJET_API_KEY, MAILJET_SECRET_KEY"),
        ({"PORTICO_RUN": "prod"}, "Set it to production or embedded"),
    ],
)
def test_what_is_unsafe_does_not_start_and_says_what_to_set(tmp_path: Path, changes: dict[str, str], says: str) -> None:
    status, said = settings(tmp_path, **changes)
    assert status == 1
    assert says in said


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    _status, said = settings(tmp_path, PORTICO_SECRET_KEY="", PORTICO_BASE_URL="", DATABASE_URL="")
    assert [line.split()[0] for line in said.splitlines()] == ["PORTICO_SECRET_KEY", "PORTICO_BASE_URL", "DATABASE_URL"]


def test_cookies_are_tied_to_the_host_over_https(tmp_path: Path) -> None:
    names = "(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_SECURE, s.SECURE_HSTS_SECONDS)"
    _status, said = settings(tmp_path, names)
    assert said.strip() == "('__Host-portico-session', '__Host-portico-csrf', True, 31536000)"


def test_the_database_is_read_from_its_address(tmp_path: Path) -> None:
    _status, said = settings(
        tmp_path, "[s.DATABASES['default'][k] for k in ('HOST','PORT','USER','PASSWORD','OPTIONS')]"
    )
    assert said.strip() == "['db.example', '5433', 'portico', 'p@ss', {'sslmode': 'require', 'prepare_threshold': 0}]"


def test_only_the_named_hosts_are_served(tmp_path: Path) -> None:
    _status, said = settings(tmp_path, "s.ALLOWED_HOSTS", PORTICO_ALLOWED_HOSTS="10.0.0.5, portal.internal")
    assert said.strip() == "['portal.example', '10.0.0.5', 'portal.internal']"


def test_the_embedded_run_needs_nothing_and_keeps_its_own_secret(tmp_path: Path) -> None:
    unset = dict.fromkeys(GOOD, "")
    status, said = settings(tmp_path, "(len(s.SECRET_KEY) >= 50, s.DEBUG, s.PORTICO_PROVIDERS)", **unset)
    assert (status, said.strip()) == (0, "(True, False, ['sandbox', 'bank_transfer'])")
    (tmp_path / "secret-key").write_text("kept " * 12)
    _status, said = settings(tmp_path, "s.SECRET_KEY", **unset)
    assert said.strip() == ("kept " * 12).strip()


@pytest.mark.parametrize(
    ("url", "means"),
    [
        ("postmark://t%2Fken@", {"POSTMARK_SERVER_TOKEN": "t/ken"}),
        ("mailgun://Key@mg.example", {"MAILGUN_API_KEY": "Key", "MAILGUN_SENDER_DOMAIN": "mg.example"}),
        ("mailjet://key:secret@", {"MAILJET_API_KEY": "key", "MAILJET_SECRET_KEY": "secret"}),
    ],
)
def test_a_mail_service_is_named_by_one_address(tmp_path: Path, url: str, means: dict[str, str]) -> None:
    backend = f"anymail.backends.{url.split(':')[0]}.EmailBackend"
    expression = "(s.EMAIL_BACKEND, s.ANYMAIL)"
    said = settings(tmp_path, expression, PORTICO_MAIL_URL=url)
    assert said == (0, f"{(backend, means | {'REQUESTS_TIMEOUT': 20})}\n")
