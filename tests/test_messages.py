from __future__ import annotations

import copy
import json
import pickle

import pytest

from zimage_cli.messages import Listing, Message, Shown, counted, said, translated


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


def test_a_message_is_a_text_in_english() -> None:
    assert Message("{n}", n=1) == Message("{n}", n=1) == "1"
    assert Message("{n}", n=1) != Message("{n}", n=2)
    assert json.dumps([Message("{n} of {m}", n=1, m=2)]) == '["1 of 2"]'


def test_one_thing_and_several_have_sentences_of_their_own() -> None:
    said = [counted(n, "{count:,} line of {file}", "{count:,} lines", file="a") for n in (1, 1000)]
    assert said == ["1 line of a", "1,000 lines"]


def test_every_part_of_a_text_is_translated() -> None:
    words = {"{n} of {m}: {why}": "{m}/{n}：{why}", "many": "多", "; ": "；", "lost": "丢失"}
    whole = Message(
        "{n} of {m}: {why}", n=1, m=Message("many"), why=Listing("; ", [Message("lost"), "lost"])
    )
    assert whole == "1 of many: lost; lost"
    assert translated(whole, lambda text: words.get(text, text)) == "多/1：丢失；lost"
    assert translated(Message("{x}"), lambda text: text) == "{x}"


def test_a_listing_stands_between_its_messages() -> None:
    assert f"{Listing(', ', [Message('{n}', n=1), 'two'])}." == "1, two."
    assert str(Listing(", ", [])) == ""


def test_what_a_value_is_travels_with_how_it_is_shown() -> None:
    value = Shown('"12"', "12")
    assert (value, value.plain) == ('"12"', "12")
    assert Message("{value} is odd", value=value).facts["value"].plain == "12"


def test_a_value_that_is_only_named_has_its_name_in_the_language() -> None:
    words = {"an array": "数组"}
    whole = Message("[{value}]", value=Shown(Message("an array"), "an array"))
    for again in (whole, pickle.loads(pickle.dumps(whole))):
        assert translated(again, lambda text: words.get(text, text)) == "[数组]"
        assert (str(again), again.facts["value"].plain) == ("[an array]", "an array")


def test_a_plain_text_is_an_id_itself() -> None:
    words = {"an array": "数组"}
    for text, its in {"an array": "数组", "{x}": "{x}", "": ""}.items():
        assert said(text, lambda one: words.get(one, one)) == its
    whole = Message("{x}", x=Message("an array"))
    assert said(whole, lambda one: words.get(one, one)) == "数组"


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


@pytest.mark.parametrize("damaged", ["{m}", "{", "{n.x}", "{n[x]}", "{n:q}", "{}"])
def test_a_damaged_translation_loses_no_sentence(damaged: str) -> None:
    assert translated(Message("{n} saved", n=2), lambda _: damaged) == "2 saved"
