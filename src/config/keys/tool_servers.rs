//! MCP servers.

use super::Kind::{Address, Secret, Switch, Text, Texts, Whole, Word};
use super::{Key, key};

pub(super) const KEYS: &[Key] = &[
    key(
        "mcp_servers.*.url",
        Address(&["http", "https"]),
        "",
        "MCP endpoint of the server. Required. Also understood below `config`, as are `mode` and `headers`.",
    )
    .next(),
    key(
        "mcp_servers.*.mode",
        Word(&["streamable-http", "sse"]),
        "",
        "How it is spoken to; found out unless set, the current transport first.",
    )
    .next(),
    key(
        "mcp_servers.*.headers.*",
        Secret,
        "",
        "Sent with every request. `{{ env.NAME }}` stands for a variable or a file of the credentials directory.",
    )
    .next(),
    key("mcp_servers.*.description", Text, "", "What the server is for, told to the model.").next(),
    key("mcp_servers.*.llm_instructions", Text, "", "How its tools are to be used, told to the model.").next(),
    key("mcp_servers.*.enabled", Switch, "true", "Whether its tools are offered.").next(),
    key(
        "mcp_servers.*.allowed_tools",
        Texts,
        "[]",
        "Tools a model may call, by the server's own names. Nothing else is offered; `doctor` lists what there is.",
    )
    .next(),
    key(
        "mcp_servers.*.read_only_tools",
        Texts,
        "[]",
        "Allowed tools that only read although the server says that they may write: without this they are not offered.",
    )
    .next(),
    key("mcp_servers.*.timeout_seconds", Whole(1, 180), "30", "One call.").next(),
];
