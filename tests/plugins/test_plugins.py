"""No plugin takes the host or another plugin down; each fault is one row that says what to do."""

from __future__ import annotations

import json
import subprocess

import pytest

from frontdef.errors import ConfigError
from frontdef.registry import PluginError, require_plugins

from .conftest import TOUCH, Site, new_site, survey

HOOK = "import frontdef\n\n@frontdef.hookimpl\n"
IDENTITY = 'frontdef.Defense({name!r}, front_end="frontdef.frontend:Identity")'


def offering(*names):
    """Source of a plugin that offers these defenses."""
    lines = "".join(f"    yield {IDENTITY.format(name=name)}\n" for name in names)
    return f"{HOOK}def frontdef_defenses():\n{lines}"


# Name of the fault → source of `frontdef-bad`, status, what the reason says, what the mend says.
FAULTS = {
    "raises on import": (
        "x = 1\nraise RuntimeError('no luck')",
        "failed", "RuntimeError: no luck, raised on import (frontdef_bad/__init__.py, line 2)", "shows the traceback",
    ),
    "module not found": (
        "import surely_not_installed",
        "failed", "No module named 'surely_not_installed', raised on import", "install what it needs",
    ),
    "syntax error": ("def f(:\n    pass", "failed", "SyntaxError", "pip install --upgrade frontdef-bad"),
    "SystemExit on import": ("import sys; sys.exit(3)", "failed", "SystemExit: 3, raised on import", "upgrade"),
    "misspelt hook": (
        f"{HOOK}def frontdef_defences():\n    return []",
        "failed", "frontdef_defences() is marked as a hook", "renames it to frontdef_defenses",
    ),
    "hook of another host": (
        f"{HOOK}def frontdef_brew_coffee():\n    return []",
        "failed", "frontdef_brew_coffee() is marked as a hook", "frontdef_defenses",
    ),
    "hook without its mark": (
        "import frontdef\n\ndef frontdef_defenses():\n    return []",
        "failed", "not marked as a hook", "@frontdef.hookimpl",
    ),
    "no hook": ("x = 1", "failed", "implements no hook", "frontdef_defenses"),
    "extra hook argument": (
        f"{HOOK}def frontdef_defenses(config):\n    return []",
        "failed", "frontdef_defenses() wants the argument 'config', which frontdef does not give", "without arguments",
    ),
    "raises when called": (
        f"{HOOK}def frontdef_defenses():\n    raise ValueError('not today')",
        "failed", "ValueError: not today, raised when its hooks were called (frontdef_bad/__init__.py, line 5)",
        "upgrade",
    ),
    "raises after its first record": (
        f"{offering('early')}    raise ValueError('too late')",
        "failed", "ValueError: too late", "upgrade",
    ),
    "exits when called": (f"{HOOK}def frontdef_defenses():\n    raise SystemExit", "failed", "SystemExit", "upgrade"),
    "returns no iterable": (
        f"{HOOK}def frontdef_defenses():\n    return {IDENTITY.format(name='lone')}",
        "failed", "not an iterable", "`yield` or a list",
    ),
    "offers something else": (
        f"{HOOK}def frontdef_defenses():\n    yield 'lone'",
        "failed", "offers 'lone', not a Defense", "Defense records",
    ),
    "offers one id twice": (offering("twice", "twice"), "failed", "offers the defense 'twice' twice", "renames"),
    "invalid record": (offering("Not Valid"), "failed", "ConfigError", "upgrade"),
}  # fmt: skip

HOSTS = {
    "frontdef>=0.1,<0.2": "ok",
    "frontdef": "ok",
    "FrontDef>=9": "incompatible",
    "frontdef<0.1": "incompatible",
    "frontdef>=9 ; extra=='dev'": "ok",
    "frontdef>=9 ; python_version>'3'": "incompatible",
    "frontdef>>9": "failed",
}


