"""The official client reads what the stubs say, and its types accept every member of it.

Arguments: base URL of the scripted model (text, then calls; whole, then streamed), base URL of the stub of every dialect.
"""

import sys

from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response

MESSAGES = [{"role": "system", "content": "rules"}, {"role": "user", "content": "incident"}]
TOOLS = [
    {"type": "function", "function": {"name": "look", "description": "looks", "parameters": {"type": "object", "properties": {}}}}
]


def client(base_url):
    return OpenAI(base_url=base_url, api_key="k", max_retries=0, timeout=20)


def whole(model):
    reply = model.chat.completions.create(model="m", messages=MESSAGES, tools=TOOLS)
    ChatCompletion.model_validate(reply.to_dict())
    return reply.choices[0].message


def streamed(model):
    text, calls = "", {}
    options = {"include_usage": True}
    for chunk in model.chat.completions.create(model="m", messages=MESSAGES, tools=TOOLS, stream=True, stream_options=options):
        ChatCompletionChunk.model_validate(chunk.to_dict())
        for choice in chunk.choices:
            text += choice.delta.content or ""
            for call in choice.delta.tool_calls or []:
                known = calls.setdefault(call.index, {"name": "", "arguments": ""})
                known["name"] += call.function.name or ""
                known["arguments"] += call.function.arguments or ""
    return text, list(calls.values()), chunk.usage.total_tokens


def scripted(model):
    assert whole(model).content == "all is well"
    call = whole(model).tool_calls[0].function
    assert (call.name, call.arguments) == ("look", '{"kind":"Pod"}'), call
    assert streamed(model) == ("all is well", [], 1050)
    assert streamed(model) == ("", [{"name": "look", "arguments": '{"kind":"Pod"}'}], 1050)


def responses(model):
    reply = model.responses.create(model="m", input="incident")
    Response.model_validate(reply.to_dict())
    assert reply.output_text == "fine"
    last = list(model.responses.create(model="m", input="incident", stream=True))[-1]
    Response.model_validate(last.response.to_dict())
    assert (last.type, last.response.output_text) == ("response.completed", "fine")


scripted(client(sys.argv[1]))
every = client(sys.argv[2])
assert whole(every).content == "fine"
assert streamed(every)[0] == "fine"
responses(every)
print("openai: the stubs are honest")
