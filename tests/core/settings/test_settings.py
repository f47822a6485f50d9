from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zimage_cli.core.advice import error_document
from zimage_cli.core.settings.config_file import Config
from zimage_cli.core.settings.environment import Environment
from zimage_cli.core.settings.key import Key
from zimage_cli.core.settings.settings import Flags, Setting, Settings, refused_key_hint, resolve
from zimage_cli.core.settings.source import Kind
from zimage_cli.core.settings.table import NAMES, TABLE
from zimage_cli.errors import AuthenticationError, ConfigurationError, UsageError, ZimageError

HOME = Path("/no-such-home")
BEIJING = "https://dashscope.aliyuncs.com/api/v1"
SINGAPORE = "https://dashscope-intl.aliyuncs.com/api/v1"
ELSEWHERE = "https://gateway.example/api/v1"
KEY = Key("sk-0123456789abcdef0123456789abcdef")


def get(
    flags: Flags | None = None,
    request: str | None = None,
    *,
    config: Config | None = None,
    **variables: str,
) -> Settings:
    return resolve(
        Environment(variables, HOME), flags or Flags(), request, config=config or Config()
    )


def config(
    *, keys: tuple[str, ...] = (), workspaces: dict[str, str] | None = None, **values: object
) -> Config:
    return Config(values=values, keys=dict.fromkeys(keys, KEY), workspaces=workspaces or {})


def words(setting: Setting[object]) -> tuple[str, object, str]:
    return setting.name, setting.value, setting.source


def place(found: Settings) -> tuple[str, str | None, str, str | None]:
    return (
        found.target.region_name,
        found.target.api_root,
        found.region.source,
        found.base_url.source,
    )


# -- plain settings ------------------------------------------------------------------------------


def test_defaults() -> None:
    found = get()
    values = {name: getattr(found, name) for name in NAMES if name != "key"}
    assert {name: (one.value, one.source) for name, one in values.items()} == {
        "region": ("beijing", "default"),
        "endpoint": ("shared", "default"),
        "workspace": (None, "default"),
        "base_url": (BEIJING, "region and endpoint"),
        "size": ("1024*1024", "default"),
        "prompt_extend": (False, "default"),
        "output_dir": (Path("output"), "default"),
        "format": ("png", "default"),
        "quality": (None, "default"),
        "metadata": (True, "default"),
        "timeout": (330.0, "default"),
        "retries": (4, "default"),
        "rps": (2.0, "default"),
        "pace_url": (None, "default"),
        "pace_account": (None, "default"),
        "evidence": (True, "default"),
        "preview": ("auto", "default"),
        "language": ("en", "default"),
    }
    assert all(one.name == name for name, one in values.items())
    assert found.warnings == ()
    assert found.key() is None


@pytest.mark.parametrize(
    ("name", "flag", "stored", "source"),
    [
        ("size", "16:9", "1024*1024", "--size"),
        ("prompt_extend", True, False, "--prompt-extend"),
        ("prompt_extend", False, True, "--no-prompt-extend"),
        ("timeout", "1.5", 20.0, "--timeout"),
        ("retries", 0, 3, "--retries"),
        ("rps", 0.5, 3.0, "--rps"),
        ("evidence", False, True, "--no-evidence"),
    ],
)
def test_flag_over_file_over_default(name: str, flag: object, stored: object, source: str) -> None:
    file = config(**{name: stored})
    assert words(getattr(get(config=file), name)) == (name, stored, "config file")
    by_flag = getattr(get(Flags(**{name: flag}), config=file), name)
    expected = {"16:9": "1280*720", "1.5": 1.5}.get(flag, flag) if isinstance(flag, str) else flag
    assert words(by_flag) == (name, expected, source)


