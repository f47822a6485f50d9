from __future__ import annotations

import copy
import pickle

import pytest

from zimage_cli.messages import Listing, Message, Shown


def test_a_message_is_its_template_with_its_facts() -> None:
    inner = Message("{n} of {m}", n=2, m=Message("many"))
    message = Message("{what:>12} in {value}; {braces}", what=inner, value=1.5, braces="{x}")
    assert str(message) == f"{message}" == "   2 of many in 1.5; {x}"
    assert repr(inner) == "Message('2 of many')"


def test_without_facts_a_template_is_plain_text() -> None:
    assert str(Message('{"prompt": "x"} {{}}')) == '{"prompt": "x"} {{}}'


def test_a_message_cannot_be_changed() -> None:
    message = Message("{n}", n=1)
    with pytest.raises(AttributeError):
        message.template = "other"
    with pytest.raises(TypeError):
        message.facts["n"] = 2  # type: ignore[index]
    assert str(message) == "1"


def test_messages_are_equal_by_template_and_facts() -> None:
    assert Message("{n}", n=1) == Message("{n}", n=1)
    assert Message("{n}", n=1) != Message("{n}", n=2)
    assert Message("{n}", n=1) != Message("1")
    assert Message("1") != "1"


def test_a_listing_stands_between_its_messages() -> None:
    assert f"{Listing(', ', [Message('{n}', n=1), 'two'])}." == "1, two."
    assert str(Listing(", ", [])) == ""


def test_what_a_value_is_travels_with_how_it_is_shown() -> None:
    value = Shown('"12"', "12")
    assert (value, value.plain) == ('"12"', "12")
    assert Message("{value} is odd", value=value).facts["value"].plain == "12"


@pytest.mark.parametrize(
    "whole",
    [
        Message("plain {x}"),
        Message("{a} {b}", a=Shown("'x'", "x"), b=Listing("; ", [Message("{n}", n=1), "b"])),
    ],
)
def test_messages_survive_pickle_and_copy(whole: Message) -> None:
    for again in (pickle.loads(pickle.dumps(whole)), copy.copy(whole), copy.deepcopy(whole)):
        assert again == whole
        assert hash(again) == hash(whole)
        assert str(again) == str(whole)
        assert getattr(again.facts.get("a"), "plain", None) == getattr(
            whole.facts.get("a"), "plain", None
        )
