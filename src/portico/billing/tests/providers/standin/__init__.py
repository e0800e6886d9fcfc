"""A stand-in for Stripe on loopback, for tests and for trying things out: in memory, no Django, no real money.

`company.py` is what Stripe does, `shapes.py` which parameters it takes, `server.py` its API and hosted pages over HTTP. Alone:

    PYTHONPATH=src .venv/bin/python -m portico.billing.tests.providers.standin --port 8420 --notices http://localhost:8000
"""
