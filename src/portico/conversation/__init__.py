"""A thread on each quotation, order, invoice and subscription."""
