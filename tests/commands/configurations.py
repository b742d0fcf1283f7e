"""Configuration files as people have them, and strategies that make many more."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

BOM = b"\xef\xbb\xbf"

CLAUDE_DESKTOP = """\
{
  "globalShortcut": "Ctrl+Space",
  "mcpServers": {
    "filesystem": {
      "command": "npx",
      "args": ["-y", "@modelcontextprotocol/server-filesystem", "/Users/anna/Documents"]
    },
    "github": {
      "command": "docker",
      "args": ["run", "-i", "--rm", "ghcr.io/github/github-mcp-server"],
      "env": {"GITHUB_PERSONAL_ACCESS_TOKEN": "ghp-canary-of-another-server"}
    }
  },
  "preferences": {"menuBarEnabled": false}
}
"""
VSCODE = """\
{
\t// Asked for once, then kept by VS Code.
\t"inputs": [
\t\t{ "type": "promptString", "id": "token", "password": true, },
\t],
\t"servers": {
\t\t"github": {
\t\t\t"type": "http",
\t\t\t"url": "https://api.githubcopilot.com/mcp/", /* read only: see // and { } */
\t\t}, // the last one
\t},
}
"""
CODEX = """\
model = "gpt-5.2-codex"
notes = \"\"\"
[mcp_servers.minimax]
command = "not a table, but part of a string"
\"\"\"

[mcp_servers.context7]
command = "npx"
args = [
  "-y", # yes
  "@upstash/context7-mcp",
]

# my projects
[projects."/home/anna/work"]
trust_level = "trusted"

[[skills]]
path = "a"
# the end"""
GEMINI = """\
{
  // Gemini's own
  "security": { "auth": { "selectedType": "oauth-personal" } },
  "ui": { "theme": "Default" }
}"""


@dataclass(frozen=True)
class Example:
    """A file that a host may have."""

    host_id: str
    name: str
    data: bytes | None

    def __str__(self) -> str:
        return f"{self.host_id}: {self.name}"


def _crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


EXAMPLES = [
    Example("claude-desktop", "other servers", CLAUDE_DESKTOP.encode()),
    Example("claude-desktop", "Windows line ends", _crlf(CLAUDE_DESKTOP)),
    Example("claude-desktop", "byte order mark", BOM + _crlf(CLAUDE_DESKTOP)),
    Example("claude-desktop", "settings, no servers", b'{\n  "scale": 1,\n  "theme": "dark"\n}'),
    Example("claude-desktop", "no server", b'{"mcpServers": {}}\n'),
    Example("claude-desktop", "braces", b"{}"),
    Example("claude-desktop", "braces on two lines", b"{\n}\n"),
    Example("claude-desktop", "empty", b""),
    Example("claude-desktop", "blanks", b" \r\n\r\n"),
    Example("claude-desktop", "only a mark", BOM),
    Example("claude-desktop", "no file", None),
    Example("cursor", "one line", b'{"mcpServers":{"a":{"url":"https://example.com/mcp"}}}'),
    Example("cursor", "umlauts", '{"mcpServers": {"büro": {"command": "ü"}}}\n'.encode()),
    Example("vscode", "comments and commas", VSCODE.encode()),
    Example("vscode", "comments and commas, Windows", BOM + _crlf(VSCODE)),
    Example("vscode", "only a comment", b"// nothing yet\n"),
    Example("vscode", "comment in braces", b"{ /* nothing yet */ }"),
    Example("vscode", "no file", None),
    Example("codex", "tables and comments", CODEX.encode()),
    Example("codex", "tables and comments, Windows", BOM + _crlf(CODEX)),
    Example("codex", "keys with dots", b'mcp_servers.a.command = "x"\n\n\n[tui]\nx = nan'),
    Example("codex", "servers in one table", b'[mcp_servers]\na = {command = "x"}\n\n\n'),
    Example("codex", "empty", b""),
    Example("codex", "no file", None),
    Example("gemini", "comments", GEMINI.encode()),
    Example("gemini", "no file", None),
]

