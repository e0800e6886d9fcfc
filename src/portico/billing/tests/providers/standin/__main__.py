"""The stand-in by itself: `--port` of its API and pages, `--notices` the portal it tells what happens."""

import argparse
import os
import time

from portico.billing.tests.providers.standin.company import Company, Delivery
from portico.billing.tests.providers.standin.server import running, send


def main() -> None:
    """Serve until it is stopped; debits arrive after ten seconds."""
    parser = argparse.ArgumentParser(description="A stand-in for Stripe on loopback.")
    parser.add_argument("--port", type=int, default=8420)
    parser.add_argument("--notices", default="http://localhost:8000", help="the portal's address")
    options = parser.parse_args()
    secret = os.environ.get("PORTICO_WEBHOOK_SECRET_STRIPE", "whsec_standin_for_trying_things")
    with running(Company(), options.port) as company:
        print(f"{company.address}, key {company.key}")
        while True:
            time.sleep(1)
            late = [one["id"] for one in company.all_of("payment_intent") if one["created"] < time.time() - 10]
            with company.lock:
                for key in late:
                    company.settle_debit(key)
                for refund in company.all_of("refund"):
                    company.settle_refund(refund["id"])
            send(company, options.notices, Delivery(secret))


if __name__ == "__main__":
    main()
