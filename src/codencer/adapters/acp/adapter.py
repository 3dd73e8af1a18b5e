"""Adapters of agents that speak ACP: the ones of the table, and any command that is said to speak it.

A command of the user's own is left in the mode it begins with: what it asks is answered as `approvals`
says, and whether it asks at all is its own affair.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from codencer.adapters.acp.profiles import PROFILES, Profile
from codencer.adapters.acp.script import Script
from codencer.adapters.acp.session import AcpSession
from codencer.adapters.command import CommandAdapter
from codencer.adapters.programs import built_in, examine, executable
from codencer.adapters.variables import FOLDERS, MODELS, PROXIES
from codencer.errors import InvalidInput
from codencer.model.launch import Launch
from codencer.model.ports import Adapter, Assignment, Parser, Probe, Session, TwoWayAdapter
from codencer.model.step import AdapterSettings, Approvals, PromptChannel

HOME = "home"
"""The folder of an isolated agent, beside the files it is given."""


def make(name: str, settings: AdapterSettings | None, checkout: Path | None) -> TwoWayAdapter:
    """Return the adapter: the built-in one of that name, else the one for the settings' command."""
    profile = PROFILES.get(name)
    if profile is not None:
        return AcpAdapter(built_in(name, settings, asks=True), profile, checkout)
    if settings is None:
        raise InvalidInput(f"there is no agent {name!r} over ACP; there are {', '.join(PROFILES)}")
    if settings.prompt is not PromptChannel.STDIN or settings.success_exit_codes != (0,):
        raise InvalidInput(
            f"[adapters.{name}]: over ACP the prompt is part of the conversation, and the exit code says "
            "nothing: remove `prompt` and `success_exit_codes`"
        )
    return AcpCommand(settings, checkout)


class AcpCommand:
    """Any program that speaks ACP on its stdin and stdout."""

    def __init__(self, settings: AdapterSettings, checkout: Path | None) -> None:
        self.settings = settings
        self._command = CommandAdapter(settings, checkout)
        self._script = Script(name=settings.name, model=settings.model)

    @property
    def resumes(self) -> bool:
        return False

    def probe(self, environ: Mapping[str, str] = os.environ) -> Probe:
        return self._command.probe(environ)

    def launch(self, assignment: Assignment) -> Launch:
        settings = self.settings
        return Launch(
            argv=(*settings.command, *settings.arguments),
            env_names=settings.env,
            env=_own_home(settings, assignment),
            two_way=True,
        )

    def parser(self) -> Parser:
        return AcpSession(self.settings, self._script, None)

    def session(self, assignment: Assignment) -> Session:
        return AcpSession(self.settings, self._script, assignment)


class AcpAdapter:
    """An agent of the table."""

    def __init__(self, settings: AdapterSettings, profile: Profile, checkout: Path | None) -> None:
        self.settings = settings
        self._profile, self._checkout = profile, checkout
        self._unasked = settings.approvals is Approvals.ALLOW
        self._script = Script(
            name=settings.name,
            modes=profile.unattended if self._unasked else profile.asking,
            must_ask=not self._unasked,
            model="" if profile.model_option else settings.model,
            # Signing in writes the key into the agent's settings, so only where those are not the user's.
            auth_method=profile.auth_method if settings.isolated_home else None,
            error_words=profile.error_words,
            linger_seconds=profile.linger_seconds,
        )
        module = import_module(f"codencer.adapters.{profile.kin}")
        self._kin: Adapter = module.make(
            settings.name, replace(settings, approvals=Approvals.ALLOW), checkout
        )

    @property
    def resumes(self) -> bool:
        return self._profile.resumes and not self.settings.isolated_home

    def probe(self, environ: Mapping[str, str] = os.environ) -> Probe:
        if self.settings.isolated_home:
            environ = {name: value for name, value in environ.items() if name not in ("HOME", *FOLDERS)}
        known = self._kin.probe(environ).signed_in
        sign_in = f"sign in as for the adapter {self._profile.kin}"
        return examine(
            self._profile.program, self.settings, environ, self._checkout, signed_in=known, sign_in=sign_in
        )

    def launch(self, assignment: Assignment) -> Launch:
        profile, settings, kin = self._profile, self.settings, self._kin.launch(assignment)
        model = (profile.model_option, settings.model) if profile.model_option and settings.model else ()
        optional = filter(_leads_nowhere, kin.env_optional) if settings.isolated_home else kin.env_optional
        return Launch(
            argv=(
                executable(profile.program, settings),
                *profile.arguments,
                *(profile.unattended_arguments if self._unasked else ()),
                *model,
                *settings.arguments,
            ),
            env_names=settings.env,
            env_optional=tuple(optional),
            env={
                **kin.env,
                **({} if self._unasked else profile.asking_env),
                **_own_home(settings, assignment),
            },
            two_way=True,
            litter=kin.litter,
            reads=kin.reads,
            writes=kin.writes,
            copies=kin.copies,
        )

    def parser(self) -> Parser:
        return AcpSession(self.settings, self._script, None)

    def session(self, assignment: Assignment) -> Session:
        return AcpSession(self.settings, self._script, assignment)


def _leads_nowhere(variable: str) -> bool:
    """Whether it only opens a model: others may lead an agent back to the user's own settings."""
    opens = variable in (*PROXIES, *MODELS) or not variable.endswith(("*", "_DIR", "_HOME", "_ADDRESS"))
    return opens and variable not in FOLDERS


def _own_home(settings: AdapterSettings, assignment: Assignment) -> dict[str, str]:
    if not settings.isolated_home:
        return {}
    return {"HOME": os.fspath(assignment.result_file.with_name(HOME))}
