"""The sandbox: a stand-in for a payment company, for trying the portal and for its tests. It takes no real money.

An app of its own with its own tables: `gateway.py` is the company (checkouts, ledger, signed notices), `pages.py` its
hosted page, `provider.py` the translation that every provider has. The portal knows the company only through the last.
"""
