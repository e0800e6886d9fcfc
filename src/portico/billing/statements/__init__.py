"""Bank statements as banks write them, turned into movements: `camt` reads ISO 20022, `table` CSV. It saves nothing."""
