"""Chat templates: the prompt that transformers makes, bounded, and bound to the model's hash."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from assay.core.errors import InputError, ModelError
from assay.engine.chat import Chat, ChatTemplate, tokenizer_hash
from assay.engine.checkpoint import read_checkpoint
from assay.engine.importer import SHIPPED_MODEL
from assay.engine.tokenizer import Tokenizer
from tests.offchain.engine.checkpoints import write_checkpoint

LLAMA3 = """\
{{- bos_token }}
{%- if not date is defined %}
    {%- if strftime_now is defined and false %}
        {%- set date = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set first = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set first = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Today: " + date + "\\n\\n" + first + "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+
        message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
QWEN = """\
{%- macro describe(tool) -%}
{{ tool | tojson }}
{%- endmacro %}
{%- if tools %}
    {{- '<|im_start|>system\\nFunctions:' }}
    {%- for tool in tools %}
        {{- "\\n" ~ describe(tool) }}
    {%- endfor %}
    {{- '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- if message.role == "user" %}
        {%- set ns.last = messages|length - 1 - loop.index0 %}{% break %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == "assistant" and message.tool_calls %}
        {{- '<|im_start|>assistant' }}
        {%- for call in message.tool_calls %}
            {{- '\\n{"name": "' ~ call.function.name ~ '", "arguments": ' ~
                (call.function.arguments | tojson) ~ '}' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}
        {{- '<|im_start|>assistant\\n' }}
        {%- generation %}{{ content }}{% endgeneration %}
        {{- '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + ('!' if loop.index0 == ns.last else '') }}
        {{- '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}
"""
MISTRAL = """\
{{ bos_token }}
{% if messages[0]['role'] == 'system' %}
{% set lead = messages[0]['content'] + '\\n\\n' %}{% set turns = messages[1:] %}
{% else %}
{% set lead = '' %}{% set turns = messages %}
{% endif %}
{% for message in turns %}
    {% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{ raise_exception('roles must alternate user/assistant/user/assistant/...') }}
    {% endif %}
    {% if message['role'] == 'user' %}
{{ '[INST] ' + (lead if loop.last else '') + message['content'] + ' [/INST]' }}
    {% else %}
{{ ' ' + message['content'] + eos_token }}
    {% endif %}
{% endfor %}
"""
PHI3 = (
    "{% for message in messages %}{% if message['role'] in ['system', 'user'] %}"
    "{{'<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n'}}"
    "{% elif message['role'] == 'assistant' %}"
    "{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}"
    "{% else %}{% set role = message['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
)  # fmt: skip
STYLES = {"llama 3": LLAMA3, "qwen": QWEN, "mistral": MISTRAL, "phi 3": PHI3, "gemma": GEMMA}
SPECIAL = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}

USER = {"role": "user", "content": "  What does `open` return? ünïcode <b>&amp;'\"\n"}
ASSISTANT = {"role": "assistant", "content": "<think>hm</think>\n\nA file. {{ 1 + 1 }} {% raw %}"}
SYSTEM = {"role": "system", "content": "Be brief.\n"}
CHATS: dict[str, list[dict[str, Any]]] = {
    "one": [USER],
    "system": [SYSTEM, USER],
    "turns": [USER, ASSISTANT, USER],
    "all": [SYSTEM, USER, ASSISTANT, USER, ASSISTANT, USER],
    "wrong order": [USER, USER],
}
TOOL = {"type": "function", "function": {"name": "add", "description": "a + b <&>'", "x": None}}
CALLS = [
    USER,
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"function": {"name": "add", "arguments": {"b": 2, "a": "ü"}}}],
    },
    {"role": "tool", "content": "3"},
]


def template(source: str, **more: str) -> ChatTemplate:
    return ChatTemplate({"default": source, **more}, SPECIAL, "here")


def theirs(source: str | dict[str, str]) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_file=str(SHIPPED_MODEL / "tokenizer.json"), chat_template=source, **SPECIAL
    )


@pytest.mark.parametrize("chat", CHATS)
@pytest.mark.parametrize("style", STYLES)
def test_prompts_are_those_of_transformers(style: str, chat: str) -> None:
    ours, messages = template(STYLES[style]), CHATS[chat]
    try:
        expected = theirs(STYLES[style]).apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
    except Exception as refusal:
        with pytest.raises(InputError, match="refuses these messages") as caught:
            ours.render(Chat(messages))
        assert str(refusal) in caught.value.message
        assert (caught.value.status, caught.value.param) == (400, "messages")
        return
    assert ours.render(Chat(messages)) == expected
    tokens = theirs(STYLES[style]).apply_chat_template(messages, add_generation_prompt=True)
    mine = Tokenizer.of_checkpoint(SHIPPED_MODEL).encode(expected, add_special_tokens=False)
    assert mine == tokens["input_ids"]


