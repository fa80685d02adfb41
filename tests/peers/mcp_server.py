"""An MCP server made with the official SDK. Argument: the transport. Prints its address and serves."""

import socket
import sys

import uvicorn
from mcp.server.fastmcp import FastMCP
from mcp.types import ToolAnnotations

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
port = listener.getsockname()[1]
transport = sys.argv[1]
server = FastMCP("boards", host="127.0.0.1", port=port, json_response=transport == "streamable-http-json")


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
else:
    app, path = server.streamable_http_app(), "/mcp"
print(f"http://127.0.0.1:{port}{path}", flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
