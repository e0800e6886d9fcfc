"""`./portico check`: what must hold before a change is handed over, two steps at a time."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from portico.commands import CHECKOUT
from portico.commands.markup import faults as markup_faults
from portico.commands.markup import pages
from portico.commands.messages import faults as message_faults

TOOLS = Path(sys.executable).parent
DJANGO = [sys.executable, "-m", "django"]


@dataclass(frozen=True)
class Step:
    """One check: a program to run (exit 0 is well), or a function that returns faults."""

    name: str
    command: list[str] | None = None
    function: Callable[[], list[str]] | None = None
    production: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a step went."""

    step: Step
    ok: bool
    seconds: float
    output: str


def steps() -> list[Step]:
    """All checks, the slow ones first."""
    tool = {name: str(TOOLS / name) for name in ("mypy", "ruff", "lint-imports", "djlint")}
    templates = [str(page) for page in pages()]
    return [
        Step("types (mypy, strict)", [tool["mypy"]]),
        Step("templates (djlint)", [tool["djlint"], "--lint", "--quiet", *templates] if templates else None),
        Step(
            "settings for production, privacy classes",
            [*DJANGO, "check", "--deploy", "--fail-level", "WARNING"],
            None,
            True,
        ),
        Step("migrations in step with models", [*DJANGO, "makemigrations", "--check", "--dry-run"]),
        Step("imports go one way", [tool["lint-imports"], "--no-cache"]),
        Step("lint (ruff)", [tool["ruff"], "check", "--quiet"]),
        Step("format (ruff)", [tool["ruff"], "format", "--check", "--quiet", "--diff"]),
        Step("templates: nothing inline", None, markup_faults),
        Step("translations: all there, none broken", None, message_faults),
        Step("the command's shell script", ["sh", "-n", "portico"]),
    ]


def run(options: argparse.Namespace) -> int:
    """Run all steps, tell each; 1 if any failed."""
    with ThreadPoolExecutor(max_workers=2) as workers:
        waiting = [workers.submit(taken, step) for step in steps()]
        outcomes = []
        for done in as_completed(waiting):
            outcome = done.result()
            outcomes.append(outcome)
            print(f"{'ok    ' if outcome.ok else 'FAILED'}  {outcome.seconds:5.1f} s  {outcome.step.name}", flush=True)
    failed = [outcome for outcome in outcomes if not outcome.ok]
    for outcome in failed:
        print(f"\n--- {outcome.step.name}\n{outcome.output.strip()}")
    print(f"\n{len(outcomes) - len(failed)} checks ok, {len(failed)} failed")
    return 1 if failed else 0


def taken(step: Step) -> Outcome:
    """Run one step and keep what it says."""
    started = time.monotonic()
    if step.function is not None:
        found = step.function()
        return Outcome(step, not found, time.monotonic() - started, "\n".join(found))
    if step.command is None:  # nothing to look at yet
        return Outcome(step, True, 0.0, "")
    with tempfile.TemporaryDirectory() as data:
        done = subprocess.run(
            step.command, cwd=CHECKOUT, env=environment(step, data), capture_output=True, text=True, check=False
        )
    return Outcome(step, done.returncode == 0, time.monotonic() - started, done.stdout + done.stderr)


def environment(step: Step, data: str) -> dict[str, str]:
    """What a step sees: nothing of ours from outside; for `--deploy`, what a production installation sets."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PORTICO_", "DATABASE_URL"))}
    kept |= {"DJANGO_SETTINGS_MODULE": "portico.settings", "PORTICO_DATA": data, "NO_COLOR": "1"}
    if step.production:
        kept |= {
            "PORTICO_RUN": "production",
            "PORTICO_SECRET_KEY": "x4-w8Qz1nLr6uTy3vKe9bHs7dJf5gPa2mCo0iRtEyUqWlZxNkVb3h",
            "PORTICO_BASE_URL": "https://portal.example",
            "PORTICO_TRUSTED_PROXIES": "1",
            "DATABASE_URL": f"sqlite://{data}/check.sqlite3",
        }
    return kept
