"""The documents tell the truth: their Python blocks run and print what stands below them, their links lead somewhere.

In README.md and docs/*.md

    ```python           runs, in order, all blocks of a document in one namespace and one temporary folder
    ```python no-run    is compiled, not run
    ```text             right after a Python block is what it prints; ... stands for anything, as in doctest

A picture that a document shows and one of its blocks saves under the same file name is drawn anew from the checkout by

    python tests/test_documents.py docs/article.md
"""

import contextlib
import doctest
import importlib
import io
import itertools
import os
import re
import sys
import tempfile
import textwrap
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"(?P<indent> *)(?P<fence>```+|~~~+) *(?P<info>[^`]*)")
LINK = re.compile(r"""\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)|(?:src|href)="([^"]+)\"""")
NAME = re.compile(r"`(glassnet(?:\.\w+)+)(?:\([^`]*\))?`")


# --- reading a document ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """A fenced block: the words after the fence, its text, and the line of the document on which that text begins."""

    info: tuple[str, ...]
    text: str
    line: int


def blocks_of(text: str) -> list[Block]:
    """The fenced blocks of a document, first to last. Raises ValueError for one that is never closed."""
    blocks: list[Block] = []
    lines = enumerate(text.splitlines(), start=1)
    for number, line in lines:
        opening = FENCE.fullmatch(line)
        if not opening:
            continue
        inside = []
        for _, content in lines:
            if re.fullmatch(rf" *{opening['fence']}+ *", content):
                break
            inside.append(content)
        else:
            raise ValueError(f"the block on line {number} is never closed")
        blocks.append(Block(tuple(opening["info"].split()), textwrap.dedent("\n".join(inside)), number + 1))
    return blocks


def prose_of(text: str) -> str:
    """The document without its fenced blocks."""
    return re.sub(r"^ *(```+|~~~+).*?^ *\1 *$", "", text, flags=re.MULTILINE | re.DOTALL)


# --- running it -----------------------------------------------------------------------------------------------------


def run_document(text: str, name: str) -> Iterator[str]:
    """Run the Python blocks of a document where we stand; yield a complaint for each that does not do what it says."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    blocks = blocks_of(text)
    for block, following in itertools.zip_longest(blocks, blocks[1:]):
        if block.info[:1] != ("python",):
            continue
        where = f"{name}, line {block.line}"
        try:  # the empty lines before it give tracebacks the document's own line numbers
            code = compile("\n" * (block.line - 1) + block.text, name, "exec")
        except SyntaxError as error:
            yield f"{where}: {error}"
            continue
        if "no-run" in block.info:
            continue
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                exec(code, namespace)
        except Exception:
            yield f"{where} fails:\n{traceback.format_exc(limit=-3)}"
            return
        if following is not None and following.info == ("text",):
            yield from differences(following.text, printed.getvalue(), where)


def differences(shown: str, printed: str, where: str) -> Iterator[str]:
    """A complaint if the block did not print what the document shows, spaces at the ends of lines apart."""
    shown, printed = ("".join(line.rstrip() + "\n" for line in text.rstrip().splitlines()) for text in (shown, printed))
    flags = doctest.ELLIPSIS | doctest.DONT_ACCEPT_TRUE_FOR_1
    if not doctest.OutputChecker().check_output(shown, printed, flags):
        yield f"{where} prints\n\n{printed}\nbut the document shows\n\n{shown}"


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """A temporary folder to stand in. Afterwards the folder, the figures and NumPy's global generator are as before."""
    import matplotlib.pyplot as plt

    backend, state, home = matplotlib.get_backend(), np.random.get_state(), Path.cwd()
    plt.switch_backend("agg")
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                yield Path(folder)
            finally:
                os.chdir(home)
    finally:
        plt.close("all")
        plt.switch_backend(backend)
        np.random.set_state(state)


# --- the documents --------------------------------------------------------------------------------------------------


def documents(*patterns: str) -> list[Path]:
    """The documents there are, named as in the repository."""
    return sorted(path.relative_to(ROOT) for pattern in patterns for path in ROOT.glob(pattern))


RUN = documents("README.md", "docs/*.md")
LINKED = documents("README.md", "docs/*.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")


@pytest.mark.parametrize("document", RUN, ids=str)
def test_every_block_runs_and_prints_what_the_document_shows(document: Path) -> None:
    with own_folder():
        complaints = list(run_document((ROOT / document).read_text(encoding="utf-8"), str(document)))
    assert not complaints, "\n\n".join(complaints)


