"""Every setting, from the environment, with defaults that are safe for the embedded run.

`PORTICO_RUN` says what this process is: `production` (`./portico serve`, `./portico worker`, portico.wsgi) refuses to start
when something unsafe is set or something needed is not; `embedded` (`./portico demo`, and `./portico manage` without a
configuration) keeps all it needs in one data directory; `test` is pytest's. docs/operate/deploy.md lists every variable.
"""

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from portico.kit.catalogues import compile_changed

SOURCE = Path(__file__).resolve().parent
CHECKOUT = SOURCE.parent.parent


def text(name: str, default: str = "") -> str:
    """The variable's value without surrounding blanks, or `default` when it is unset or empty."""
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool = False) -> bool:
    """A switch: 1/true/yes/on or 0/false/no/off; anything else is refused, so that a typing error is seen."""
    value = text(name).lower()
    if value in {"", "1", "true", "yes", "on", "0", "false", "no", "off"}:
        return value in {"1", "true", "yes", "on"} if value else default
    raise ImproperlyConfigured(f"{name} is {value!r}. Set it to 1 or 0.")


def number(name: str, default: int) -> int:
    """A whole number, not negative."""
    value = text(name, str(default))
    if not value.isascii() or not value.isdigit():
        raise ImproperlyConfigured(f"{name} is {value!r}. Set it to a whole number.")
    return int(value)


