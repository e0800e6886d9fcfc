"""Django's PostgreSQL backend, quicker where a page feels it."""