class ForkedSite(Site):
    """What is asked here is what is found and told, not what else is imported."""

    run = Site.forked


@pytest.fixture
def site(tmp_path):
    return ForkedSite(new_site(tmp_path).folder)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Each fault alone beside `good`, one after the other in one process."""
    sites = {fault: new_site(tmp_path_factory.mktemp("site")) for fault in FAULTS}
    for fault, site in sites.items():
        site.install("frontdef-bad", FAULTS[fault][0], version="0.0.7")
    return survey(sites)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_row_and_the_host_goes_on(alone, fault):
    state = alone[fault]
    _, status, reason, mend = FAULTS[fault]
    for mode in ("guarded", "import"):
        bad = state[mode]["frontdef-bad"]
        assert (bad["name"], bad["version"], bad["status"]) == ("bad", "0.0.7", status)
        assert reason in bad["reason"]
        assert mend in bad["mend"]
        assert "good" in bad["disable"].removeprefix("FRONTDEF_PLUGINS=").split(",")
        assert "bad" not in bad["disable"].split(",")
        assert state[mode]["frontdef-good"]["status"] == "ok"
        assert state[mode]["frontdef"]["status"] == "ok"
    assert {"none", "good"} <= set(state["defenses"])
    assert not {"early", "lone", "twice"} & set(state["defenses"])


def test_all_faults_at_once(site):
    for number, (source, *_) in enumerate(FAULTS.values()):
        site.install(f"frontdef-bad{number}", source)
    state = site.state()
    assert {"none", "good"} <= set(state["defenses"])
    assert [state["import"][f"frontdef-bad{number}"]["status"] for number in range(len(FAULTS))] == [
        status for _, status, *_ in FAULTS.values()
    ]


def test_the_host_that_a_plugin_wants_is_read_before_it_is_imported(tmp_path_factory):
    sites = {wanted: new_site(tmp_path_factory.mktemp("site")) for wanted in HOSTS}
    for wanted, site in sites.items():
        site.install("frontdef-bad", TOUCH + offering("bad"), requires=("numpy", wanted))
    for wanted, state in survey(sites).items():
        row, status = state["import"]["frontdef-bad"], HOSTS[wanted]
        assert (wanted, row["status"]) == (wanted, status)
        assert ("bad" in state["defenses"]) is (status == "ok")
        assert sites[wanted].imported("frontdef-bad") is (status == "ok")
        if status == "incompatible":
            assert "this is frontdef 0.1" in row["reason"]
            assert "pip install --upgrade frontdef-bad" in row["mend"]
        assert {"none", "good"} <= set(state["defenses"])


def test_an_entry_point_name_that_two_claim_belongs_to_neither(site):
    for letter in "ab":
        site.install(f"frontdef-twin-{letter}", TOUCH + offering(letter), entry=f"twin = frontdef_twin_{letter}")
    state = site.state()
    for letter in "ab":
        row = state["import"][f"frontdef-twin-{letter}"]
        assert (row["name"], row["status"]) == ("twin", "duplicate")
        assert "frontdef-twin-a 0.1.0 and frontdef-twin-b 0.1.0" in row["reason"]
        assert f"pip uninstall frontdef-twin-{letter}" in row["mend"]
    assert not {"a", "b"} & set(state["defenses"])
    assert {"none", "good"} <= set(state["defenses"])
    assert not any(site.imported(f"frontdef-twin-{letter}") for letter in "ab")
    chosen = site.state(FRONTDEF_PLUGINS="frontdef-twin-b,good")
    assert chosen["import"]["frontdef-twin-b"]["status"] == "ok"
    assert chosen["import"]["frontdef-twin-a"]["status"] == "disabled"
    assert chosen["defenses"] == ["none", "good", "b"]


def test_a_defense_that_two_offer_has_a_full_name_only(site):
    for letter in "ab":
        site.install(f"frontdef-{letter}", offering("same", f"only-{letter}"))
    state = site.state()
    for letter, rival in ("ab", "ba"):
        row = state["import"][f"frontdef-{letter}"]
        assert row["status"] == "duplicate"
        assert f"the defense 'same' is also offered by frontdef-{rival} 0.1.0" in row["reason"]
        assert f"'frontdef-{letter}/same'" in row["mend"]
    assert {"none", "good", "only-a", "only-b"} <= set(state["defenses"])
    answers = site.ask("""
        import json
        from frontdef import registry
        try:
            registry.get_defense("same")
        except registry.PluginError as error:
            print(json.dumps([str(error), registry.get_defense("frontdef-b/same").name]))
    """)
    assert "'same' is claimed by two plugins. Name one of: frontdef-a/same, frontdef-b/same" in answers[0]
    assert answers[1] == "same"
    listed = [row["name"] for row in json.loads(site.cli("ls", "defenses", "--json").out)]
    assert {"frontdef-a/same", "frontdef-b/same", "only-a"} <= set(listed)


def test_what_frontdef_brings_itself_is_not_taken_over(site):
    site.install("frontdef-bad", offering("none", "extra"))
    site.install("frontdef-impostor", offering("x"), entry="frontdef = frontdef_impostor")
    state = site.state()
    assert state["import"]["frontdef-bad"]["status"] == "duplicate"
    assert state["import"]["frontdef-impostor"]["status"] == "duplicate"
    assert state["import"]["frontdef"]["status"] == "ok"
    assert state["import"]["frontdef"]["offers"]["defenses"] == ["none"]
    assert {"none", "good", "extra"} <= set(state["defenses"])
    assert "undefended" in site.ask(
        "import json; from frontdef.registry import get_defense; print(json.dumps(get_defense('none').summary))"
    )


def test_damaged_metadata_is_one_row(site):
    site.install("frontdef-bad", offering("bad"))
    (site.folder / "frontdef_bad-0.1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.4\n", encoding="utf-8")
    ended = site.cli("plugins", "--json")
    assert ended.code == 0
    assert {"frontdef-good", "frontdef"} <= {row["distribution"] for row in json.loads(ended.out)}


@pytest.mark.parametrize(
    ("allowed", "working"),
    [
        ("good", {"none", "good"}),
        ("frontdef_good", {"none", "good"}),
        ("", {"none"}),
        (" good , other ", {"none", "good"}),
    ],
)
def test_the_allow_list_keeps_the_others_from_being_imported(site, allowed, working):
    site.install("frontdef-bad", TOUCH + offering("bad"))
    state = site.state(FRONTDEF_PLUGINS=allowed)
    assert set(state["defenses"]) == working
    assert state["import"]["frontdef-bad"]["status"] == "disabled"
    assert "bad" in state["import"]["frontdef-bad"]["mend"].partition("FRONTDEF_PLUGINS=")[2].split(",")
    assert not site.imported("frontdef-bad")


def test_a_name_in_the_allow_list_that_is_not_installed_is_told(site):
    ended = site.cli("plugins", FRONTDEF_PLUGINS="god")
    assert ended.code == 0
    assert ended.err == "warning: FRONTDEF_PLUGINS names 'god', which is not installed. Did you mean 'good'?\n"


def test_strict_makes_a_fault_an_error(site):
    site.install("frontdef-bad", "raise RuntimeError('no luck')")
    for command in (("plugins",), ("ls", "defenses")):
        ended = site.cli(*command, FRONTDEF_STRICT="1")
        assert ended.code == 2
        assert ended.err.startswith("error: FRONTDEF_STRICT is set, and bad (frontdef-bad 0.1.0) is failed: RuntimeErr")
        assert ended.err.count("\n") == 1
    assert site.cli("plugins", FRONTDEF_STRICT="0").code == 0
    assert site.cli("plugins", FRONTDEF_STRICT="1", FRONTDEF_PLUGINS="good").code == 0
    assert site.cli("plugins", FRONTDEF_STRICT="1", FRONTDEF_PLUGINS="good,gone").code == 2


def test_load_imports_what_records_refer_to(site):
    source = f'{HOOK}def frontdef_defenses():\n    yield frontdef.Defense("bad", front_end="frontdef_bad.gone:X")'
    site.install("frontdef-bad", source)
    rows = {row["name"]: row for row in json.loads(site.cli("plugins", "--json").out)}
    assert rows["bad"]["status"] == "ok"
    loaded = {
        row["name"]: row for row in json.loads(site.cli("plugins", "--json", "--load", FRONTDEF_PLUGINS="good,bad").out)
    }
    assert loaded["bad"]["status"] == "failed"
    assert "frontdef_bad.gone" in loaded["bad"]["reason"]
    assert loaded["good"]["status"] == loaded["frontdef"]["status"] == "ok"


def test_the_table_and_the_pins(site):
    site.install("frontdef-bad", "print('noise')\nraise RuntimeError('no luck \\x1b[31m' + 'and so on ' * 30)")
    ended = site.cli("plugins")
    assert ended.code == 0
    assert max(map(len, ended.out.splitlines())) <= 100
    assert "noise" not in ended.out
    assert "\x1b" not in ended.out
    lines = ended.out.splitlines()
    assert [line.split()[:4] for line in lines if line.startswith(("bad", "good"))] == [
        ["bad", "frontdef-bad", "0.1.0", "failed"],
        ["good", "frontdef-good", "1.2.3", "ok"],
    ]
    told, _, remedy = ended.out.partition("\nto go on with those that are ok:\n")
    assert "1 failed" in told.splitlines()[-1]
    command = ["sh", "-c", f'{remedy.strip()}; printf %s "$FRONTDEF_PLUGINS"']
    allowed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "good" in allowed.split(",")
    assert "failed" not in site.cli("plugins", FRONTDEF_PLUGINS=allowed, FRONTDEF_STRICT="1").out
    pins = site.cli("plugins", "--requirements").out.splitlines()
    assert {"frontdef==0.1.0", "frontdef-good==1.2.3"} <= set(pins)
    assert "# left out: frontdef-bad==0.1.0 is failed" in pins
    assert not any(line.startswith("frontdef-bad") for line in pins)


def test_an_unknown_defense_of_a_broken_plugin_names_the_fault(site):
    site.install("frontdef-bad", offering("bad"), requires=("frontdef>=9",))
    ended = site.run("-c", "import frontdef.registry as r; r.get_defense('bad')")
    assert "The plugin 'bad' is incompatible: wants frontdef>=9" in ended.err


REQUIRE = """
    import json, sys
    from frontdef.registry import PluginError, require_plugins
    try:
        require_plugins({lines!r})
    except PluginError as error:
        print(json.dumps(str(error)))
    else:
        print("null")
"""


def test_required_plugins(site):
    site.install("frontdef-bad", "raise RuntimeError('no luck')")
    assert site.ask(REQUIRE.format(lines=["frontdef-good>=1.2", "Frontdef_Good", "frontdef>=0.1"])) is None
    error = site.ask(REQUIRE.format(lines=["frontdef-good>=2", "frontdef-gone", "frontdef-bad"]))
    assert "frontdef-good>=2 is wanted, 1.2.3 is installed. Mend: pip install 'frontdef-good>=2'" in error
    assert "frontdef-gone is not installed" in error
    assert "frontdef-bad 0.1.0 is failed: RuntimeError: no luck" in error


def test_required_plugins_are_requirements():
    require_plugins([])
    with pytest.raises(ConfigError, match=r"reads 'frontdef-wavelet>=0\.1', got 'a b c'"):
        require_plugins(["a b c"])
    with pytest.raises(PluginError, match="frontdef-surely-not-there is not installed"):
        require_plugins(["frontdef-surely-not-there"])