def words(name: str, default: str = "") -> list[str]:
    """A list, separated by commas."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


# What this process is ------------------------------------------------------------------------------------------------

RUN = text("PORTICO_RUN", "embedded")
if RUN not in {"production", "embedded", "test"}:
    raise ImproperlyConfigured(f"PORTICO_RUN is {RUN!r}. Set it to production or embedded.")
PRODUCTION = RUN == "production"
DEBUG = flag("PORTICO_DEBUG")
PORTICO_DATA = Path(text("PORTICO_DATA", str(CHECKOUT / "var" / ("production" if PRODUCTION else "demo")))).absolute()
PORTICO_ERASURES = Path(text("PORTICO_ERASURES", str(PORTICO_DATA / "erasures.jsonl"))).absolute()
PORTICO_FILES = Path(text("PORTICO_FILES", str(PORTICO_DATA / "files"))).absolute()


def secret(name: str, file: str) -> str:
    """A secret: the variable; embedded, the file that `./portico demo` made, else one that lasts as long as the process."""
    value = text(name)
    if value or PRODUCTION:
        return value
    kept = PORTICO_DATA / file
    return kept.read_text().strip() if kept.is_file() else secrets.token_urlsafe(48)


SECRET_KEY = secret("PORTICO_SECRET_KEY", "secret-key")
SECRET_KEY_FALLBACKS = words("PORTICO_SECRET_KEY_FALLBACKS")

# Where it is reached -------------------------------------------------------------------------------------------------

PORTICO_BASE_URL = text("PORTICO_BASE_URL", "" if PRODUCTION else "http://localhost:8000").rstrip("/")
_base = urlsplit(PORTICO_BASE_URL)
HTTPS = _base.scheme == "https"
ALLOWED_HOSTS = [*([_base.hostname] if _base.hostname else []), *words("PORTICO_ALLOWED_HOSTS")]
if not PRODUCTION:
    ALLOWED_HOSTS += ["localhost", "127.0.0.1", "[::1]", "testserver"]
CSRF_TRUSTED_ORIGINS = [PORTICO_BASE_URL] if _base.hostname else []

# X-Forwarded-For and X-Forwarded-Proto are believed only from the last N proxies; 0 ignores them.
PORTICO_TRUSTED_PROXIES = number("PORTICO_TRUSTED_PROXIES", 0)
ALLAUTH_TRUSTED_PROXY_COUNT = PORTICO_TRUSTED_PROXIES
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PORTICO_TRUSTED_PROXIES else None
USE_X_FORWARDED_HOST = False
PORTICO_METRICS_FROM = words("PORTICO_METRICS_FROM", "127.0.0.1,::1")

# Apps and the way of a request ---------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # the look of /staff/admin/; before the admin, whose templates it replaces
    "django.contrib.admin.apps.SimpleAdminConfig",  # nothing registers itself: portico.home.admin says what is there
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "portico.kit",
    "portico.accounts",
    "portico.billing",
    "portico.billing.providers.sandbox",  # a payment company to try things with; unused unless PORTICO_PROVIDERS names it
    "portico.conversation",
    "portico.privacy",
    "portico.home",
]
if text("DATABASE_URL").startswith("postgres"):
    INSTALLED_APPS.append("procrastinate.contrib.django")  # the tables of the queue (portico.kit.queue)
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = ""
MIDDLEWARE = [
    "portico.kit.logs.RequestLog",
    "portico.kit.headers.Headers",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portico.kit.language.Language",
    "django.contrib.messages.middleware.MessageMiddleware",
    "portico.accounts.sessions.SessionLimits",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "portico.kit.refusals.Refusals",
    "portico.kit.text.NoNulls",
]
ROOT_URLCONF = "portico.urls"
WSGI_APPLICATION = "portico.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

_context = [
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
]
TEMPLATES = [
    {
        "NAME": "jinja2",
        "BACKEND": "portico.jinja.Backend",
        "DIRS": [
            SOURCE / app / "templates" for app in ("home", "privacy", "conversation", "billing", "accounts", "kit")
        ],
        "APP_DIRS": False,
        "OPTIONS": {
            "context_processors": [
                "django.contrib.messages.context_processors.messages",
                "portico.accounts.context.seller",
                "portico.accounts.context.csrf",
                "portico.billing.my.nav.nav",
            ],
        },
    },
    {  # for allauth's pages and the admin
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [SOURCE / "accounts" / "django_templates"],
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": _context},
    },
]

# Data ----------------------------------------------------------------------------------------------------------------


def plans_after(wanted: str) -> int | None:
    """How often a statement is asked before its plan is kept; None for never."""
    return None if wanted == "none" else int(wanted)


def database(url: str) -> dict[str, Any]:
    """Django's description of the database at `url`: `sqlite:///path` or `postgresql://user:password@host:port/name?…`."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "portico.kit.sqlite",
            "NAME": "/" + unquote(parts.path).lstrip("/"),
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "timeout": 20,
                "transaction_mode": "IMMEDIATE",
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON; "
                    "PRAGMA mmap_size=268435456; PRAGMA cache_size=-16000"
                ),
            },
        }
    if parts.scheme in {"postgresql", "postgres"}:
        options = dict(parse_qsl(parts.query))
        return {
            "ENGINE": "portico.kit.postgresql",
            "NAME": unquote(parts.path.lstrip("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": options.pop("host", "") or parts.hostname or "",
            "PORT": str(options.pop("port", "") or parts.port or ""),
            "CONN_MAX_AGE": None,
            "CONN_HEALTH_CHECKS": True,
            # What every page asks is planned once a connection (kit.postgresql); a pooler that hands out another connection
            # for each transaction asks for ?prepare_threshold=none.
            "OPTIONS": options | {"prepare_threshold": plans_after(options.get("prepare_threshold", "0"))},
        }
    raise ImproperlyConfigured(
        "DATABASE_URL must begin with postgresql:// or sqlite:///, e.g. postgresql://portico:password@db.example/portico"
    )


DATABASE_URL = text("DATABASE_URL", f"sqlite://{quote(str(PORTICO_DATA / 'portico.sqlite3'))}")
DATABASES = {"default": database(DATABASE_URL)}
if RUN == "test" and DATABASE_URL.startswith("sqlite:"):
    DATABASES["default"]["TEST"] = {
        "NAME": str(PORTICO_DATA / "test.sqlite3")
    }  # a file: threads share it as in real life

SESSION_ENGINE = "portico.kit.session_store"
CACHES = {
    "default": (
        # Shared by all processes: allauth's rate limits live here. The table comes with kit's migrations.
        {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "kit_cacheentry"}
        if PRODUCTION
        else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    )
}

# Languages and time --------------------------------------------------------------------------------------------------

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("fr", "Français"), ("de", "Deutsch")]
LOCALE_PATHS = [SOURCE / "locale"]
compile_changed(LOCALE_PATHS[0])

# Static files --------------------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
# Collected by `./portico serve`; otherwise they are served from where they lie.
STATIC_ROOT = Path(text("PORTICO_STATIC", str(PORTICO_DATA / "static"))).absolute() if PRODUCTION else None
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "whitenoise.storage.CompressedManifestStaticFilesStorage"
            if PRODUCTION
            else "django.contrib.staticfiles.storage.StaticFilesStorage"
        )
    },
}
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_KEEP_ONLY_HASHED_FILES = True

