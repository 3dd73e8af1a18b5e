"""What kind of file a path is: dependencies, migrations, continuous integration, generated. Pure.

By its name alone, whatever its case: a policy that asks about such files wants to be asked once too often
rather than once too little.
"""

import re
from typing import Final

from codencer.globs import unquote_path

_MANIFESTS: Final = """
    requirements.txt constraints.txt pyproject.toml setup.py setup.cfg pipfile pipfile.lock poetry.lock
    uv.lock pdm.lock pixi.toml pixi.lock environment.yml environment.yaml conda-lock.yml package.json
    package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml pnpm-workspace.yaml bun.lock
    bun.lockb bower.json deno.json deno.jsonc deno.lock .npmrc .yarnrc .yarnrc.yml go.mod go.sum go.work
    go.work.sum gopkg.toml gopkg.lock cargo.toml cargo.lock gemfile gemfile.lock gems.rb gems.locked
    composer.json composer.lock pom.xml build.gradle build.gradle.kts settings.gradle
    settings.gradle.kts gradle.lockfile libs.versions.toml gradle-wrapper.properties ivy.xml build.sbt
    plugins.sbt deps.edn project.clj maven_install.json packages.config packages.lock.json
    directory.packages.props nuget.config paket.dependencies paket.lock global.json package.swift
    package.resolved podfile podfile.lock cartfile cartfile.resolved mix.exs mix.lock rebar.config
    rebar.lock stack.yaml stack.yaml.lock package.yaml cabal.project cabal.project.freeze pubspec.yaml
    pubspec.lock cpanfile cpanfile.snapshot makefile.pl build.pl description renv.lock conanfile.txt
    conanfile.py conan.lock vcpkg.json vcpkg-configuration.json flake.nix flake.lock project.toml
    manifest.toml dune-project build.zig.zon elm.json shard.yml shard.lock dub.json dub.sdl
    .terraform.lock.hcl chart.yaml chart.lock module.bazel module.bazel.lock workspace workspace.bazel
    buf.yaml buf.lock .gitmodules
"""
_DEPENDENCIES: Final = frozenset(_MANIFESTS.split())
_MORE_DEPENDENCIES: Final = re.compile(
    r"(^|/)(requirements|constraints)[^/]*\.(txt|in)$|(^|/)requirements/[^/]+\.(txt|in)$|(^|/)pylock[^/]*\.toml$"
    r"|\.(gemspec|csproj|fsproj|vbproj|cabal|rockspec|opam|nimble|wrap)$|(^|/)vendor/modules\.txt$"
)
_MIGRATION: Final = re.compile(
    r"(^|/)migrations?/|(^|/)migrate/|(^|/)alembic/versions/|(^|/)(db/changelog|liquibase|evolutions)/"
    r"|(^|/)[vur]\d[\d._]*__[^/]+\.(sql|java|kt)$|\.(up|down)\.sql$|(^|/)\d{3,}[_-][^/]*\.sql$"
    r"|(^|/)db/(schema\.rb|structure\.sql)$|(^|/)schema\.prisma$"
)
_CI: Final = re.compile(
    r"^\.(github|forgejo|gitea)/(workflows|actions)/|^\.gitlab-ci[^/]*\.ya?ml$|^\.gitlab/ci/|(^|/)jenkinsfile[^/]*$"
    r"|^\.(circleci|buildkite|woodpecker|teamcity|semaphore|tekton|harness|azure-pipelines|husky|ci)/"
    r"|^\.?(azure-pipelines[^/]*|travis|bitbucket-pipelines|drone|woodpecker|appveyor|cirrus|cloudbuild|wercker"
    r"|codefresh|buildspec|lefthook|pre-commit-config)\.(ya?ml|jsonnet)$"
    r"|^(\.github/|\.gitlab/|docs/)?codeowners$|^\.github/dependabot\.ya?ml$|(^|/)\.?renovate(rc)?(\.json5?)?$"
)
_GENERATED: Final = re.compile(
    r"(^|/)(node_modules|__pycache__|dist|build|target|generated|__generated__|\.next|\.nuxt|\.venv|venv"
    r"|[^/]+\.egg-info)/|\.min\.(js|css)$|\.(js|css)\.map$|_pb2(_grpc)?\.pyi?$|\.pb\.(go|cc|h|swift)$"
    r"|\.g\.(dart|cs)$|\.designer\.cs$|\.generated\.[^/]+$|\.(pyc|class|o|obj|so|dll|dylib|exe|jar|whl)$"
)


def is_dependency(path: str) -> bool:
    """Whether a path is a manifest or a lock file of a package manager."""
    plain = _plain(path)
    return plain.rpartition("/")[2] in _DEPENDENCIES or _MORE_DEPENDENCIES.search(plain) is not None


def is_migration(path: str) -> bool:
    """Whether it changes a database's schema, by where the usual tools keep such files."""
    return _MIGRATION.search(_plain(path)) is not None


def is_ci(path: str) -> bool:
    """Whether it says what runs on every push, or who has to agree to a change."""
    return _CI.search(_plain(path)) is not None


def is_generated(path: str) -> bool:
    """Whether it looks like the product of a tool."""
    return _GENERATED.search(_plain(path)) is not None


def _plain(path: str) -> str:
    return unquote_path(path).decode("utf-8", "surrogateescape").lower()
