"""The tables of the SQLite ledger, and the migration of files of earlier versions.

Version 0 is what 0.1.0 wrote: the table `jobs`, videos only; version 2 knows who follows a job and
how long it took. Every later column may be absent from
a row that 0.1.0 writes beside us, so all of them are nullable; the columns that 0.1.0 reads are
still filled for it.
"""

import sqlite3
from typing import Final

__all__ = ["VERSION", "NewerLedgerError", "migrate"]

VERSION: Final = 2
"""`PRAGMA user_version` of the files that this version writes."""

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint TEXT NOT NULL,
    state TEXT NOT NULL,
    pid INTEGER NOT NULL,
    pid_started TEXT,
    created_at REAL NOT NULL,
    deadline_at REAL NOT NULL,
    caller_pid INTEGER,
    caller_started TEXT,
    answered_at REAL,
    task_id TEXT,
    api TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt TEXT,
    duration INTEGER,
    resolution TEXT,
    price_usd REAL,
    status TEXT,
    file_id TEXT,
    path TEXT,
    final_reply TEXT
)
"""
_OWNERS: Final = """
CREATE TABLE IF NOT EXISTS owners (
    id TEXT PRIMARY KEY,
    beat_at REAL NOT NULL,
    boot TEXT,
    boot_seconds REAL NOT NULL
)
"""
_COLUMNS_OF_0: Final = {
    "pid_started": "TEXT",
    "caller_pid": "INTEGER",
    "caller_started": "TEXT",
    "answered_at": "REAL",
    "task_id": "TEXT",
    "api": "TEXT",
    "model": "TEXT",
    "prompt": "TEXT",
    "duration": "INTEGER",
    "resolution": "TEXT",
    "price_usd": "REAL",
    "status": "TEXT",
    "file_id": "TEXT",
    "path": "TEXT",
    "final_reply": "TEXT",
}
_COLUMNS_OF_1: Final = {
    "key": "TEXT",
    "kind": "TEXT",
    "request": "TEXT",  # identifies the request without the account; `fingerprint` is with it
    "account": "TEXT",
    "owner": "TEXT",
    "caller": "TEXT",
    "boot": "TEXT",
    "boot_seconds": "REAL",
    "used_at": "REAL",
    "finished_at": "REAL",
    "reply": "TEXT",
    "result": "TEXT",
}
_COLUMNS_OF_2: Final = {
    "follower": "TEXT",  # who follows the job, or was the last to do so
    "last_reply": "TEXT",
    "asked_at": "REAL",
    "took_seconds": "REAL",
}
_INDEXES: Final = (
    "CREATE INDEX IF NOT EXISTS jobs_by_fingerprint ON jobs (fingerprint, created_at)",
    "CREATE INDEX IF NOT EXISTS jobs_by_task ON jobs (task_id)",
    "CREATE UNIQUE INDEX IF NOT EXISTS jobs_by_key ON jobs (key)",
    "CREATE INDEX IF NOT EXISTS jobs_without_key ON jobs (id) WHERE key IS NULL",
    "CREATE INDEX IF NOT EXISTS jobs_by_request ON jobs (request, created_at)",
    "CREATE INDEX IF NOT EXISTS jobs_unsettled ON jobs (id) WHERE state = 'submitting'",
    "CREATE INDEX IF NOT EXISTS jobs_by_caller ON jobs (caller) WHERE caller IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS jobs_by_file ON jobs (file_id) WHERE file_id IS NOT NULL",
    """CREATE INDEX IF NOT EXISTS jobs_by_kind ON jobs
        (COALESCE(kind, 'video'), created_at, id) WHERE state != 'rejected'""",
    """CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs
        (COALESCE(kind, 'video'), status, created_at, id)
        WHERE state != 'rejected' AND status IS NOT NULL""",
    "CREATE INDEX IF NOT EXISTS jobs_by_time ON jobs (created_at, id)",
    "CREATE INDEX IF NOT EXISTS jobs_by_boot ON jobs (boot, boot_seconds)",
    "CREATE INDEX IF NOT EXISTS jobs_open ON jobs (status, created_at) WHERE final_reply IS NULL",
    """CREATE INDEX IF NOT EXISTS jobs_to_save ON jobs (created_at)
        WHERE status = 'completed' AND path IS NULL AND follower IS NOT NULL""",
    """CREATE INDEX IF NOT EXISTS jobs_by_size ON jobs (model, created_at)
        WHERE took_seconds IS NOT NULL""",
)


class NewerLedgerError(Exception):
    """The file was written by a later version of this server."""


def migrate(db: sqlite3.Connection) -> None:
    """Bring a file to this version; a new one gets its tables.

    Raises:
        NewerLedgerError: A later version has written it; it is left alone.
    """
    [version] = db.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise NewerLedgerError
    if version == VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute(_TABLE)
        db.execute(_OWNERS)
        present = {row[1] for row in db.execute("PRAGMA table_info(jobs)")}
        for name, of_type in {**_COLUMNS_OF_0, **_COLUMNS_OF_1, **_COLUMNS_OF_2}.items():
            if name not in present:
                db.execute(f"ALTER TABLE jobs ADD COLUMN {name} {of_type}")
        for statement in _INDEXES:
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