def test_some_styles_refuse_some_chats() -> None:
    """So that the branch of refusals above is one that is taken."""
    for style, chat in (("mistral", "wrong order"), ("gemma", "system")):
        with pytest.raises(InputError, match=r"alternate|not supported"):
            template(STYLES[style]).render(Chat(CHATS[chat]))


def test_tools_are_those_of_transformers() -> None:
    for messages in (CHATS["all"], CALLS):
        expected = theirs(QWEN).apply_chat_template(
            messages, tools=[TOOL], tokenize=False, add_generation_prompt=True
        )
        assert template(QWEN).render(Chat(messages, [TOOL])) == expected
        assert '"description": "a + b <&>\'"' in expected


def test_tools_have_a_template_of_their_own_where_there_is_one() -> None:
    both = template(PHI3, tool_use=QWEN)
    peers = theirs({"default": PHI3, "tool_use": QWEN})
    for tools in (None, [TOOL]):
        expected = peers.apply_chat_template(
            [USER], tools=tools, tokenize=False, add_generation_prompt=True
        )
        assert both.render(Chat([USER], tools)) == expected


@pytest.mark.parametrize("chat", [Chat([USER], [TOOL]), Chat(CALLS)], ids=["offered", "used"])
def test_revert_tools_that_the_template_does_not_know(chat: Chat) -> None:
    with pytest.raises(InputError, match="knows no tools; leave out tools") as caught:
        template(GEMMA).render(chat)
    assert caught.value.code == "unsupported_parameter"


def test_a_developer_is_a_system_to_templates_that_know_no_other() -> None:
    developer = {**SYSTEM, "role": "developer"}
    assert template(PHI3).render(Chat([developer, USER])) == template(PHI3).render(
        Chat([SYSTEM, USER])
    )
    knows = "{% for m in messages %}{{ 'D' if m.role == 'developer' else m.role }}{% endfor %}"
    assert template(knows).render(Chat([developer, USER])) == "Duser"


def test_the_shipped_models_template() -> None:
    shipped = ChatTemplate.of_checkpoint(SHIPPED_MODEL)
    assert shipped is not None
    prompt = shipped.render(Chat([{"role": "system", "content": "Help"}, {**USER}]))
    assert prompt == f"<|endoftext|>Help\n\n{USER['content']}"
    tokenizer = Tokenizer.of_checkpoint(SHIPPED_MODEL)
    assert tokenizer.encode(prompt, add_special_tokens=False) == tokenizer.encode(prompt[13:])


LOOPS = {
    "nested loops": "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "loops over a list": "{% set l = messages * 3000 %}"
    "{% for a in l %}{% for b in l %}{% for c in l %}{% endfor %}{% endfor %}{% endfor %}",
    "recursion": "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}",
    "branching recursion": (
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}"
    ),
    "doubling": "{% set n = namespace(x='ab') %}"
    "{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "adding": "{% set n = namespace(x='ab') %}"
    "{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "capturing": "{% set n = namespace(x='ab') %}"
    "{% for i in range(60) %}{% set n.x %}{{ n.x }}{{ n.x }}{% endset %}{% endfor %}",
    "repetition": "{{ 'x' * 10 ** 10 }}",
    "list repetition": "{{ ([1] * 10 ** 10)|length }}",
    "power": "{{ 10 ** (10 ** 8) }}",
    "width": "{{ 'x'.ljust(10 ** 10) }}",
    "width of a filter": "{{ 'x'|center(10000000000) }}",
    "output": "{% for a in range(90000) %}{{ messages[0].content }}{% endfor %}",
}


@pytest.mark.parametrize("kind", LOOPS)
def test_revert_a_template_without_end(kind: str) -> None:
    with pytest.raises(InputError, match=r"takes more than \d+ steps|calls within calls") as caught:
        template(LOOPS[kind]).render(Chat([USER]))
    assert (caught.value.code, caught.value.status) == ("chat_template", 400)
    assert template(GEMMA).render(Chat([USER]))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ strftime_now('%Y') }}", "'strftime_now' is undefined"),
        ("{{ lipsum() }}", "'lipsum' is undefined"),
        ("{{ messages[0].content.missing.more }}", "UndefinedError"),
        ("{{ ''.__class__.__mro__ }}", "SecurityError"),
        ("{{ messages.append(1) }}", "SecurityError"),
        ("{{ messages[0].update(role='x') }}", "SecurityError"),
        ("{{ '%9999999999d' % 1 }}", "not supported; use ~"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{% include 'other' %}", "TypeError"),
    ],
)
def test_revert_what_a_template_may_not_do(source: str, message: str) -> None:
    with pytest.raises(InputError, match="chat template fails") as caught:
        template(source).render(Chat([USER]))
    assert message in caught.value.message and "/v1/completions" in caught.value.message
    assert caught.value.status == 400


