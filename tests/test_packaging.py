"""What is published says the same everywhere: versions, tools, settings, files."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from pathspec import GitIgnoreSpec

import minimax
import minimax_server
from minimax.audience import address_chat
from minimax.errors import SettingsError
from minimax.sandbox import Sandbox
from minimax.settings import API_HOSTS, LOG_LEVELS, Settings, where_keys_go
from tests.clients.packages import (
    ENVIRONMENT,
    Unavailable,
    npm_package,
    npm_program,
    program,
    ran,
    skipped_if_it_cannot_be_had,
    uv,
)
from tests.support import samples
from tests.support.in_process import connected, failure
from tests.support.markdown import blocks
from tests.test_project import in_a_checkout

ROOT = Path(__file__).resolve().parent.parent
PACKAGING = ROOT / "packaging"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
GOLDEN = ROOT / "tests" / "golden"
STARTING_SECONDS = 120.0
INSTALL_SECONDS = 300.0
"""An environment may have to be built first."""


def load() -> ModuleType:
    """packaging/build.py; its folder is no package, since a package of that name exists."""
    spec = importlib.util.spec_from_file_location("build_packages", PACKAGING / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build = load()


def documented_settings() -> list[str]:
    """Those of a server that a host starts; a team's deployment is not installed by a registry."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return re.findall(r"(?m)^#? ?(MINIMAX_(?!TEAM_)\w+)=", text)


PATTERNS = {
    target: GitIgnoreSpec.from_lines(
        PROJECT["tool"]["hatch"]["build"]["targets"][target]["include"]
    )
    for target in ("wheel", "sdist")
}
STRAYS = (
    ".env",
    "notes.txt",
    "LICENSE.bak",
    "minimax/.env",
    "minimax/.secret.py",
    "minimax/x.bak",
    "minimax/notes.txt",
    "minimax/api/client.py.orig",
    "minimax/api/client.py~",
    "minimax/__pycache__/x.cpython-311.pyc",
    "minimax/sandbox/media/mine.wav",
    "minimax/ledger/ledger.db",
    "packaging/notes.txt",
    "packaging/token",
    "tests/recording.mp3",
    "tests/golden/notes.txt",
    "docs/plan.txt",
    "docs/LICENSE",
    "docs/.draft.md",
    "dist/old.whl",
    "sub/minimax/x.py",
)
"""What may be left in somebody's folder."""


def plant_strays(folder: Path) -> None:
    for name in STRAYS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("secret", encoding="utf-8")


def copy_project(folder: Path) -> None:
    """This project as a release has it, with stray files planted in it."""
    for name in tracked_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    plant_strays(folder)


