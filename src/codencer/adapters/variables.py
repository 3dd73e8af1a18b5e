"""Variables that agents of several makers read: where their settings lie, proxies, keys to models.

An agent gets those of its adapter's when they are set. They are named one by one, or by a beginning
that only a maker of models uses: what opens more than a model (a cloud, a code host) is let through
only where the user names it, in `env` of the agent's table.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from codencer.model.step import AdapterSettings

FOLDERS = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")
CONFIG_FOLDER = "${XDG_CONFIG_HOME:-~/.config}"
DATA_FOLDER = "${XDG_DATA_HOME:-~/.local/share}"
STATE_FOLDER = "${XDG_STATE_HOME:-~/.local/state}"
CACHE_FOLDER = "${XDG_CACHE_HOME:-~/.cache}"
PROXIES = tuple(
    spelt for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY") for spelt in (name, name.lower())
)
MODELS = (
    "ANTHROPIC_*",
    "AZURE_API_*",
    "AZURE_OPENAI_*",
    "CEREBRAS_*",
    "COHERE_*",
    "DASHSCOPE_*",
    "DEEPINFRA_*",
    "DEEPSEEK_*",
    "FIREWORKS_*",
    "GEMINI_*",
    "GOOGLE_API_KEY",
    "GOOGLE_GENERATIVE_AI_API_KEY",
    "GROQ_*",
    "LITELLM_*",
    "LM_STUDIO_*",
    "MISTRAL_*",
    "MOONSHOT_*",
    "NVIDIA_API_KEY",
    "OLLAMA_*",
    "OPENAI_*",
    "OPENROUTER_*",
    "PERPLEXITY_*",
    "TOGETHER_*",
    "TOGETHERAI_*",
    "XAI_*",
    "ZAI_*",
)

_NEED_A_KEY = ("anthropic", "deepseek", "gemini", "groq", "mistral", "openai", "openrouter", "xai")
"""Makers that a model's name may begin with (`openai/…`) and that nobody reaches without a key."""


def named(names: Iterable[str], environ: Mapping[str, str]) -> list[str]:
    """Those of the variables that are set, and not to nothing; a name may end in `*`."""
    wanted = tuple(names)
    return [name for name, value in environ.items() if value and any(_is(name, each) for each in wanted)]


def signed_in(
    settings: AdapterSettings, environ: Mapping[str, str], names: Iterable[str], files: Iterable[Path]
) -> bool | None:
    """Whether an agent has a key to some model; False only when it is certain that it has none.

    Args:
        names: variables of which any that ends in `KEY` or `TOKEN` is one, and any other may point to one.
        files: where a key may stand that only the agent itself can read rightly.
    """
    found = named(names, environ)
    if any(name.endswith(("KEY", "TOKEN")) for name in found):
        return True
    maker, slash, _ = settings.model.partition("/")
    elsewhere = bool(found or settings.env or settings.arguments or (slash and maker not in _NEED_A_KEY))
    return None if elsewhere or any(path.exists() for path in files) else False


def _is(name: str, wanted: str) -> bool:
    return name.startswith(wanted[:-1]) if wanted.endswith("*") else name == wanted