def test_output_dir_by_flag_environment_and_file() -> None:
    file = config(output_dir="~/a b")
    assert get(config=file).output_dir.value == HOME / "a b"
    found = get(config=file, OUTPUT_DIR="~/图")
    assert words(found.output_dir) == ("output_dir", HOME / "图", "environment OUTPUT_DIR")
    for given_dir in ("x y", Path("x y")):
        found = get(Flags(output_dir=given_dir), config=file, OUTPUT_DIR="z")
        assert words(found.output_dir) == ("output_dir", Path("x y"), "--output-dir")
    assert get(OUTPUT_DIR=" ", config=file).output_dir.source == "config file"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (Flags(region="mars"), "region: 'mars' is not a region; allowed: beijing (cn-beijing), "),
        (Flags(endpoint="public"), 'endpoint: "public" is not an endpoint; allowed: shared, '),
        (Flags(workspace="a/b"), "workspace: 'a/b' is not a workspace id"),
        (Flags(base_url="ftp://x"), "base URL: 'ftp://x' does not begin with https://"),
        (Flags(size="1x1"), 'size: "1x1" is 1 pixel'),
        (Flags(output_dir=""), "output_dir: the value is empty"),
        (Flags(timeout=0), "timeout: 0 is out of range; allowed: seconds, more than 0 and at most"),
        (Flags(timeout=3601), "timeout: 3601 is out of range"),
        (
            Flags(timeout="soon"),
            'timeout: "soon" is not a number; allowed: seconds, more than 0 and at most 3600',
        ),
        (Flags(timeout="1_0"), 'timeout: "1_0" is not a number'),
        (Flags(timeout="٣"), "is not a number"),
        (Flags(timeout="nan"), 'timeout: "nan" is not a number'),
        (Flags(retries=-1), "retries: -1 is out of range; allowed: a whole number, 0 to 100"),
        (
            Flags(retries="1.5"),
            'retries: "1.5" is not a whole number; allowed: a whole number, 0 to',
        ),
        (Flags(rps=1e6), "rps: 1000000.0 is out of range"),
        (Flags(rps=-1), "rps: -1 is out of range"),
        (Flags(region="bei\x1bjing"), "region: "),
    ],
)
def test_a_bad_flag_says_given_allowed_and_flag(flags: Flags, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        get(flags)
    assert message in caught.value.message
    assert "(from --" in caught.value.message


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ZIMAGE_REGION", "mars"),
        ("DASHSCOPE_API_REGION", "us-east-1"),
        ("ZIMAGE_ENDPOINT", "public"),
        ("DASHSCOPE_WORKSPACE_ID", "a.b"),
        ("DASHSCOPE_BASE_URL", "https://user@dashscope.aliyuncs.com"),
        ("DASHSCOPE_HTTP_BASE_URL", "http://dashscope.aliyuncs.com"),
        ("OUTPUT_DIR", "a\x07b"),
    ],
)
def test_a_bad_variable_is_named(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"from environment {variable}"):
        get(**{variable: value})


def test_what_is_overridden_is_not_checked() -> None:
    found = get(
        Flags(region="beijing", endpoint="shared", output_dir="x"),
        ZIMAGE_REGION="mars",
        ZIMAGE_ENDPOINT="public",
        OUTPUT_DIR="\x07",
    )
    assert found.target.api_root == BEIJING
    assert get(ZIMAGE_REGION="singapore", DASHSCOPE_API_REGION="us-east-1").region.value == (
        "singapore"
    )


def test_a_bad_value_keeps_its_facts_and_says_how_it_came() -> None:
    with pytest.raises(UsageError) as caught:
        get(Flags(timeout="soon"))
    facts = error_document(caught.value) | {"source": caught.value.facts["source"]}
    assert (facts["field"], facts["value"], str(facts["source"])) == (
        "timeout",
        "soon",
        "--timeout",
    )
    with pytest.raises(UsageError, match="from the argument rps") as caught:
        get(Flags(rps="x", kind=Kind.ARGUMENT))
    with pytest.raises(ConfigurationError) as found:
        get(ZIMAGE_ENDPOINT="public")
    assert found.value.facts["allowed"] == "shared, workspace, trial"
    assert found.value.hint == "Correct or unset ZIMAGE_ENDPOINT."


