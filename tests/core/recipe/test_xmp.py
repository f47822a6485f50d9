from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zimage_cli.core.recipe import xmp
from zimage_cli.core.recipe.xmp import (
    CREATOR_TOOL,
    DESCRIPTION,
    LABEL,
    RECIPE,
    SOURCE_TYPE,
    Property,
    XmpError,
)

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"))
NAMES = (DESCRIPTION, SOURCE_TYPE, CREATOR_TOOL, LABEL, RECIPE)

# As Doubao writes it, with a property in an attribute and one that is a list.
FOREIGN = """<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<r:Description r:about="uuid:1&amp;2" xmlns:xap="http://ns.adobe.com/xap/1.0/"
 xap:CreatorTool="豆包" xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/"
 xmlns:mm="http://ns.adobe.com/xap/1.0/mm/">
<TC260:AIGC>{&quot;Label&quot;:&quot;1&quot;}</TC260:AIGC>
<mm:DerivedFrom r:parseType="Resource"><d:description xmlns:d="http://purl.org/dc/elements/1.1/">
<r:Alt><r:li>of another</r:li></r:Alt></d:description></mm:DerivedFrom>
</r:Description></r:RDF></x:xmpmeta>""".encode()


@given(st.dictionaries(st.sampled_from(NAMES), TEXT))
def test_what_was_written_is_read(values) -> None:
    packet = xmp.packet(Property(name, value) for name, value in values.items())
    assert xmp.read(packet) == values


def test_what_xml_cannot_hold_is_replaced() -> None:
    packet = xmp.packet([Property(DESCRIPTION, "a\0b\x1bc\ufffed\ud800e\r\n\tf")])
    assert xmp.read(packet) == {DESCRIPTION: "a�b�c�d�e\r\n\tf"}


def test_a_foreign_packet_is_read() -> None:
    assert xmp.read(FOREIGN) == {LABEL: '{"Label":"1"}', CREATOR_TOOL: "豆包"}


def test_only_what_is_missing_is_added_and_nothing_is_changed() -> None:
    wanted = [
        Property(DESCRIPTION, 'A <calm> & "still" lake'),
        Property(CREATOR_TOOL, "zimage"),
        Property(LABEL, "{}"),
    ]
    made = xmp.added(FOREIGN, wanted)
    assert xmp.read(made) == {
        LABEL: '{"Label":"1"}',
        CREATOR_TOOL: "豆包",
        DESCRIPTION: 'A <calm> & "still" lake',
    }
    head, tail = FOREIGN.split(b"</r:RDF>")
    assert made.startswith(head)
    assert made.endswith(b"</r:RDF>" + tail)
    assert b'rdf:about="uuid:1&amp;2"' in made
    assert xmp.added(made, wanted) == made


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"<a>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
        FOREIGN[:-9],
    ],
)
def test_what_cannot_be_read_is_refused(packet) -> None:
    for call in (lambda: xmp.read(packet), lambda: xmp.added(packet, [Property(RECIPE, "")])):
        with pytest.raises(XmpError):
            call()


@pytest.mark.parametrize(
    "packet",
    [
        b"<a/>",
        b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>',
        FOREIGN.decode().replace("UTF-8", "UTF-16").encode("utf-16"),
    ],
    ids=["no RDF", "an empty RDF", "UTF-16"],
)
def test_what_has_no_place_for_properties_is_refused(packet) -> None:
    with pytest.raises(XmpError):
        xmp.added(packet, [Property(RECIPE, "{}")])


@given(
    st.binary()
    | st.lists(
        st.sampled_from(
            [
                *("<r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>", "</r:RDF>"),
                *("<r:Description>", "</r:Description>", "<r:li>", "</r:li>", "<a>", "</a>", "x"),
                *("<a xmlns='http://purl.org/dc/elements/1.1/'>", "&lt;", "&x;", "\ufffe", "]]>"),
            ]
        ),
        max_size=30,
    ).map(lambda parts: "".join(parts).encode())
)
def test_any_bytes_are_properties_or_an_error(packet) -> None:
    try:
        assert all(isinstance(value, str) for value in xmp.read(packet).values())
        made = xmp.added(packet, [Property(RECIPE, "{}")])
    except XmpError:
        return
    assert xmp.read(made)[RECIPE] == "{}"