# Signing in ----------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["portico.accounts.backend.Backend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [  # NIST 800-63B: length and a list of common ones, no composition rules
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "portico.accounts.adapter.Adapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # customers are invited by mail; a new address is verified when it is changed
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_EMAIL_NOTIFICATIONS = True  # a mail to the old address when a credential changes
ACCOUNT_SESSION_REMEMBER = None
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
PASSWORD_RESET_TIMEOUT = 60 * 60 * 24

# Cookies and headers -------------------------------------------------------------------------------------------------

SESSION_COOKIE_NAME = "__Host-portico-session" if HTTPS else "portico-session"
SESSION_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 60 * 60 * 24 * 14  # altogether, see portico.accounts.sessions
PORTICO_SESSION_IDLE_HOURS = number("PORTICO_SESSION_IDLE_HOURS", 72)
PORTICO_STAFF_SESSION_IDLE_HOURS = number("PORTICO_STAFF_SESSION_IDLE_HOURS", 12)
CSRF_FAILURE_VIEW = "portico.kit.refusals.csrf_failure"
CSRF_COOKIE_NAME = "__Host-portico-csrf" if HTTPS else "portico-csrf"
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_NAME = "__Host-portico-language" if HTTPS else "portico-language"
LANGUAGE_COOKIE_SECURE = HTTPS
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = flag("PORTICO_HSTS_SUBDOMAINS")
SECURE_HSTS_PRELOAD = False
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # the portal is one host of a domain that is not ours: its other hosts are not ours to force
    "security.W021",  # so is preloading
]
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000

# Mail ----------------------------------------------------------------------------------------------------------------


MAIL_SERVICES = {  # what django-anymail calls the key, the secret and the domain of each
    "brevo": ("BREVO_API_KEY", "", ""),
    "mailersend": ("MAILERSEND_API_TOKEN", "", ""),
    "mailgun": ("MAILGUN_API_KEY", "", "MAILGUN_SENDER_DOMAIN"),
    "mailjet": ("MAILJET_API_KEY", "MAILJET_SECRET_KEY", ""),
    "postmark": ("POSTMARK_SERVER_TOKEN", "", ""),
    "resend": ("RESEND_API_KEY", "", ""),
    "sendgrid": ("SENDGRID_API_KEY", "", ""),
    "sparkpost": ("SPARKPOST_API_KEY", "", ""),
}


def mail(url: str) -> dict[str, Any]:
    """Django's mail settings for `smtp://user:password@host:port` (STARTTLS), `smtps://…` (TLS), `smtp://localhost`, or a
    service that is spoken to over HTTPS: `postmark://token@`, `mailgun://key@mg.example.com`, `mailjet://key:secret@`.
    """
    parts = urlsplit(url)
    if parts.scheme in MAIL_SERVICES:
        given = (parts.username, parts.password, parts.hostname)
        named = {
            name: unquote(value or "") for name, value in zip(MAIL_SERVICES[parts.scheme], given, strict=True) if name
        }
        if not all(named.values()):
            raise ImproperlyConfigured(
                f"PORTICO_MAIL_URL for {parts.scheme} must hold {', '.join(named)}: {parts.scheme}://key:secret@domain, "
                "each only where the service has it."
            )
        backend = f"anymail.backends.{parts.scheme}.EmailBackend"
        return {"EMAIL_BACKEND": backend, "ANYMAIL": named | {"REQUESTS_TIMEOUT": 20}}
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise ImproperlyConfigured(
            "PORTICO_MAIL_URL must look like smtp://user:password@mail.example:587 or smtps://…:465"
        )
    local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if parts.scheme == "smtps" else 25 if local else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_USE_TLS": parts.scheme == "smtp" and not local,
        "EMAIL_TIMEOUT": 20,
    }