def test_a_key_in_the_wrong_place_is_not_quoted() -> None:
    for flags in (Flags(region=KEY.reveal()), Flags(base_url=f"https://{KEY.reveal()}@x.y")):
        with pytest.raises(UsageError) as caught:
            get(flags)
        assert KEY.reveal() not in f"{caught.value.message} {caught.value.facts}"


def test_flags_are_settings_and_unknown_ones_are_a_bug() -> None:
    flags = Flags(region="beijing", rps=None, sandbox=True)
    assert (flags.region, flags.rps, flags.sandbox) == ("beijing", None, True)
    with pytest.raises(TypeError, match="regoin"):
        Flags(regoin="beijing")
    with pytest.raises(AttributeError):
        flags.regoin  # noqa: B018
    other = flags.but(region=None, size="1:1")
    assert (other.region, other.size, other.sandbox) == (None, "1:1", True)
    assert KEY.reveal() not in repr(Flags(region=KEY.reveal()))


# -- region --------------------------------------------------------------------------------------


def test_region_by_each_source_in_its_turn() -> None:
    file = config(region="beijing")
    assert words(get(config=file, DASHSCOPE_API_REGION="ap-southeast-1").region) == (
        "region",
        "singapore",
        "environment DASHSCOPE_API_REGION",
    )
    found = get(config=file, DASHSCOPE_API_REGION="ap-southeast-1", ZIMAGE_REGION="cn-beijing")
    assert words(found.region) == ("region", "beijing", "environment ZIMAGE_REGION")
    assert get(Flags(region="Singapore"), ZIMAGE_REGION="beijing").region.source == "--region"


@pytest.mark.parametrize(
    ("keys", "region", "source"),
    [
        ((), "beijing", "default"),
        (("singapore",), "singapore", "the one region with a stored key"),
        (("beijing",), "beijing", "the one region with a stored key"),
        (("singapore", "beijing"), "beijing", "default"),
    ],
)
def test_the_default_region_is_the_one_with_a_key(
    keys: tuple[str, ...], region: str, source: str
) -> None:
    assert words(get(config=config(keys=keys)).region) == ("region", region, source)


# -- endpoint and workspace ----------------------------------------------------------------------


def test_a_workspace_makes_the_workspace_endpoint_the_default() -> None:
    file = config(workspaces={"beijing": "ws-b"})
    found = get(config=file)
    assert found.target.api_root == "https://ws-b.cn-beijing.maas.aliyuncs.com/api/v1"
    assert words(found.endpoint) == ("endpoint", "workspace", "a workspace is set")
    assert found.target.workspace == "ws-b"
    assert get(Flags(region="singapore"), config=file).target.api_root == SINGAPORE
    found = get(config=file, DASHSCOPE_WORKSPACE_ID="ws-e")
    assert words(found.workspace) == ("workspace", "ws-e", "environment DASHSCOPE_WORKSPACE_ID")
    assert found.target.host == "ws-e.cn-beijing.maas.aliyuncs.com"
    found = get(Flags(workspace="ws-f"), config=file, DASHSCOPE_WORKSPACE_ID="ws-e")
    assert found.target.host == "ws-f.cn-beijing.maas.aliyuncs.com"


def test_a_named_endpoint_wins_over_a_stored_workspace() -> None:
    file = config(workspaces={"beijing": "ws-b"})
    found = get(config=file, ZIMAGE_ENDPOINT="shared")
    assert (found.target.api_root, found.target.workspace) == (BEIJING, None)
    assert get(Flags(endpoint="trial"), config=file).target.host == (
        "trial.cn-beijing.maas.aliyuncs.com"
    )


def test_a_workspace_on_the_command_line_means_its_endpoint() -> None:
    found = get(Flags(workspace="ws-f"), ZIMAGE_ENDPOINT="shared")
    assert found.target.host == "ws-f.cn-beijing.maas.aliyuncs.com"
    assert found.endpoint.source == "--workspace"
    found = get(Flags(workspace="ws-f", endpoint="shared"))
    assert found.target.api_root == BEIJING
    assert found.warnings == ("--workspace is not used: the endpoint is shared",)


