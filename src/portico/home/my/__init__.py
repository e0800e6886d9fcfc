"""The customer's start page."""
