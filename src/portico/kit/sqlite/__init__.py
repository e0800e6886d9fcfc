"""Django's SQLite backend, quicker where a page feels it."""