@pytest.mark.parametrize(
    ("flags", "file"),
    [(Flags(endpoint="workspace"), Config()), (Flags(), config(endpoint="workspace"))],
)
def test_a_workspace_endpoint_needs_a_workspace(flags: Flags, file: Config) -> None:
    with pytest.raises(ConfigurationError, match="no workspace is set for beijing") as caught:
        get(flags, config=file)
    assert "zimage config set-workspace ID --region beijing" in (caught.value.hint or "")


# -- base URL ------------------------------------------------------------------------------------


def test_base_url_by_each_source_in_its_turn() -> None:
    urls = [f"https://{name}.example/api/v1" for name in "abcde"]
    file = config(base_url=urls[4])
    variables = {"DASHSCOPE_HTTP_BASE_URL": urls[3]}
    assert words(get(config=file).base_url) == ("base_url", urls[4], "config file")
    assert words(get(config=file, **variables).base_url) == (
        "base_url",
        urls[3],
        "environment DASHSCOPE_HTTP_BASE_URL",
    )
    variables["DASHSCOPE_BASE_URL"] = urls[2]
    found = get(config=file, **variables)
    assert words(found.base_url) == ("base_url", urls[2], "environment DASHSCOPE_BASE_URL")
    assert found.warnings == (
        "DASHSCOPE_BASE_URL and DASHSCOPE_HTTP_BASE_URL differ: the first is used",
    )
    found = get(None, urls[1], config=file, **variables)
    assert words(found.base_url) == ("base_url", urls[1], "the request")
    assert found.warnings == ()
    found = get(Flags(base_url=urls[0]), urls[1], config=file, **variables)
    assert words(found.base_url) == ("base_url", urls[0], "--base-url")
    assert found.target.region_name == "custom"


def test_two_variables_that_say_the_same_are_no_warning() -> None:
    found = get(
        DASHSCOPE_BASE_URL=f"{BEIJING}/services/aigc/multimodal-generation/generation",
        DASHSCOPE_HTTP_BASE_URL="https://dashscope.aliyuncs.com:443/",
    )
    assert found.warnings == ()
    assert found.target.api_root == BEIJING


def test_a_bad_request_url_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="from the request"):
        get(None, "http://example.com")


@pytest.mark.parametrize(
    ("url", "endpoint", "workspace"),
    [
        (SINGAPORE, "shared", None),
        ("https://trial.ap-southeast-1.maas.aliyuncs.com", "trial", None),
        ("https://ws-1.ap-southeast-1.maas.aliyuncs.com", "workspace", "ws-1"),
    ],
)
def test_a_service_host_says_region_endpoint_and_workspace(
    url: str, endpoint: str, workspace: str | None
) -> None:
    found = get(config=config(region="beijing"), DASHSCOPE_BASE_URL=url)
    assert found.target.region_name == found.target.key_region == "singapore"
    assert found.region.source == "base URL (environment DASHSCOPE_BASE_URL)"
    assert (found.endpoint.value, found.workspace.value) == (endpoint, workspace)
    (warning,) = found.warnings
    assert warning.endswith("and not to the region beijing (config file)")


def test_a_stronger_region_wins_and_says_so() -> None:
    found = get(Flags(region="singapore"), DASHSCOPE_BASE_URL=BEIJING)
    assert found.target.api_root == SINGAPORE
    (warning,) = found.warnings
    assert warning == (
        f"the base URL {BEIJING} from environment DASHSCOPE_BASE_URL is ignored: "
        "the region is singapore (--region)"
    )
    found = get(Flags(region="singapore"), BEIJING)
    assert found.target.api_root == SINGAPORE
    assert "from the request is ignored" in found.warnings[0]


def test_when_one_base_url_is_ignored_the_next_has_its_turn() -> None:
    trial = "https://trial.ap-southeast-1.maas.aliyuncs.com/api/v1"
    found = get(
        Flags(region="singapore"), DASHSCOPE_BASE_URL=BEIJING, config=config(base_url=trial)
    )
    assert found.target.api_root == trial