def test_long_chats_have_more_steps() -> None:
    """What real templates do with each character fits, however long the messages are."""
    long = [{**USER, "content": "word " * 200_000}, ASSISTANT, USER]
    for style in STYLES.values():
        assert len(template(style).render(Chat(long))) > 900_000


def test_renderings_side_by_side_have_steps_of_their_own() -> None:
    source = "{% for a in range(4) %}{% for b in range(99999) %}{% endfor %}{% endfor %}x"
    found: list[str] = []
    one = template(source)
    threads = [
        threading.Thread(target=lambda: found.append(one.render(Chat([USER])))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == ["x"] * 3


def folder_with(tmp_path: Path, settings: Mapping[str, Any], **files: str) -> Path:
    shutil.copy(SHIPPED_MODEL / "tokenizer.json", tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    for name, content in files.items():
        (tmp_path / f"{name}.jinja").write_text(content)
    return tmp_path


def rendered(folder: Path, tools: bool = False) -> str:
    found = ChatTemplate.of_checkpoint(folder)
    assert found is not None
    return found.render(Chat([USER], [TOOL] if tools else None))


def test_where_templates_lie(tmp_path: Path) -> None:
    bos = {"bos_token": {"content": "<s>", "lstrip": False}}
    folder = folder_with(tmp_path, bos | {"chat_template": "one{{ bos_token }}"})
    assert rendered(folder) == "one<s>"
    listed = [{"name": "tool_use", "template": "{{ tools|length }}"}]
    listed.append({"name": "default", "template": "two{{ eos_token }}"})
    folder_with(tmp_path, {"chat_template": listed})
    (folder / "special_tokens_map.json").write_text('{"eos_token": "</s>"}')
    assert (rendered(folder), rendered(folder, tools=True)) == ("two</s>", "1")
    folder_with(tmp_path, {"chat_template": "one"}, chat_template="three")
    assert rendered(folder) == "three"
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tool_use.jinja").write_text("{{ tools[0].type }}")
    assert (rendered(folder), rendered(folder, tools=True)) == ("three", "function")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"chat_template": "{% for x in %}"}, r"no Jinja2 \(line 1.*copy"),
        ({"chat_template": "{{ x|unknown }}"}, "No filter named 'unknown'"),
        ({"chat_template": "{{ x|random }}"}, "No filter named 'random'"),
        ({"chat_template": "x" * 300_000}, "300000 characters; at most 262144"),
        ({"chat_template": 5}, "neither text nor a list"),
        ({"chat_template": [{"name": "default"}]}, "neither text nor a list"),
        ({"chat_template": [{"name": "rag", "template": "x"}]}, r"\['rag'\] and none is"),
        ([], "holds a list where an object is expected"),
    ],
)  # fmt: skip
def test_revert_templates_at_import(tmp_path: Path, settings: Any, message: str) -> None:
    folder = write_checkpoint(tmp_path)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match=message):
        read_checkpoint(folder)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "chat_template.jinja"])
def test_revert_files_that_are_none(tmp_path: Path, name: str) -> None:
    folder = write_checkpoint(tmp_path)
    (folder / name).write_bytes(b"{\xff")
    with pytest.raises(ModelError, match=rf"cannot read .*{name}.*copy"):
        read_checkpoint(folder)


def test_the_hash_is_of_all_that_decides_tokens(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path)
    plain = tokenizer_hash(folder)
    assert plain == sha256((folder / "tokenizer.json").read_bytes()).digest()
    found = {plain}
    for settings in (
        {"chat_template": "one"},
        {"chat_template": "two"},
        {"chat_template": "two", "bos_token": "<s>"},
        {"chat_template": [{"name": "default", "template": "two"}], "bos_token": "<t>"},
        {"chat_template": [{"name": n, "template": "two"} for n in ("default", "tool_use")]},
    ):
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        found.add(tokenizer_hash(folder))
        assert read_checkpoint(folder).tokenizer_hash == tokenizer_hash(folder)
    assert len(found) == 6
    (folder / "tokenizer_config.json").write_text('{"bos_token": "<s>", "model_max_length": 5}')
    assert tokenizer_hash(folder) == plain


def test_revert_no_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read .*tokenizer\.json.*copy the checkpoint"):
        tokenizer_hash(tmp_path)
