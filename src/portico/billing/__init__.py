"""The money's whole way: catalogue, quotation, order, invoice, payment, subscription."""