@pytest.mark.parametrize(
    ("flags", "file", "variables", "kind"),
    [
        (Flags(region="beijing", base_url=SINGAPORE), Config(), {}, UsageError),
        (
            Flags(),
            Config(),
            {"ZIMAGE_REGION": "beijing", "DASHSCOPE_BASE_URL": SINGAPORE},
            ConfigurationError,
        ),
        (Flags(), config(region="beijing", base_url=SINGAPORE), {}, ConfigurationError),
    ],
)
def test_equally_strong_and_different_is_an_error(
    flags: Flags, file: Config, variables: dict[str, str], kind: type[ZimageError]
) -> None:
    with pytest.raises(kind, match=r"the region is beijing .* is of singapore") as caught:
        get(flags, config=file, **variables)
    assert "A key belongs to one region" in (caught.value.hint or "")


def test_equally_strong_and_the_same_is_fine() -> None:
    found = get(Flags(region="singapore", base_url=SINGAPORE))
    assert place(found) == ("singapore", SINGAPORE, "--region", "--base-url")


def test_elsewhere_the_region_says_whose_key() -> None:
    found = get(ZIMAGE_REGION="singapore", DASHSCOPE_BASE_URL=ELSEWHERE)
    assert place(found) == (
        "custom",
        ELSEWHERE,
        "environment ZIMAGE_REGION",
        "environment DASHSCOPE_BASE_URL",
    )
    assert found.target.key_region == "singapore"
    assert found.endpoint.value == "custom"
    assert found.warnings == ()
    found = get(Flags(region="singapore", base_url=ELSEWHERE))
    assert (found.target.key_region, found.warnings) == ("singapore", ())
    found = get(config=config(keys=("singapore",)), DASHSCOPE_BASE_URL=ELSEWHERE)
    assert found.target.key_region == "singapore"
    assert found.warnings == ()
    key = found.key()
    assert key is not None
    assert key.value == KEY


@pytest.mark.parametrize(
    ("file", "variables", "source", "way_out"),
    [
        (
            Config(),
            {"DASHSCOPE_HTTP_BASE_URL": ELSEWHERE},
            "environment DASHSCOPE_HTTP_BASE_URL",
            "Or unset DASHSCOPE_HTTP_BASE_URL.",
        ),
        (config(base_url=ELSEWHERE), {}, "config file", "Or: zimage config unset base_url"),
    ],
)
def test_a_region_on_the_command_line_beside_a_base_url_of_no_region(
    file: Config, variables: dict[str, str], source: str, way_out: str
) -> None:
    with pytest.raises(UsageError) as caught:
        get(Flags(region="ap-southeast-1"), config=file, **variables)
    assert caught.value.message == (
        f"--region singapore and the base URL {ELSEWHERE} ({source}) contradict each other: "
        "that URL belongs to no region"
    )
    assert caught.value.hint == (
        "For the host of singapore: --endpoint shared. For another place: --base-url. " + way_out
    )
    found = get(Flags(region="singapore", endpoint="shared"), config=file, **variables)
    assert found.target.api_root == SINGAPORE
    assert found.warnings == (
        f"the base URL {ELSEWHERE} from {source} is ignored: the endpoint is shared (--endpoint)",
    )
    with pytest.raises(
        UsageError, match="the argument region singapore and the base URL"
    ) as caught:
        get(Flags(region="singapore", kind=Kind.ARGUMENT), config=file, **variables)
    assert "--" not in (caught.value.hint or "--")
    other = "https://other.example/api/v1"
    found = get(Flags(region="singapore", base_url=other), config=file, **variables)
    assert (found.target.api_root, found.target.key_region) == (other, "singapore")


@pytest.mark.parametrize(
    ("url", "region", "warned"),
    [
        (SINGAPORE, "beijing", True),
        (SINGAPORE, "singapore", False),
        (ELSEWHERE, "singapore", True),
        (BEIJING, "sandbox", True),
    ],
)
def test_a_base_url_of_the_environment_over_a_region_of_the_file_is_told(
    url: str, region: str, warned: bool
) -> None:
    found = get(config=config(region=region), DASHSCOPE_BASE_URL=url)
    assert found.target.api_root == url
    expected = (
        f"calls go to {url} (environment DASHSCOPE_BASE_URL), "
        f"and not to the region {region} (config file)"
    )
    assert found.warnings == ((expected,) if warned else ())


