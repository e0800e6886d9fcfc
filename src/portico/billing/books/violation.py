"""What a check finds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    """One rule that does not hold: for which document, which rule, and what was found."""

    document: str
    invariant: str
    message: str

    def __str__(self) -> str:
        return f"{self.document}: {self.message} [{self.invariant}]"