def anchors_of(text: str) -> set[str]:
    """The anchors GitHub gives to headings: lower case, spaces to hyphens, no punctuation."""
    headings = re.findall(r"^#+ +(.+?) *$", prose_of(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def broken_links(text: str, path: Path) -> Iterator[str]:
    """Targets of relative links and pictures that do not exist; `path` is where the document lies."""
    for target in (markdown or html for markdown, html in LINK.findall(prose_of(text))):
        if re.match(r"[a-z]+:", target):
            continue  # http:, https:, mailto:
        file, _, anchor = target.partition("#")
        linked = path.parent / file if file else path
        in_markdown = bool(anchor) and linked.suffix == ".md"
        if not linked.exists() or (in_markdown and anchor not in anchors_of(linked.read_text(encoding="utf-8"))):
            yield target


@pytest.mark.parametrize("document", LINKED, ids=str)
def test_every_relative_link_and_picture_exists(document: Path) -> None:
    path = ROOT / document
    assert list(broken_links(path.read_text(encoding="utf-8"), path)) == []


@pytest.mark.parametrize("document", RUN, ids=str)
def test_every_dotted_name_of_glassnet_exists(document: Path) -> None:
    names = NAME.findall((ROOT / document).read_text(encoding="utf-8"))
    assert [name for name in sorted(set(names)) if not exists(name)] == []


def exists(name: str) -> bool:
    """Whether a dotted name is a module or something in one."""
    parts = name.split(".")
    for n_parts in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:n_parts]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[n_parts:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False


# --- does the mechanism see what is wrong? --------------------------------------------------------------------------


def complaints_about(*blocks: str) -> list[str]:
    with own_folder():
        return list(run_document("\n\n".join(f"```{block}\n```" for block in blocks), "a document"))


def test_a_document_that_tells_the_truth_passes() -> None:
    first = "python\nx = 2\nprint(x)  ", "text\n2"
    second = "python\nprint(x, 'or', id(x))", "text\n2 or ..."
    assert complaints_about(*first, *second) == []


def test_a_wrong_number_is_seen_with_its_line() -> None:
    (complaint,) = complaints_about("python\nprint(1 + 1)", "text\n3")
    assert complaint == "a document, line 2 prints\n\n2\n\nbut the document shows\n\n3\n"


def test_a_block_that_raises_is_seen_with_the_line_of_the_document() -> None:
    (complaint,) = complaints_about("python\nx = 1\nx / 0")
    assert complaint.startswith("a document, line 2 fails:")
    assert 'File "a document", line 3' in complaint
    assert "ZeroDivisionError" in complaint


def test_a_block_marked_no_run_does_not_run_but_must_compile() -> None:
    assert complaints_about("python no-run\n1 / 0") == []
    (complaint,) = complaints_about("python no-run\nfor x in")
    assert complaint.startswith("a document, line 2: invalid syntax")


def test_output_of_another_block_is_not_compared() -> None:
    assert complaints_about("python\nprint(1)", "sh\npip list", "text\nnumpy") == []


def test_a_block_that_is_never_closed_is_an_error() -> None:
    with pytest.raises(ValueError, match="the block on line 3 is never closed"):
        blocks_of("# Title\n\n```python\nx = 1\n")


def test_a_run_leaves_folder_and_generator_as_they_were() -> None:
    home = Path.cwd()
    np.random.seed(7)
    expected = np.random.RandomState(7).rand()
    assert complaints_about("python\nimport numpy as np\nnp.random.seed(0)\nopen('file', 'w').close()") == []
    assert np.random.rand() == expected
    assert Path.cwd() == home
    assert not Path("file").exists()


def test_broken_links_are_seen_and_code_is_no_link(tmp_path: Path) -> None:
    text = '# One Title, here\n[a](there.md) ![b](gone.png) <img src="lost.png"> [c](#one-title-here) [d](#other)\n'
    text += "[e](https://example.com/x)\n```python\nf[0](gone)\n```\n"
    path = tmp_path / "document.md"
    path.write_text(text)
    (tmp_path / "there.md").write_text("")
    assert list(broken_links(text, path)) == ["gone.png", "lost.png", "#other"]


def test_names_that_do_not_exist_are_seen() -> None:
    assert exists("glassnet.maths.losses.softmax")
    assert not exists("glassnet.maths.losses.softmaximum")
    assert not exists("glassnet.mathematics")


# --- drawing pictures anew ------------------------------------------------------------------------------------------


def redraw(document: Path) -> None:
    """Run a document, and put the pictures it saves where it shows them, in 128 colours: a third of the size."""
    from PIL import Image

    text = document.read_text(encoding="utf-8")
    shown = {Path(target).name: target for pair in LINK.findall(prose_of(text)) for target in pair if target}
    home = document.resolve().parent
    with own_folder() as folder:
        for complaint in run_document(text, str(document)):
            print(complaint, file=sys.stderr)
        for picture in sorted(folder.glob("*.png")):
            if picture.name in shown:
                target = home / shown[picture.name]
                Image.open(picture).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(target, optimize=True)
                print(f"{shown[picture.name]}: {target.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        redraw(Path(argument))