def test_a_request_that_goes_elsewhere_than_the_region_asked_for_is_told() -> None:
    (warning,) = get(Flags(region="singapore"), ELSEWHERE).warnings
    assert warning == (
        f"calls go to {ELSEWHERE} (the request), and not to the region singapore (--region)"
    )


@pytest.mark.parametrize(
    "host",
    [
        "dashscope.aliyuncs.com.evil.example",
        "evil-cn-beijing.maas.aliyuncs.com",
        "dashscope-us.aliyuncs.com",
    ],
)
def test_lookalikes_are_no_region(host: str) -> None:
    assert get(Flags(base_url=f"https://{host}")).target.region_name == "custom"


def test_a_stronger_endpoint_or_workspace_wins_over_a_base_url() -> None:
    found = get(Flags(endpoint="trial"), DASHSCOPE_HTTP_BASE_URL=BEIJING)
    assert found.target.host == "trial.cn-beijing.maas.aliyuncs.com"
    assert "the endpoint is trial (--endpoint)" in found.warnings[0]
    found = get(Flags(workspace="ws-f"), DASHSCOPE_HTTP_BASE_URL=BEIJING)
    assert found.target.host == "ws-f.cn-beijing.maas.aliyuncs.com"
    assert "the workspace is ws-f (--workspace)" in found.warnings[0]
    found = get(
        Flags(workspace="WS-f"),
        DASHSCOPE_HTTP_BASE_URL="https://ws-F.cn-beijing.maas.aliyuncs.com",
    )
    assert found.warnings == ()


@pytest.mark.parametrize(
    "flags",
    [
        Flags(endpoint="trial", base_url=BEIJING),
        Flags(workspace="ws", base_url=BEIJING),
    ],
)
def test_two_flags_that_say_where_to_call(flags: Flags) -> None:
    with pytest.raises(UsageError, match="--base-url"):
        get(flags)


def test_neighbours_variables_beside_each_other() -> None:
    found = get(DASHSCOPE_WORKSPACE_ID="ws", DASHSCOPE_HTTP_BASE_URL=SINGAPORE)
    assert found.target.api_root == SINGAPORE
    assert found.warnings == ()


# -- the sandbox ---------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [Flags(sandbox=True), Flags(region="SANDBOX")])
def test_the_sandbox_ignores_where_weaker_sources_would_call(flags: Flags) -> None:
    found = get(
        flags,
        config=config(region="beijing", base_url=BEIJING, endpoint="workspace", keys=("beijing",)),
        DASHSCOPE_BASE_URL="nonsense",
        DASHSCOPE_WORKSPACE_ID="a/b",
        DASHSCOPE_API_KEY="sk-0123456789abcdef",
    )
    assert found.target.is_sandbox
    assert found.target.api_root is None
    assert found.target.host is None
    assert (found.base_url.value, found.workspace.value) == (None, None)
    assert found.endpoint.value == found.region.value == "sandbox"
    assert found.key() is None
    assert found.warnings == ()


def test_a_requests_base_url_does_not_leave_the_sandbox() -> None:
    found = get(Flags(sandbox=True), BEIJING)
    assert found.target.is_sandbox
    assert found.warnings == ("the base_url of the request is ignored: --sandbox",)


@pytest.mark.parametrize(
    "flags",
    [
        Flags(sandbox=True, region="beijing"),
        Flags(sandbox=True, base_url=BEIJING),
        Flags(sandbox=True, endpoint="shared"),
        Flags(sandbox=True, workspace="ws"),
        Flags(region="sandbox", base_url=BEIJING),
    ],
)
def test_the_sandbox_and_a_place_contradict_each_other(flags: Flags) -> None:
    with pytest.raises(UsageError, match="contradict each other"):
        get(flags)