PORTICO_MAIL_URL = text("PORTICO_MAIL_URL", "smtp://localhost" if PRODUCTION else "")
if PORTICO_MAIL_URL:
    globals().update(mail(PORTICO_MAIL_URL))
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = str(PORTICO_DATA / "mail")
DEFAULT_FROM_EMAIL = text("PORTICO_MAIL_FROM", f"portico@{_base.hostname or 'localhost'}")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# Payment providers ---------------------------------------------------------------------------------------------------

# The official rules of e-invoices, asked in a child process of the worker; without, the XML schemas alone.
PORTICO_EINVOICE_RULES = flag("PORTICO_EINVOICE_RULES", RUN != "test")
PORTICO_PROVIDERS = words("PORTICO_PROVIDERS", "bank_transfer" if PRODUCTION else "sandbox,bank_transfer")
# Each provider's notices are signed with PORTICO_WEBHOOK_SECRET_<PROVIDER>; bank_transfer has none.
PORTICO_WEBHOOK_SECRETS = {
    name: secret(f"PORTICO_WEBHOOK_SECRET_{name.upper()}", f"webhook-secret-{name}")
    for name in PORTICO_PROVIDERS
    if name != "bank_transfer"
}

# Outgoing webhooks go to these ports of public addresses; to this machine, without TLS too, only where that is asked for.
PORTICO_HOOK_PORTS = [int(port) for port in words("PORTICO_HOOK_PORTS", "443,8443") if port.isdigit()]
PORTICO_HOOK_LOOPBACK = flag("PORTICO_HOOK_LOOPBACK")

# Stripe (docs/operate/stripe.md): a restricted key; its account, where notices of others must not count; another address of
# its API, for a stand-in on this machine. PORTICO_WEBHOOK_SECRET_STRIPE takes two secrets, separated by a comma.
PORTICO_STRIPE_KEY = text("PORTICO_STRIPE_KEY")
PORTICO_STRIPE_ACCOUNT = text("PORTICO_STRIPE_ACCOUNT")
PORTICO_STRIPE_ADDRESS = text("PORTICO_STRIPE_ADDRESS").rstrip("/")

# Work ----------------------------------------------------------------------------------------------------------------

# Fault tests alone: a directory of orders to die at a named moment (portico.kit.crash).
PORTICO_CRASH_POINTS = text("PORTICO_CRASH_POINTS")
PORTICO_PROCESSES = number("PORTICO_PROCESSES", os.cpu_count() or 1)
PORTICO_HEARTBEAT_SECONDS = 30
_queues = DATABASES["default"]["ENGINE"] == "portico.kit.postgresql"
PORTICO_WORKER = text("PORTICO_WORKER", "queue" if _queues else "loop")
if PORTICO_WORKER not in ({"queue", "loop"} if _queues else {"loop"}):
    raise ImproperlyConfigured(
        f"PORTICO_WORKER is {PORTICO_WORKER!r}. Set it to loop, or on PostgreSQL to queue for many workers."
    )
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "portico.kit.logs.JSONFormatter"},
        "plain": {"format": "%(levelname)s %(name)s %(message)s"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json" if PRODUCTION else "plain"}},
    "root": {
        "handlers": ["stderr"],
        "level": text("PORTICO_LOG_LEVEL", "INFO" if PRODUCTION else "WARNING").upper(),
    },
    "loggers": {
        "procrastinate": {"level": "WARNING"},  # a line for each job otherwise
        "django": {"handlers": [], "level": "NOTSET"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},  # strangers knock with any name they like
        "django.request": {"level": "ERROR"},  # portico.request tells the status of every answer
    },
}