# --- many more ---------------------------------------------------------------------------------

GAPS = ("", " ", "\n", "\n  ", "\t", "\n\n\t", "  ")
REMARKS = ("// , } remark\n", "/* { */", "\n/* two\n lines */ ", ' // "quoted"\n')
NAMES = st.sampled_from(["a", "b c", "server", 'q"', "//", "/*", "é", "mcpServers", "x,}"])
SCALARS = st.sampled_from(["1", "-2.5e3", "true", "null", '"text"', r'"\" // \\"', '"/* , ]"'])


def _name_of(member: tuple[str, str, str]) -> str:
    """What comes before a colon; JSON does not say what a name twice in one object means."""
    return member[1].partition(":")[0].strip()


def json_texts(*, remarks: bool, commas: bool) -> st.SearchStrategy[str]:
    """JSON objects in every layout, some with servers in them.

    Args:
        remarks: Some have comments.
        commas: Some have a comma after the last member.
    """
    gap = st.sampled_from(GAPS + (REMARKS if remarks else ()))
    last = st.sampled_from(["", ","]) if commas else st.just("")

    def braces(member: st.SearchStrategy[str], ends: str) -> st.SearchStrategy[str]:
        members = st.lists(st.tuples(gap, member, gap), max_size=3, unique_by=_name_of)
        return st.builds(_enclose, st.just(ends), members, gap, last)

    def named(value: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.builds(lambda n, g, v: f"{json.dumps(n)}{g}:{v}", NAMES, gap, value)

    values = st.recursive(
        SCALARS, lambda inner: braces(inner, "[]") | braces(named(inner), "{}"), max_leaves=6
    )
    servers = st.builds(
        lambda g, v: f'"mcpServers"{g}:{g}{v}',
        gap,
        braces(named(braces(named(values), "{}")), "{}"),
    )
    # A name twice would count once only; the servers come last, as readers take the last.
    others = named(values).filter(lambda text: not text.startswith('"mcpServers"'))
    root = st.builds(
        _enclose,
        st.just("{}"),
        st.lists(st.tuples(gap, others, gap), max_size=3, unique_by=_name_of).flatmap(
            lambda members: (
                st.tuples(gap, servers, gap).map(lambda one: [*members, one]) | st.just(members)
            )
        ),
        gap,
        last,
    )
    return st.builds(lambda before, text, after: before + text + after, gap, root, gap)


def _enclose(ends: str, members: Sequence[tuple[str, str, str]], gap: str, last: str) -> str:
    inside = ",".join("".join(member) for member in members)
    return f"{ends[0]}{inside}{last if members else ''}{gap}{ends[1]}"


TOP = (
    "a = 1\n",
    's = """\n[mcp_servers.minimax]\n# no\n"""\n',
    "l = [\n[1], # [x]\n]\n",
    "# c\n",
    "\n",
)
TABLES = (
    "[mcp_servers.x]\ncommand = 'x'\n",
    '[mcp_servers.x.env]\nA = "b" # c\n\n',
    "# about y\n[y.\"z [w]\"]\nt = '''\n[v]\n'''\n",
    "[[list]]\nn = 1\n",
    "[ y . u ]\n# nothing\n\n\n",
    "[mcp_servers.minimaxi]\ncommand = 'y'",
)


def toml_texts() -> st.SearchStrategy[str]:
    """TOML documents of tables in any order, some without a line end at their end."""
    tops = st.lists(st.sampled_from(TOP), max_size=3, unique=True)
    tables = st.lists(st.sampled_from(TABLES), max_size=5, unique=True)
    end = st.sampled_from(["", "\n", "\n\n", "# end", "\n# end\n"])
    return st.builds(
        lambda top, rest, last: (
            "".join(top) + "".join(f"{t}\n" for t in rest).removesuffix("\n") + last
        ),
        tops,
        tables,
        end,
    )
