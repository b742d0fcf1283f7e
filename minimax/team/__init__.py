"""One deployment for a team: streamable HTTP, PostgreSQL, an object store; see docs/TEAM.md."""
