"""openai-agents with its default limit: python -m tests.clients.openai_agents <server's command>.

Its runner converts the tools, calls them and hands the results to a model, which is a class here:
nothing leaves the process.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from itertools import count
from typing import Any

from agents import (
    Agent,
    Model,
    ModelResponse,
    RunContextWrapper,
    Runner,
    Usage,
    set_tracing_disabled,
)
from agents.mcp import MCPServerStdio
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from tests.clients.travel import Answer, read_command, travel

DONE = ResponseOutputMessage(
    id="done",
    role="assistant",
    status="completed",
    type="message",
    content=[ResponseOutputText(annotations=[], text="Done.", type="output_text")],
)


class Scripted(Model):  # type: ignore[misc]
    """Asks for the tool that is wanted; keeps what it was offered and what it read."""

    def __init__(self) -> None:
        self.wanted: tuple[str, dict[str, Any]] | None = None
        self.offered: list[str] = []
        self.read: Any = None
        self._ids = count(1)

    async def get_response(self, **given: Any) -> ModelResponse:
        self.offered = [tool.name for tool in given["tools"]]
        if self.wanted is None:
            history = given["input"]
            self.read = history[-1].get("output") if isinstance(history, list) else None
            return ModelResponse(output=[DONE], usage=Usage(), response_id=None)
        (name, values), self.wanted = self.wanted, None
        call = ResponseFunctionToolCall(
            name=name,
            arguments=json.dumps(values),
            call_id=f"call-{next(self._ids)}",
            type="function_call",
        )
        return ModelResponse(output=[call], usage=Usage(), response_id=None)

    def stream_response(self, **given: Any) -> AsyncIterator[Any]:
        raise NotImplementedError


class Connected:
    """An agent whose only tools are the server's."""

    heard: int | None = None

    def __init__(self, server: MCPServerStdio) -> None:
        self.protocol = server.session.protocol_version
        self._model = Scripted()
        self._agent = Agent(name="Maker", model=self._model, mcp_servers=[server])
        self._strict = self._agent.clone(mcp_config={"convert_schemas_to_strict": True})

    async def look(self) -> None:
        """Let the model see the tools, without those that OpenAI's strict mode cannot have.

        A tool without arguments is not converted; it has nothing to be strict about.
        """
        await Runner.run(self._agent, "Which tools are there?")
        tools = await self._strict.get_mcp_tools(RunContextWrapper(None))
        strict = {tool.name for tool in tools if tool.strict_json_schema}
        bare = {tool.name for tool in tools if not tool.params_json_schema["properties"]}
        self.tools = [name for name in self._model.offered if name in strict | bare]

    async def call(self, tool: str, **values: Any) -> Answer:
        self._model.wanted = (tool, values)
        await Runner.run(self._agent, "Make a video, please.")
        # What the model reads does not say whether it is an error.
        return Answer(self._model.read, is_error=False)


@asynccontextmanager
async def connect() -> AsyncIterator[Connected]:
    command, arguments, environment = read_command(sys.argv[1:])
    params = {"command": command, "args": arguments, "env": environment}
    async with MCPServerStdio(params=params) as server:
        connected = Connected(server)
        await connected.look()
        yield connected


if __name__ == "__main__":
    set_tracing_disabled(True)
    asyncio.run(travel(connect, version=metadata.version("openai-agents")))
