"""Credentials in text, by the forms that their issuers give them. Pure.

A rule of its own set and no library: the kept one of some size needs six times as long for a large
diff, brings five packages and takes every hash in a lock file for a secret. A rule has a literal that
is looked for first, so text without any costs next to nothing; no pattern goes beyond a line or can
backtrack far. What is found is never repeated: a finding names the rule and the place.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

LEAST_ENTROPY: Final = 3.0
"""Bits a character of a value that nobody made up while typing."""
_PLACEHOLDERS: Final = re.compile(
    rb"example|sample|dummy|changeme|change_me|placeholder|redacted|your[_-]|xxxx|\*\*\*\*|\.\.\.\.|<|>|\{|\$|%"
    rb"|environ|getenv|process\.env|secrets?\.|config\.|settings\.|://|localhost",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`literals` are in lower case: one of them is in every text that matches. The first group, if there is
    one, is the secret itself; `plausible` may have a look at it."""

    name: str
    literals: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    plausible: Callable[[bytes], bool] | None = None


def _rule(name: str, literals: str, pattern: bytes, plausible: Callable[[bytes], bool] | None = None) -> Rule:
    found = tuple(each.encode() for each in literals.split())
    return Rule(name=name, literals=found, pattern=re.compile(pattern, re.MULTILINE), plausible=plausible)


def is_random(value: bytes) -> bool:
    """Whether a value looks like a credential and not like a word, a name or a placeholder."""
    if _PLACEHOLDERS.search(value) or len(set(value)) < 6:
        return False
    classes = sum(bool(re.search(kind, value)) for kind in (rb"[a-z]", rb"[A-Z]", rb"[0-9]", rb"[^\w]"))
    return classes >= 2 and re.search(rb"\d", value) is not None and _entropy(value) >= LEAST_ENTROPY


def _is_password(value: bytes) -> bool:
    """In a URL even a weak one is real, unless it stands for another."""
    return not _PLACEHOLDERS.search(value) and value.lower() not in (b"password", b"pass", b"pwd", b"secret")


def _entropy(value: bytes) -> float:
    total = len(value)
    return -sum(n / total * math.log2(n / total) for n in Counter(value).values())


_NAMED = (
    rb"(?i)(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)"
    rb"[\w.-]{0,40}[\"']?[ \t]{0,4}(?::=|=>|=|:)[ \t]{0,4}"
)
RULES: Final = (
    _rule("private key", "private", rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"),
    _rule("AWS access key", "akia asia", rb"(?<![A-Za-z0-9])A(?:KIA|SIA)[A-Z2-7]{16}(?![A-Za-z0-9])"),
    _rule("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", rb"gh[pousr]_[A-Za-z0-9]{36}"),
    _rule("GitHub token", "github_pat_", rb"github_pat_[A-Za-z0-9_]{50}"),
    _rule("GitLab token", "glpat- glptt- gldt- glrt- glcbt- glsoat-", rb"gl[a-z]{2,4}-[A-Za-z0-9_-]{20}"),
    _rule("Slack token", "xoxb- xoxp- xoxa- xoxe- xoxr- xoxs- xoxo-", rb"xox[abeoprs]-[A-Za-z0-9-]{10}"),
    _rule(
        "Slack webhook",
        "hooks.slack.com",
        rb"hooks\.slack\.com/services/T[A-Z0-9]{6,12}/B[A-Z0-9]{6,12}/\w{20}",
    ),
    _rule("Stripe key", "sk_live_ rk_live_", rb"[rs]k_live_[A-Za-z0-9]{16}"),
    _rule("Google API key", "aiza", rb"AIza[A-Za-z0-9_-]{35}"),
    _rule("Google client secret", "gocspx-", rb"GOCSPX-[A-Za-z0-9_-]{24}"),
    _rule("Anthropic key", "sk-ant-", rb"sk-ant-[A-Za-z0-9_-]{24}"),
    _rule("OpenAI key", "sk-proj- sk-svcacct- sk-admin-", rb"sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{24}"),
    _rule("OpenAI key", "t3blbkfj", rb"sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}"),
    _rule("npm token", "npm_", rb"npm_[A-Za-z0-9]{36}"),
    _rule("PyPI token", "pypi-age", rb"pypi-AgE[A-Za-z0-9_-]{50}"),
    _rule("SendGrid key", "sg.", rb"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16}"),
    _rule("Hugging Face token", "hf_", rb"(?<![A-Za-z0-9])hf_[A-Za-z]{34}"),
    _rule("DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", rb"do[opr]_v1_[0-9a-f]{64}"),
    _rule("Shopify token", "shpat_ shpss_ shpca_ shppa_", rb"shp(?:at|ss|ca|pa)_[0-9a-fA-F]{32}"),
    _rule("Telegram bot token", ":aa", rb"(?<!\d)\d{8,10}:AA[A-Za-z0-9_-]{33}"),
    _rule("Azure storage key", "accountkey=", rb"AccountKey=[A-Za-z0-9+/]{86}=="),
    _rule("Vault token", "hvs. hvb.", rb"hv[sb]\.[A-Za-z0-9_-]{24}"),
    _rule("age key", "age-secret-key-1", rb"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    _rule("JSON web token", "eyj", rb"eyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{20}"),
    _rule("password in a URL", "://", rb"[A-Za-z]://[^\s/:@'\"]{0,64}:([^\s/@'\"]{3,128})@", _is_password),
    _rule(
        "named credential",
        "passw passphrase secret token key credential",
        _NAMED + rb"[\"'`]([^\"'`\s]{8,200})[\"'`]",
        is_random,
    ),
    _rule(
        "named credential",
        "passw secret token key",
        rb"^[ \t]{0,20}(?:export )?[A-Z0-9_]{0,60}(?:PASSWORD|PASSWD|SECRET|TOKEN|KEY)[A-Z0-9_]{0,40}="
        rb"([^\s'\"#]{8,200})[ \t]*$",
        is_random,
    ),
)


def secrets_in(text: bytes) -> Iterator[tuple[str, int]]:
    """Yield the name of a rule and the place for everything that looks like a credential in some lines."""
    lowered = text.lower()
    for rule in RULES:
        if any(literal in lowered for literal in rule.literals):
            for match in rule.pattern.finditer(text):
                if rule.plausible is None or rule.plausible(match[1]):
                    yield rule.name, match.start()