def refuse_unsafe() -> None:
    """Production starts only with what it needs, set safely; each message says what to set."""
    faults: list[str] = []
    if DEBUG:
        faults.append("PORTICO_DEBUG is on: it shows the source to everyone. Unset it.")
    if not SECRET_KEY:
        faults.append("PORTICO_SECRET_KEY is not set. Set it to at least 50 random characters: openssl rand -base64 48")
    elif len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 12:
        faults.append(
            "PORTICO_SECRET_KEY is too weak. Set it to at least 50 random characters: openssl rand -base64 48"
        )
    if not _base.hostname or _base.scheme not in {"https", "http"} or _base.path or _base.query:
        faults.append("PORTICO_BASE_URL is not set. Set it to the address people type, e.g. https://portal.example.com")
    elif not HTTPS and _base.hostname not in {"localhost", "127.0.0.1", "::1"} and not flag("PORTICO_ALLOW_HTTP"):
        faults.append(
            "PORTICO_BASE_URL is not https. Set an https:// address (or PORTICO_ALLOW_HTTP=1 in a closed network)."
        )
    elif HTTPS and not PORTICO_TRUSTED_PROXIES:
        faults.append(
            "PORTICO_BASE_URL is https, which a proxy speaks for us: set PORTICO_TRUSTED_PROXIES=1 (how many there are), and "
            "let the proxy set X-Forwarded-Proto and X-Forwarded-For itself."
        )
    if not text("DATABASE_URL"):
        faults.append("DATABASE_URL is not set. Set it, e.g. postgresql://portico:password@db.example/portico")
    there_are = sorted(path.parent.name for path in Path(__file__).parent.glob("billing/providers/*/provider.py"))
    strangers = [name for name in PORTICO_PROVIDERS if name not in there_are]
    if strangers or not PORTICO_PROVIDERS:
        named = f"names {', '.join(strangers)}" if strangers else "names none"
        faults.append(f"PORTICO_PROVIDERS {named}. Set one or more of {', '.join(there_are)}, separated by commas.")
    if "sandbox" in PORTICO_PROVIDERS and not flag("PORTICO_ALLOW_SANDBOX"):
        faults.append(
            "PORTICO_PROVIDERS names sandbox, which takes no real money. Remove it (or set PORTICO_ALLOW_SANDBOX=1)."
        )
    if PORTICO_CRASH_POINTS and not flag("PORTICO_ALLOW_SANDBOX"):
        faults.append(
            "PORTICO_CRASH_POINTS lets tests kill this portal. Unset it (or, where no real money flows, set "
            "PORTICO_ALLOW_SANDBOX=1)."
        )
    if "stripe" in PORTICO_PROVIDERS:
        if not PORTICO_STRIPE_KEY.startswith(("rk_", "sk_")):
            what = "is no restricted or secret key" if PORTICO_STRIPE_KEY else "is not set"
            faults.append(f"PORTICO_STRIPE_KEY {what}. Set a restricted key of your account at Stripe, rk_live_…")
        if PORTICO_STRIPE_ADDRESS and not flag("PORTICO_ALLOW_SANDBOX"):
            faults.append(
                "PORTICO_STRIPE_ADDRESS points to a stand-in for Stripe. Unset it (or set PORTICO_ALLOW_SANDBOX=1)."
            )
    for name, value in PORTICO_WEBHOOK_SECRETS.items():
        if name not in strangers and any(len(one.strip()) < 16 for one in value.split(",")):
            faults.append(
                f"PORTICO_WEBHOOK_SECRET_{name.upper()} is missing or short: anybody could report a payment. "
                "Set the provider's signing secret, at least 16 characters."
            )
    if faults:
        raise ImproperlyConfigured("\n".join(faults))


if PRODUCTION:
    refuse_unsafe()
