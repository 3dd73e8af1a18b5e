"""Credentials are found by the forms their issuers give them, and ordinary text is left alone.

The examples are put together here, so that no file of the project looks as if it held one.
"""

import random
import string
import time
from pathlib import Path

import pytest

from codencer.engine.facts.content import MOST_FOUND, read_content
from codencer.engine.facts.secrets import RULES, secrets_in

LETTERS = string.ascii_letters + string.digits


def some(count: int, of: str = LETTERS, seed: int = 7) -> str:
    return "".join(random.Random(seed).choices(of, k=count))


UPPER, HEX, BASE32 = (
    string.ascii_uppercase + string.digits,
    "0123456789abcdef",
    string.ascii_uppercase + "234567",
)
FOUND = {
    "private key": ["-----BEGIN " + "RSA PRIVATE KEY-----", "-----BEGIN PRIVATE" + " KEY-----"],
    "AWS access key": ["id = AK" + "IA" + some(16, BASE32), "AS" + "IA" + some(16, BASE32)],
    "GitHub token": ["gh" + "p_" + some(36), "github" + "_pat_" + some(60)],
    "GitLab token": ["gl" + "pat-" + some(20), "gl" + "rt-" + some(20)],
    "Slack token": ["xo" + "xb-1234567890-" + some(20)],
    "Slack webhook": [
        "https://hooks.slack" + ".com/services/T" + some(9, UPPER) + "/B" + some(9, UPPER) + "/" + some(24)
    ],
    "Stripe key": ["sk" + "_live_" + some(24)],
    "Google API key": ["AI" + "za" + some(35)],
    "Google client secret": ["GOC" + "SPX-" + some(28)],
    "Anthropic key": ["sk-" + "ant-api03-" + some(60)],
    "OpenAI key": ["sk-" + "proj-" + some(40), "sk-" + some(20) + "T3Blbk" + "FJ" + some(20)],
    "npm token": ["np" + "m_" + some(36)],
    "PyPI token": ["py" + "pi-AgE" + some(60)],
    "SendGrid key": ["S" + "G." + some(22) + "." + some(43)],
    "Hugging Face token": ["h" + "f_" + some(34, string.ascii_letters)],
    "DigitalOcean token": ["do" + "p_v1_" + some(64, HEX)],
    "Shopify token": ["shp" + "at_" + some(32, HEX)],
    "Telegram bot token": ["123456789:" + "AA" + some(33)],
    "Azure storage key": ["Account" + "Key=" + some(86) + "=="],
    "Vault token": ["hv" + "s." + some(24)],
    "age key": ["AGE-SECRET-" + "KEY-1" + some(58, UPPER)],
    "JSON web token": ["e" + "yJ" + some(20) + ".e" + "yJ" + some(30) + "." + some(43)],
    "password in a URL": [
        "postgres://app:" + "h4rd-to-gue55" + "@db.internal/shop",
        "https://u:" + "Tr0ub4dor" + "@x.org",
    ],
    "named credential": [
        "db_password = '" + some(15) + "7'",
        '"clientSecret": "' + some(24) + '",',
        "API_" + "TOKEN=" + some(32),
        "export AWS_SECRET_ACCESS_" + "KEY=" + some(40),
        "apiKey := `" + some(20) + "`",
    ],
}
INNOCENT = [
    "password = os.environ['DB_PASSWORD']",
    'password = "changeme"',
    "token = 'your-token-here-12345678'",
    'secret: "${VAULT_SECRET_12345}"',
    "api_key = settings.API_KEY_1",
    "API_KEY=xxxxxxxxxxxxxxxx",
    "TOKEN=<your token>",
    "def reset_password(token: str) -> None:",
    'assert token == "session_token_name"',
    'key = "some_dictionary_key"',
    "https://user:password@localhost/",
    "https://user:${PASSWORD}@db/",
    "https://example.org/a:b@c",
    "git@host.org:team/project.git",
    '"integrity": "sha512-' + some(86) + '=="',
    "sha256:" + some(64, HEX),
    "commit " + some(40, HEX),
    "ghp_short AKIA123 sk-ant-no eyJhbGciOi glpat-",
    "id = 'a3f1c2d4-0000-4000-8000-000000000000'",
    "the secret of a good test is that it can fail",
    "secret_santa = 'Weihnachtsmann'",
    "+-" * 500,
]


def found_in(line: str) -> set[str]:
    return {name for name, _ in secrets_in(line.encode())}


def test_every_rule_has_an_example() -> None:
    assert set(FOUND) == {rule.name for rule in RULES}


@pytest.mark.parametrize("name", FOUND)
def test_each_form_is_found_with_its_name(name: str) -> None:
    for line in FOUND[name]:
        assert name in found_in(line), line
        assert name in found_in(f"prefix {line} suffix") or line.startswith(("API_", "export")), line


@pytest.mark.parametrize("line", INNOCENT)
def test_ordinary_text_is_left_alone(line: str) -> None:
    assert found_in(line) == set()


def test_no_line_takes_long_however_it_is_made() -> None:
    """Patterns that backtrack far would take minutes for these, not fractions of a second."""
    pieces = [
        "token" * 13_000,
        "eyJ" + "a" * 60_000,
        "password: " * 6000,
        "A" * 60_000 + "=",
        "x://" + ":" * 60_000,
    ]
    pieces += ["SECRET_" * 8000 + "=", "key='" + "a" * 60_000, "-----BEGIN " + "A " * 30_000]
    began = time.process_time()
    for piece in pieces:
        list(secrets_in(piece.encode()))
    assert time.process_time() - began < 20


def patch_of(*lines: str, path: str = "src/a.py") -> bytes:
    body = "".join(f"+{line}\n" for line in lines)
    return f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{len(lines)} @@\n{body}".encode()


def test_places_are_told_and_never_what_is_there(tmp_path: Path) -> None:
    secret = FOUND["GitHub token"][0]
    (tmp_path / "p").write_bytes(
        patch_of("x = 1", f"y = '{secret}'", "<<<<<<< ours", "=======", ">>>>>>> theirs")
    )
    content = read_content(tmp_path / "p")
    assert content is not None
    assert content.secrets == ("src/a.py:2 (GitHub token)",)
    assert content.conflict_markers == ("src/a.py:3", "src/a.py:5")
    assert secret not in repr(content)


def test_findings_are_bounded_and_lines_that_go_are_no_findings(tmp_path: Path) -> None:
    secret = FOUND["Stripe key"][0]
    (tmp_path / "many").write_bytes(patch_of(*[secret] * 500))
    (tmp_path / "gone").write_bytes(f"--- a/x\n+++ b/x\n@@ -1,2 +1 @@\n-{secret}\n {secret}\n".encode())
    many, gone = read_content(tmp_path / "many"), read_content(tmp_path / "gone")
    assert many is not None
    assert gone is not None
    assert len(many.secrets) == MOST_FOUND
    assert gone.secrets == ()