def test_the_sandbox_named_twice_is_fine() -> None:
    assert get(Flags(sandbox=True, region="sandbox")).target.is_sandbox
    assert not get(Flags(sandbox=False)).target.is_sandbox


def test_the_sandbox_by_environment_or_file_against_a_base_url() -> None:
    found = get(ZIMAGE_REGION="sandbox", DASHSCOPE_BASE_URL=BEIJING)
    assert found.target.is_sandbox
    assert "is ignored: the region is sandbox" in found.warnings[0]
    found = get(Flags(base_url=SINGAPORE), ZIMAGE_REGION="sandbox")
    assert place(found)[:2] == ("singapore", SINGAPORE)
    found = get(
        Flags(base_url=ELSEWHERE), ZIMAGE_REGION="sandbox", config=config(region="singapore")
    )
    assert (found.target.region_name, found.target.key_region) == ("custom", "singapore")


def test_the_sandbox_is_never_chosen_by_itself() -> None:
    with pytest.raises(AuthenticationError, match="no API key was found for beijing"):
        get().require_key()


# -- keys ----------------------------------------------------------------------------------------


def test_the_key_of_the_region_that_is_asked() -> None:
    other = Key("sk-singapore-0123456789")
    file = Config(keys={"beijing": KEY, "singapore": other})
    assert words(get(config=file).require_key()) == ("key", KEY, "config file")
    assert get(Flags(base_url=SINGAPORE), config=file).require_key().value == other
    assert get(Flags(base_url=SINGAPORE), config=config(keys=("beijing",))).key() is None


def test_a_coding_plan_key_goes_elsewhere_only() -> None:
    plan = "sk-sp-0123456789abcdef"
    with pytest.raises(AuthenticationError, match="Coding Plan"):
        get(DASHSCOPE_API_KEY=plan).key()
    assert get(Flags(base_url=ELSEWHERE), DASHSCOPE_API_KEY=plan).key() is not None


def test_a_refused_key_hints_at_the_other_region() -> None:
    hint = str(refused_key_hint(get(config=config(region="beijing", keys=("singapore",)))))
    assert "dashscope.aliyuncs.com (beijing) was asked" in hint
    assert "A key is stored for singapore: --region singapore" in hint
    hint = str(refused_key_hint(get(config=config(keys=("singapore",)))))
    assert "zimage config set-key --region singapore" in hint
    assert "zimage config show" in str(refused_key_hint(get(Flags(base_url=ELSEWHERE))))


# -- anything at all -----------------------------------------------------------------------------

TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [BEIJING, SINGAPORE, ELSEWHERE, "beijing", "sandbox", "trial", "workspace", "1"]
    ),
)
OPTIONAL = st.none() | TEXTS


@settings(max_examples=300, deadline=None)
@given(
    flags=st.builds(
        Flags,
        **{name: OPTIONAL for name, one in TABLE.items() if one.flags},
        sandbox=st.booleans(),
    ),
    request_url=OPTIONAL,
    variables=st.dictionaries(
        st.sampled_from(["ZIMAGE_REGION", "ZIMAGE_ENDPOINT", "DASHSCOPE_BASE_URL", "OUTPUT_DIR",
                         "DASHSCOPE_HTTP_BASE_URL", "DASHSCOPE_WORKSPACE_ID", "DASHSCOPE_API_KEY",
                         "DASHSCOPE_API_REGION", "DASHSCOPE_API_KEY_FILE_PATH", "ZIMAGE_HOME"]),
        TEXTS,
    ),
)  # fmt: skip
def test_any_flags_and_variables_are_settings_or_a_typed_error(
    flags: Flags, request_url: str | None, variables: dict[str, str]
) -> None:
    try:
        found = resolve(Environment(variables, HOME), flags, request_url, config=Config())
        found.key()
    except ZimageError:
        return
    assert found.target.is_sandbox == (found.target.api_root is None)
    if flags.sandbox:
        assert found.target.is_sandbox
    if found.target.region_name not in {"custom", "sandbox"}:
        assert found.target.region_name == found.region.value == found.target.key_region
