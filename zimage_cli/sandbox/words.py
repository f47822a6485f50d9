"""What the sandbox says where the service has a language model: rewritten prompts, reasoning."""

from __future__ import annotations

import zlib

_LIGHT = (
    "soft morning light with a thin mist",
    "warm golden-hour light and long shadows",
    "diffuse overcast light and muted tones",
    "cool moonlight with faint reflections",
    "clear noon light and crisp contrast",
)
_FRAME = (
    "a wide composition with a low horizon",
    "a centred composition with generous negative space",
    "a close view with a shallow depth of field",
    "a high viewpoint that leads the eye inward",
)
_LIGHT_HAN = (
    "清晨柔和的光线与薄雾",
    "金色夕照与修长的影子",
    "阴天散射光与沉静色调",
    "清冷月光与淡淡倒影",
)
_FRAME_HAN = ("低地平线的宽幅构图", "主体居中、留白充足", "浅景深的近景", "引导视线的高视角")


def has_han(text: str) -> bool:
    """Say whether the text holds a Han character."""
    return any("\u3400" <= letter <= "\u9fff" or letter >= "\U00020000" for letter in text)


def rewrite(prompt: str) -> tuple[str, str]:
    """Return a plausible (rewritten prompt, reasoning) for the prompt, the same every time."""
    dice = zlib.crc32(prompt.encode())
    text = " ".join(prompt.split())
    if has_han(text):
        light = _LIGHT_HAN[dice % len(_LIGHT_HAN)]
        frame = _FRAME_HAN[dice // 7 % len(_FRAME_HAN)]
        return (
            f"{text}。画面采用{frame}，{light}，细节丰富，层次分明，质感真实。",
            f"用户想要的主体是“{text[:40]}”。保留主体，补充构图（{frame}）与光线（{light}），不添加新的主体。",
        )
    light = _LIGHT[dice % len(_LIGHT)]
    frame = _FRAME[dice // 7 % len(_FRAME)]
    rewritten = (
        f"{text}. The scene is arranged as {frame}, in {light}, with fine surface detail, "
        "natural textures and a balanced palette."
    )
    reasoning = (
        f'The subject is "{text[:60]}". I keep it as it is and add what the prompt leaves open: '
        f"{frame}; {light}. No new subject is introduced."
    )
    return rewritten, reasoning


def tokens(text: str) -> int:
    """Return about how many tokens a text has: one a Han character, one each four others."""
    han = sum(1 for letter in text if "\u3400" <= letter <= "\u9fff")
    return han + -(-(len(text) - han) // 4)
