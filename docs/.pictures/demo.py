"""Write docs/images/demo.svg: what `scope-async demo` prints, as a picture of a terminal."""

from __future__ import annotations

import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parents[1] / "images" / "demo.svg"
COLUMNS = 92


def main() -> None:
    demo = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "scope_async.cli", "demo", *sys.argv[1:]],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"$ make demo\n{demo.stdout}{demo.stderr}".rstrip()))
    picture = console.export_svg(title="make demo", unique_id="demo")
    # A viewer's own font: rich's would be asked of another host.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    PICTURE.write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
