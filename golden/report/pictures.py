"""Pictures of a report as a browser shows it: on a desk, and on a phone.

    python -m golden.report.pictures REPORT.html DIR

Writes ``report-desk.png`` and ``report-phone.png``, the top of the page at those widths; fails if the page, or a table
on a phone, has to be scrolled sideways, or a script reports an error. Takes Chromium and the extra `browser`.
"""

import argparse
import os
import shutil
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

SIZES = {"desk": (1280, 720), "phone": (390, 980)}  # pixels; a phone's width, and more of it than its screen shows
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Elements wider than what holds them, the page itself first.
WIDER = """[document.documentElement, ...document.querySelectorAll(".wide")]
    .filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.id || e.ariaLabel || e.tagName)"""


def missing() -> str | None:
    """What there is not, in words; None if pictures can be made."""
    if not any(map(shutil.which, PROGRAMS)):
        return "no Chromium: Debian's package is called chromium"
    return None if find_spec("playwright") else "pip install 'apack-hdl[browser]'"


@contextmanager
def browser():
    """A headless Chromium, as a ``playwright`` browser."""
    from playwright.sync_api import sync_playwright

    # Its sandbox does not work as root, and the page is one that was made here.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as tools:
        program = next(filter(None, map(shutil.which, PROGRAMS)))
        opened = tools.chromium.launch(executable_path=program, args=options)
        try:
            yield opened
        finally:
            opened.close()


def open_page(opened, path: Path, width: int, height: int, **options):
    """The report in a window of this size, and the list to which errors of its scripts are added."""
    page, errors = opened.new_page(viewport={"width": width, "height": height}, **options), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text))
    page.goto(path.absolute().as_uri())
    return page, errors


def main() -> int | str:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    for what, there in ((given.report, given.report.is_file()), (given.folder, given.folder.is_dir())):
        if not there:
            return f"pictures: {what}: is not there"
    if missing():
        return f"pictures: {missing()}"
    with browser() as opened:
        for name, (width, height) in SIZES.items():
            page, errors = open_page(opened, given.report, width, height)
            wider = page.evaluate(WIDER) if name == "phone" else page.evaluate(WIDER)[:1] == ["HTML"]
            if errors or wider:
                return f"pictures: {name}: {errors or f'has to be scrolled sideways: {wider}'}"
            out = given.folder / f"report-{name}.png"
            page.screenshot(path=out)
            print(f"{out}: {width} x {height}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
