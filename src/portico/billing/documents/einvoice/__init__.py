"""Invoices as data by EN 16931: one dictionary of business terms, written as CII and UBL, checked before and after issue."""
