"""An MCP server made with the official SDK, of either generation. Argument: the transport. Prints its address and serves."""

import socket
import sys

import uvicorn

try:
    from mcp.server.mcpserver import MCPServer
    from mcp_types import ToolAnnotations

    first_generation = False
except ImportError:
    from mcp.server.fastmcp import FastMCP
    from mcp.types import ToolAnnotations

    first_generation = True

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
port = listener.getsockname()[1]
transport = sys.argv[1]
as_json = transport == "streamable-http-json"
if first_generation:
    server = FastMCP("boards", host="127.0.0.1", port=port, json_response=as_json)
else:
    server = MCPServer("boards")


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


@server.tool()
def board(name: str) -> dict:
    """Reads a board."""
    return {"name": name, "panels": 3}


@server.tool()
def fail() -> str:
    """Fails."""
    raise ValueError("no such board")


@server.tool(annotations=ToolAnnotations(readOnlyHint=False))
def delete_board(name: str) -> str:
    """Deletes."""
    return name


if transport == "sse":
    app, path = server.sse_app(), "/sse"
elif first_generation:
    app, path = server.streamable_http_app(), "/mcp"
else:
    app, path = server.streamable_http_app(json_response=as_json), "/mcp"
print(f"http://127.0.0.1:{port}{path}", flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
