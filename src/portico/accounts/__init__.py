"""Seller, customers, people, roles, history, sign-in."""
