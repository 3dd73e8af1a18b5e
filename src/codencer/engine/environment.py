"""The environment of what the bridge starts: an allow-list, never the daemon's whole own.

Values pass by inheritance to the supervisor and are never written down. Names an adapter
declares come from the daemon's environment or from the user's private env file, which wins.
"""

from collections.abc import Iterable, Mapping

from codencer.errors import InvalidInput

LET_THROUGH = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TERM",
        "TMPDIR",
        # Without these an agent behind a company's proxy cannot reach its model, nor a hook its packages.
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "all_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "NODE_EXTRA_CA_CERTS",
        "REQUESTS_CA_BUNDLE",
    }
)


def allowed(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of the daemon's environment that every launch gets."""
    return {name: value for name, value in environ.items() if name in LET_THROUGH or name.startswith("LC_")}


def for_agent(
    environ: Mapping[str, str],
    private: Mapping[str, str],
    declared: Iterable[str],
    optional: Iterable[str] = (),
) -> dict[str, str]:
    """The allow-list and the variables an adapter declares, or names as `optional` (`NAME` or `BEGINNING*`).

    Raises:
        InvalidInput: a declared variable is set nowhere.
    """
    result = allowed(environ)
    wanted = tuple(optional)
    for source in (environ, private):
        result |= {name: value for name, value in source.items() if _named(name, wanted)}
    for name in declared:
        value = private.get(name, environ.get(name))
        if value is None:
            raise InvalidInput(
                f"the agent needs the variable {name}, which is not set: export it before the daemon "
                "is started, or put it into the file 'env' (mode 0600) in codencer's config directory"
            )
        result[name] = value
    return result


def _named(name: str, wanted: tuple[str, ...]) -> bool:
    return any(name.startswith(each[:-1]) if each.endswith("*") else name == each for each in wanted)