def tracked_files() -> list[str]:
    """What git knows; whatever is in the folder, where there is no git."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def own_files(folder: Path) -> set[str]:
    """What the server consists of, by path."""
    files = {path for path in (folder / "minimax").rglob("*") if path.is_file()}
    files.add(folder / "minimax_server.py")
    return {f.relative_to(folder).as_posix() for f in files if "__pycache__" not in f.parts}


# --- one version, one list of tools, one list of settings --------------------------------------


def test_the_version_stands_in_no_file_but_one_and_reaches_all() -> None:
    for file in PACKAGING.iterdir():
        assert file.is_dir() or minimax.__version__ not in file.read_text(encoding="utf-8"), file
    entry = build.registry_entry()
    found = {build.manifest()["version"], entry["version"], entry["packages"][0]["version"]}
    assert found == {minimax.__version__}


def test_the_bundle_names_the_tools_that_a_host_sees() -> None:
    golden = {file.stem.removeprefix("tool-") for file in GOLDEN.glob("tool-*.json")}
    assert {tool["name"] for tool in build.manifest()["tools"]} == golden


def test_the_registry_is_told_every_setting_and_none_that_there_is_not() -> None:
    [package] = build.registry_entry()["packages"]
    settings = {setting["name"]: setting for setting in package["environmentVariables"]}
    assert list(settings) == documented_settings()
    assert settings["MINIMAX_API_KEY"]["isSecret"]
    assert settings["MINIMAX_API_HOST"]["choices"] == list(API_HOSTS)
    assert set(settings["MINIMAX_LOG_LEVEL"]["choices"]) <= set(LOG_LEVELS)


def test_the_bundle_asks_for_key_host_and_folder_and_leaves_nothing_unfilled() -> None:
    manifest = build.manifest()
    asked, env = manifest["user_config"], manifest["server"]["mcp_config"]["env"]
    assert set(env) <= set(documented_settings())
    assert set(env.values()) == {f"${{user_config.{name}}}" for name in asked}
    # Without a default the host hands over the placeholder itself; empty counts as not set.
    assert {option["default"] for option in asked.values()} == {""}
    assert asked["api_key"]["sensitive"]


def test_the_image_has_the_projects_files_command_and_settings() -> None:
    text = (PACKAGING / "Dockerfile").read_text(encoding="utf-8")
    copied = re.findall(r"(?m)^COPY (?!--)(.+) \S+$", text)
    assert copied
    assert all((ROOT / name).exists() for line in copied for name in line.split())
    assert f'ENTRYPOINT ["{PROJECT["project"]["name"]}"]' in text
    assert set(re.findall(r"MINIMAX_\w+", text)) <= set(documented_settings())


def test_uvx_finds_the_command_under_the_packages_name() -> None:
    name = PROJECT["project"]["name"]
    assert PROJECT["project"]["scripts"] == {name: "minimax_server:main"}
    assert build.registry_entry()["packages"][0]["identifier"] == name
    assert build.manifest()["name"] == name


def test_the_registry_entry_keeps_the_registrys_rules() -> None:
    entry = build.registry_entry("somebody")
    assert re.search(r"/schemas/\d{4}-\d\d-\d\d/server\.schema\.json$", entry["$schema"])
    assert entry["name"] == f"io.github.somebody/{PROJECT['project']['name']}"
    assert 1 <= len(entry["description"]) <= 100


def test_all_speak_of_the_same_python() -> None:
    oldest = PROJECT["project"]["requires-python"]
    assert build.manifest()["compatibility"]["runtimes"]["python"] == oldest
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    tested = re.findall(r'"(3\.\d+)"', workflow)
    assert tested[0] == oldest.removeprefix(">=")
    image = (PACKAGING / "Dockerfile").read_text(encoding="utf-8")
    assert set(re.findall(r"FROM python:(3\.\d+)", image)) <= set(tested)
    assert ".ci/run" in workflow


def test_no_checkout_of_the_checks_changes_the_ends_of_lines() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    setting = workflow.index("git config --global core.autocrlf false")
    assert setting < workflow.index("uses: actions/checkout@")


def test_the_bundle_holds_what_running_needs_and_no_tests(tmp_path: Path) -> None:
    build.fill_bundle(tmp_path)
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    found = {name for name in found if (tmp_path / name).is_file()}
    assert own_files(tmp_path) == own_files(ROOT)
    assert found - own_files(ROOT) == {
        "README.md",
        "manifest.json",
        "packaging/hatch_build.py",
        "packaging/py.typed",
        "pyproject.toml",
    }
    assert (tmp_path / "LICENSE").is_file()
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project) == {"build-system", "project", "tool"}
    assert project["project"] == PROJECT["project"]
    assert project["tool"] == {name: PROJECT["tool"][name] for name in ("hatch", "uv")}


@pytest.mark.parametrize(("arguments", "warned"), [([], True), (["--owner", "anna"], False)])
def test_a_build_without_an_owner_warns_that_the_registry_refuses_it(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    warned: bool,
) -> None:
    monkeypatch.setattr(sys, "argv", ["build.py", "--into", str(tmp_path), *arguments])
    monkeypatch.setattr(shutil, "which", lambda _: None)  # it ends before it builds
    assert build.main() == 1
    assert ("without --owner" in capsys.readouterr().err) is warned


def test_a_bundle_names_the_form_that_its_host_asks_for_the_key_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    build.fill_bundle(tmp_path)
    monkeypatch.setattr("minimax.settings.ENV_FILE", tmp_path / ".env")
    form = build.manifest()["user_config"]["api_key"]["title"]
    assert where_keys_go() == f'the field "{form}" of MiniMax under Settings > Extensions'
    with address_chat(), pytest.raises(SettingsError) as caught:
        Settings.from_env(environ={"MINIMAX_API_KEY": "a b"}, env_file=tmp_path / ".env")
    assert f"MINIMAX_API_KEY in {where_keys_go()} has characters" in str(caught.value)


@pytest.mark.anyio
async def test_a_bundle_without_a_key_says_nothing_of_files_and_commands(
    settings: Settings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("manifest.json", "pyproject.toml"):
        samples.put(tmp_path / name, b"{}")
    monkeypatch.setattr("minimax.settings.ENV_FILE", tmp_path / ".env")
    keyless = replace(settings, api_key=None)
    async with connected(keyless, sandbox) as client:
        said = await failure(client, "list_voices")
    assert 'put it into the field "API key" of MiniMax under Settings > Extensions' in said
    assert not any(word in said for word in ("env", "--sandbox"))


@pytest.mark.parametrize("target", PATTERNS)
@pytest.mark.parametrize("name", [name for name in STRAYS if "/." not in f"/{name}"])
def test_no_pattern_takes_a_stray_file(name: str, target: str) -> None:
    assert not PATTERNS[target].match_file(name)


def test_hidden_files_are_left_out_whatever_their_type() -> None:
    hidden = GitIgnoreSpec.from_lines(PROJECT["tool"]["hatch"]["build"]["exclude"])
    for name in STRAYS:
        assert hidden.match_file(name) is ("/." in f"/{name}"), name


@in_a_checkout
def test_the_source_archive_has_everything_but_what_is_about_developing() -> None:
    left_out = {name for name in tracked_files() if not PATTERNS["sdist"].match_file(name)}
    assert {name.split("/")[0] for name in left_out} <= {
        ".ci",
        ".env.example",
        ".github",
        ".gitignore",
        ".pre-commit-config.yaml",
        "pyproject.toml",  # always comes along
    }


@in_a_checkout
def test_the_package_is_what_the_patterns_of_the_wheel_take(tmp_path: Path) -> None:
    copy_project(tmp_path)
    assert {*build.package_files(tmp_path), "minimax_server.py"} == own_files(ROOT)


def test_everything_that_builds_names_the_version_of_its_tools() -> None:
    image = (PACKAGING / "Dockerfile").read_text(encoding="utf-8")
    bases = set(re.findall(r"(?m)^FROM (\S+)", image))
    assert len(bases) == 1
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", bases.pop())
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    [of_image], [of_script] = (
        re.findall(r"pip install .*\buv(\S*)$", t, re.MULTILINE) for t in (image, script)
    )
    assert re.fullmatch(r"==\d+\.\d+\.\d+", of_image)
    assert of_image == of_script
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    actions = re.findall(r"uses: \S+@(\S+)", workflow)
    assert actions
    assert all(re.fullmatch(r"v\d+\.\d+\.\d+|[0-9a-f]{40}", version) for version in actions)


# --- built and started; needs npm, or an environment of its own --------------------------------


async def serve(command: str, *arguments: str, cwd: Path, **env: str) -> tuple[list[str], str]:
    """Start a server as a host does; the tools that it lists, and its version."""
    server = StdioServerParameters(
        command=command, args=list(arguments), env={**of_nobody(), **env}, cwd=cwd
    )
    with anyio.fail_after(STARTING_SECONDS):
        async with Client(server) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            assert client.server_info is not None
            return tools, client.server_info.version


def as_here() -> tuple[list[str], str]:
    return [tool.name for tool in minimax_server.toolbox.tools], minimax.__version__


@pytest.mark.clients
def test_the_wheel_holds_the_server_with_the_sandboxs_media_and_no_tests(tmp_path: Path) -> None:
    names = set(zipfile.ZipFile(build_wheel(tmp_path)).namelist())
    assert {name for name in names if ".dist-info/" not in name} == wheel_files()
    assert "minimax/sandbox/media/video.mp4" in names


@pytest.mark.clients
@in_a_checkout
def test_stray_files_are_in_neither_archive(tmp_path: Path) -> None:
    project, into = tmp_path / "project", tmp_path / "built"
    copy_project(project)
    with skipped_if_it_cannot_be_had():
        command = [uv(), "build", "--out-dir", str(into), str(project)]
    done = ran(command, cwd=tmp_path, env=ENVIRONMENT, limit_seconds=STARTING_SECONDS)
    assert done.returncode == 0, done.stderr
    [wheel], [source] = into.glob("*.whl"), into.glob("*.tar.gz")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == wheel_files()
    with tarfile.open(source) as archive:
        members = {name.partition("/")[2] for name in archive.getnames()}
    assert members <= {*tracked_files(), "PKG-INFO"}
    assert members >= own_files(ROOT) | {"README.md", "LICENSE", "tests/conftest.py"}
    assert not members & set(STRAYS)


def wheel_files() -> set[str]:
    """What the wheel must hold, besides what is about the package."""
    package = own_files(ROOT) - {"minimax_server.py"}
    return package | {"minimax_server/__init__.py", "minimax_server/py.typed"}


def build_wheel(folder: Path) -> Path:
    with skipped_if_it_cannot_be_had():
        command = [uv(), "build", "--wheel", "--out-dir", str(folder), str(ROOT)]
    done = ran(command, cwd=folder, env=ENVIRONMENT, limit_seconds=STARTING_SECONDS)
    assert done.returncode == 0, done.stderr
    [wheel] = folder.glob("*.whl")
    return wheel


PROGRAM = """
import asyncio

