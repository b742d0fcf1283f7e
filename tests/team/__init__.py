"""Team mode: the ledger in PostgreSQL, accounts, HTTP, the object store, workers."""
