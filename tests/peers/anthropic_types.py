"""The official client reads what the stub says, and its types accept every member of it. Argument: base URL of the stub."""

import sys

from anthropic import Anthropic
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

client = Anthropic(base_url=sys.argv[1], api_key="k", max_retries=0, timeout=20)
ASKED = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "incident"}]}

reply = client.messages.create(**ASKED)
Message.model_validate(reply.to_dict())
assert reply.content[0].text == "fine" and reply.stop_reason == "end_turn"

event_type = TypeAdapter(RawMessageStreamEvent)
for event in client.messages.create(**ASKED, stream=True):
    event_type.validate_python(event.to_dict())

with client.messages.stream(**ASKED) as stream:
    assert stream.get_final_message().content[0].text == "fine"
print("anthropic: the stub is honest")