from minimax_server import generate_video, query_video_generation


async def main() -> None:
    job = asyncio.create_task(generate_video("a dog", dry_run=True))
    reveal_type(await job)  # told
    await query_video_generation(task_id=3)  # told
    await generate_video("a dog", nonsense=1)  # told
"""


def make_environment(folder: Path, *packages: str) -> Path:
    """The Python of a new environment with these packages."""
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    with skipped_if_it_cannot_be_had():
        for command in (
            [uv(), "venv", "--seed", "--python", sys.executable, str(folder / "venv")],
            [uv(), "pip", "install", "--python", str(python), *packages],
        ):
            done = ran(command, cwd=folder, env=ENVIRONMENT, limit_seconds=INSTALL_SECONDS)
            if done.returncode:
                raise Unavailable(done.stderr)
    return python


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment into which the wheel and type checkers were installed."""
    folder = tmp_path_factory.mktemp("installed")
    wheel = build_wheel(folder)
    return make_environment(folder, str(wheel), "mypy", "pyright")


CHECKERS = {
    "mypy": ["-m", "mypy", "--strict"],
    "pyright": ["-m", "pyright"],
}


@pytest.mark.clients
@pytest.mark.parametrize("checker", CHECKERS)
def test_an_installed_wheel_is_typed(checker: str, installed: Path, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    here = ["--pythonpath", str(installed)] if checker == "pyright" else []
    command = [str(installed), *CHECKERS[checker], *here, "program.py"]
    done = ran(command, cwd=tmp_path, env=ENVIRONMENT, limit_seconds=INSTALL_SECONDS)
    if checker == "pyright" and "error:" not in done.stdout:
        pytest.skip(f"pyright brings its program from npm, which failed: {done.stderr[-200:]}")
    complaints = {int(line) for line in re.findall(r"program\.py:(\d+)", done.stdout)}
    marked = [n for n, line in enumerate(PROGRAM.splitlines(), 1) if line.endswith("# told")]
    assert complaints == set(marked), done.stdout
    assert "task_id" in done.stdout or "SubmittedVideo" in done.stdout


LIBRARY_PROGRAM = """
import asyncio

from minimax.testing import IsolatedSandbox
from minimax_server import MiniMax, list_voices

with IsolatedSandbox():
    print(asyncio.run(list_voices())["total"] > 0)
"""


def documented_command(name: str) -> list[str]:
    """How the library page installs this folder, with this program."""
    lines = [block.text for block in blocks("sh", documents=[ROOT / "docs" / "LIBRARY.md"])]
    [line] = [line for line in lines if line.startswith(f"{name} ")]
    return line.replace("/path/to/this/folder", str(ROOT)).split()


@pytest.mark.clients
def test_a_project_that_adds_this_folder_with_uv_can_use_it(tmp_path: Path) -> None:
    python = f">={sys.version_info.major}.{sys.version_info.minor}"
    project = f'[project]\nname = "mine"\nversion = "1"\nrequires-python = "{python}"\n'
    (tmp_path / "pyproject.toml").write_text(project, encoding="utf-8")
    _, *arguments = documented_command("uv")
    for command in (
        [uv(), *arguments, "--python", sys.executable],
        [uv(), "run", "python", "-c", LIBRARY_PROGRAM],
    ):
        done = ran(command, cwd=tmp_path, env=of_nobody(), limit_seconds=INSTALL_SECONDS)
        assert done.returncode == 0, done.stderr
    assert done.stdout == "True\n"


@pytest.mark.clients
def test_pip_installs_this_folder(tmp_path: Path) -> None:
    python = make_environment(tmp_path, "pip")
    for command in (
        [str(python), "-m", *documented_command("pip")],
        [str(python), "-c", LIBRARY_PROGRAM],
    ):
        done = ran(command, cwd=tmp_path, env=of_nobody(), limit_seconds=INSTALL_SECONDS)
        assert done.returncode == 0, done.stderr
    assert done.stdout == "True\n"


def of_nobody() -> dict[str, str]:
    """The environment without that of these tests."""
    of_tests = {"VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "PYTHONPATH"}
    return {name: value for name, value in ENVIRONMENT.items() if name not in of_tests}


@pytest.mark.clients
def test_pre_commit_takes_its_configuration(tmp_path: Path) -> None:
    with skipped_if_it_cannot_be_had():
        uvx = [uv(), "tool", "run", "pre-commit"]
    hooks = ROOT / ".pre-commit-config.yaml"
    done = ran(
        [*uvx, "validate-config", str(hooks)],
        cwd=tmp_path,
        env=ENVIRONMENT,
        limit_seconds=INSTALL_SECONDS,
    )
    if "error: Failed to fetch" in done.stderr:
        pytest.skip("pre-commit cannot be had here")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.clients
def test_the_demo_runs_from_an_installed_wheel(installed: Path, home: Path) -> None:
    program = "import sys, minimax_server; sys.exit(minimax_server.main(['demo']))"
    env = {**ENVIRONMENT, "HOME": str(home), "MINIMAX_MCP_BASE_PATH": str(home / "MiniMax")}
    done = ran([str(installed), "-c", program], cwd=home, env=env, limit_seconds=STARTING_SECONDS)
    assert done.returncode == 0, done.stderr
    assert "no cost" in done.stdout


@pytest.mark.clients
@pytest.mark.anyio
async def test_the_console_script_serves_from_an_environment_of_its_own(
    home: Path, tmp_path: Path
) -> None:
    with skipped_if_it_cannot_be_had():
        uvx = [uv(), "tool", "run", "--from", str(ROOT), "--refresh-package", "minimax-server"]
    command = [*uvx, "minimax-server"]
    told = ran(
        [*command, "--version"], cwd=tmp_path, env=ENVIRONMENT, limit_seconds=STARTING_SECONDS
    )
    assert told.stdout.strip() == minimax.__version__, told.stderr
    places = {"MINIMAX_MCP_BASE_PATH": str(home), "MINIMAX_MCP_STATE_DIR": str(home)}
    assert await serve(*command, "--sandbox", cwd=tmp_path, **places) == as_here()


@pytest.mark.clients
@pytest.mark.anyio
async def test_the_bundle_is_valid_and_starts_as_a_host_starts_it(
    home: Path, tmp_path: Path
) -> None:
    name, _, version = build.BUNDLER.rpartition("@")
    with skipped_if_it_cannot_be_had():
        box = npm_package(name, version)
        bundler, uv_folder = npm_program(box, name, "mcpb"), str(Path(uv()).parent)
    bundle = build.pack_bundle(tmp_path, bundler)
    installed = tmp_path / "installed"
    zipfile.ZipFile(bundle).extractall(installed)
    config = start_as_host(box, installed)
    assert "${" not in json.dumps(config)
    path = os.pathsep.join([uv_folder, ENVIRONMENT["PATH"]])
    env = {**config["env"], "MINIMAX_MCP_STATE_DIR": str(home), "PATH": path}
    assert await serve(config["command"], *config["args"], cwd=tmp_path, **env) == as_here()


def start_as_host(box: Path, installed: Path) -> dict[str, Any]:
    script = ROOT / "tests" / "clients" / "bundle.mjs"
    command = [program("node"), str(script), str(box), str(installed)]
    done = ran(command, cwd=installed, env=ENVIRONMENT, limit_seconds=STARTING_SECONDS)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# --- a team's deployment -----------------------------------------------------------------------

TEAM = PACKAGING / "team"


def team_settings() -> set[str]:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return set(re.findall(r"(?m)^(MINIMAX_\w+)=", text))


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "Caddyfile"])
def test_a_teams_deployment_names_settings_that_there_are(name: str) -> None:
    text = (TEAM / name).read_text(encoding="utf-8")
    assert set(re.findall(r"MINIMAX_[A-Z_]+", text)) <= team_settings()


