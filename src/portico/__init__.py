"""Portico, the customer portal of a software company."""
