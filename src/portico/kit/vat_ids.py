"""VAT identification numbers: format and check digits of every country that has them."""

import re

from django.utils.translation import gettext as _
from stdnum import get_cc_module
from stdnum.exceptions import ValidationError

from portico.kit.errors import Invalid


def check_vat_id(text: str) -> str:
    """A VAT id in its compact form with its country's letters, checked for format and checksum; Invalid otherwise.

    Greece is EL, as VIES and EN 16931 write it (BR-CO-09). EU and IM, which are no company's own number, are refused.
    """
    compact = re.sub(r"[\s./-]", "", text).upper()
    prefix = "EL" if compact[:2] == "GR" else compact[:2]
    module = None
    if re.fullmatch(r"[A-Z]{2}[A-Z0-9+*]{2,16}", compact) and prefix not in {"EU", "IM"}:
        module = get_cc_module({"EL": "gr", "XI": "gb"}.get(prefix, prefix.lower()), "vat")
    try:
        if module is None:
            raise ValidationError
        number = str(module.validate(compact))
    except ValidationError:
        raise Invalid(_("%(id)s is not a valid VAT id. Check it for a typing error.") % {"id": compact[:20]}) from None
    return number if number == compact else prefix + number  # most modules strip the letters, some keep them
