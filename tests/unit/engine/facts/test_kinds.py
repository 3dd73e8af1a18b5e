"""Kinds of files are told by their names, for the tools that people use."""

from collections.abc import Callable

import pytest

from codencer.engine.facts.kinds import is_ci, is_dependency, is_generated, is_migration

YES: dict[Callable[[str], bool], str] = {
    is_dependency: """
        requirements.txt requirements-dev.txt requirements/test.in requirements/base.txt constraints-3.11.txt
        pyproject.toml sub/pyproject.toml setup.cfg Pipfile Pipfile.lock poetry.lock uv.lock pylock.toml
        pylock.dev.toml package.json web/package-lock.json yarn.lock pnpm-lock.yaml bun.lockb go.mod go.sum
        Cargo.toml crates/a/Cargo.lock Gemfile Gemfile.lock a.gemspec composer.json pom.xml build.gradle.kts
        gradle/libs.versions.toml src/App.csproj Directory.Packages.props Package.swift Podfile.lock mix.exs
        mix.lock stack.yaml x.cabal pubspec.lock renv.lock conanfile.py vcpkg.json flake.lock Manifest.toml
        x.opam charts/a/Chart.lock MODULE.bazel .terraform.lock.hcl .gitmodules vendor/modules.txt
    """,
    is_migration: """
        app/migrations/0001_initial.py db/migrate/20240101_x.rb alembic/versions/abc.py src/V2__add.sql
        V1.2.3__x.java db/001_init.up.sql db/001_init.down.sql prisma/migrations/1/migration.sql
        db/schema.rb db/structure.sql prisma/schema.prisma db/0042_users.sql Data/Migrations/X.cs
        priv/repo/migrations/1.exs db/changelog/one.xml conf/evolutions/default/1.sql
    """,
    is_ci: """
        .github/workflows/test.yml .github/actions/a/action.yml .gitlab-ci.yml .gitlab-ci.rules.yml
        .circleci/config.yml Jenkinsfile ci/Jenkinsfile.release azure-pipelines.yml azure-pipelines-2.yaml
        .travis.yml bitbucket-pipelines.yml .drone.yml .buildkite/pipeline.yml appveyor.yml cloudbuild.yaml
        .cirrus.yml CODEOWNERS .github/CODEOWNERS docs/CODEOWNERS .github/dependabot.yml renovate.json
        .pre-commit-config.yaml .ci/run .husky/pre-commit
    """,
    is_generated: """
        dist/a.js web/dist/a.js node_modules/x/y.js a/__pycache__/b.cpython-311.pyc x.min.js a.js.map
        api_pb2.py api_pb2_grpc.pyi a.pb.go model.g.dart Form.Designer.cs x.generated.ts src/generated/a.ts
        a.egg-info/PKG-INFO Main.class libx.so target/debug/a
    """,
}
NO: dict[Callable[[str], bool], str] = {
    is_dependency: "src/package.py docs/requirements.md my-go.mod.txt cargo.rs lock requirements",
    is_migration: "src/migrate.py docs/migration.md sql/query.sql migrations.md 12_a.sql src/version__x.sql",
    is_ci: "src/github/workflows/a.yml docs/jenkins.md travis.md .github/README.md ci.py docs/ci/x",
    is_generated: "src/a.js distance.py building/a.py src/target.py tests/generate.py docs/out.md",
}


@pytest.mark.parametrize("kind", YES, ids=lambda kind: kind.__name__)
def test_what_is_of_a_kind_and_what_is_not(kind: Callable[[str], bool]) -> None:
    assert [path for path in YES[kind].split() if not kind(path)] == []
    assert [path for path in NO[kind].split() if kind(path)] == []


def test_a_path_that_is_no_text_is_looked_at_too() -> None:
    assert is_dependency('"caf\\351/package.json"')
    assert is_migration('"caf\\351/migrations/a.py"')
