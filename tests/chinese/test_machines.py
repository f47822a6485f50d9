"""A shared pace in Chinese: what is said of its Redis."""

from __future__ import annotations

from typing import Any

import redis_server

ZH = {"ZIMAGE_LANG": "zh", "ZIMAGE_PACE_URL": "redis://:hunter2hunter2@127.0.0.1:1"}


def test_a_redis_that_is_not_there(service: Any, work: Any) -> None:
    redis_server.needed()
    (work / "p.txt").write_text("风筝\n")
    run = service("batch", "p.txt", "-o", "out", "-q", env=ZH, status=2)
    *_, error, hint = run.stderr.splitlines()
    assert error.startswith("错误：无法连接 Redis（redis://:…@127.0.0.1:1）：")
    assert error.endswith("未发送任何内容。")
    assert hint == "  下一步：不使用 Redis，按本机的请求速率继续：--pace-alone"
    run = service("validate", "--online", env=ZH, status=2)
    assert "无法连接 Redis（redis://:…@127.0.0.1:1）" in run.stderr


def test_an_address_that_is_none(zimage: Any) -> None:
    env = {**ZH, "ZIMAGE_PACE_URL": "http://localhost"}
    error, hint = zimage("config", "get", "size", env=env, status=2).stderr.splitlines()
    assert error == (
        "错误：pace_url：所给的值不以下列任何一项开头：redis://、rediss://、unix://"
        "（来源：环境变量 ZIMAGE_PACE_URL）"
    )
    assert hint == "  下一步：请修正或取消设置 ZIMAGE_PACE_URL。"