def test_a_teams_image_holds_the_projects_files_and_runs_as_nobody_special() -> None:
    text = (TEAM / "Dockerfile").read_text(encoding="utf-8")
    copied = re.findall(r"(?m)^COPY (?!--)(.+) \S+$", text)
    assert copied
    assert all((ROOT / name).exists() for line in copied for name in line.split())
    assert "USER minimax" in text
    assert text.index("USER minimax") < text.index("ENTRYPOINT")
    own = (PACKAGING / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall("FROM (python:[^ ]+)", text) == re.findall("FROM (python:[^ ]+)", own)


def test_a_teams_containers_are_read_only_and_given_time_to_answer() -> None:
    from minimax.team.settings import DEFAULT_DRAIN_SECONDS

    runtime = pytest.importorskip("minimax.team.runtime", reason="needs the extra `team`")
    text = (TEAM / "compose.yaml").read_text(encoding="utf-8")
    assert "read_only: true" in text
    assert "no-new-privileges" in text
    grace = [int(seconds) for seconds in re.findall(r"stop_grace_period: (\d+)s", text)]
    assert max(grace) > DEFAULT_DRAIN_SECONDS + runtime.LAST_WORK_SECONDS
    commands = {name for name in ("serve-http", "work", "set-up") if f"command: [{name}" in text}
    assert commands == {"serve-http", "work", "set-up"}
    balancer = (TEAM / "Caddyfile").read_text(encoding="utf-8")
    assert "lb_retries 0" in balancer
    assert "health_uri /readyz" in balancer
    assert set(re.findall(r"serve-\d(?=:)", balancer)) == set(re.findall(r"serve-\d(?=:)", text))


def test_the_development_group_has_the_extras_without_the_name_of_the_project() -> None:
    group = PROJECT["dependency-groups"]["dev"]
    extras = PROJECT["project"]["optional-dependencies"]
    assert {needed for extra in extras.values() for needed in extra} <= set(group)
    assert not [needed for needed in group if needed.startswith(PROJECT["project"]["name"])]
