"""The commands behind `./portico`, one module each: `run(options) -> exit status`."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]


class Stop(Exception):
    """A command cannot go on; the message says what to do about it, one line a fault."""

    def __init__(self, message: str, status: int = 2) -> None:
        super().__init__(message)
        self.status = status


def production() -> None:
    """This process is part of the real thing: settings refuse what is unsafe."""
    os.environ["PORTICO_RUN"] = "production"
    os.environ["DJANGO_SETTINGS_MODULE"] = "portico.settings"


def embedded(data: Path, address: str = "") -> None:
    """This process works on the data directory of a demo, and on nothing else that the environment may name."""
    kept = {"PORTICO_DEBUG", "PORTICO_LOG_LEVEL"}
    for name in [name for name in os.environ if name.startswith("PORTICO_") and name not in kept]:
        del os.environ[name]
    os.environ.pop("DATABASE_URL", None)
    os.environ |= {"PORTICO_RUN": "embedded", "PORTICO_DATA": str(data.absolute())}
    os.environ["DJANGO_SETTINGS_MODULE"] = "portico.settings"
    if address:
        os.environ["PORTICO_BASE_URL"] = address


def configured() -> None:
    """As the environment says: production when it names a database or a secret key, else the demo in var/demo."""
    if os.environ.get("DATABASE_URL") or os.environ.get("PORTICO_SECRET_KEY"):
        production()
    else:
        embedded(CHECKOUT / "var" / "demo")
