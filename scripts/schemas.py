"""Write schemas/*.json from the dataclasses; with --check, only say whether they are current."""

import json
import sys
from pathlib import Path

from codencer.engine.schemas import documents

FOLDER = Path(__file__).parent.parent / "schemas"


def main() -> int:
    """Return 1 when --check finds a file that is not what the dataclasses say."""
    stale = []
    for name, schema in documents().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        path = FOLDER / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    if stale and "--check" in sys.argv:
        print(f"schemas: out of date: {', '.join(stale)}; run .venv/bin/python scripts/schemas.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
