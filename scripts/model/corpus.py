"""The text that pydoc-4m learns from: documentation that a fresh machine already has.

Three kinds of document, each named so that the split can be made by name:

* the language reference, `pydoc_data.topics` (one document per topic);
* docstrings of Python's standard library, read from its source with `ast`, and those of the
  modules that are written in C, read from the running interpreter;
* docstrings of a few permissively licensed packages of the project's environment.

A document is cleaned (doctests, tables and markup that a small model would only echo are
dropped), then deduplicated by document and by paragraph.  The shipped texts, held-out and
calibration, are drawn from Python's own documents only, so that one licence covers them; and a
training document that shares a run of words with them is dropped, so that unseen means unseen.

Everything here is a pure function of the interpreter's and the packages' versions.
"""

import ast
import hashlib
import importlib
import importlib.metadata
import inspect
import re
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PYTHON_LICENCE = "PSF-2.0"

# Package to licence.  All are dependencies of the project or of torch; a package that is
# missing is an error, because the corpus would silently be another one.
PACKAGES = {
    "numpy": "BSD-3-Clause",
    "pandas": "BSD-3-Clause",
    "networkx": "BSD-3-Clause",
    "torch": "BSD-3-Clause",
    "click": "BSD-3-Clause",
    "starlette": "BSD-3-Clause",
    "httpx": "BSD-3-Clause",
    "fastapi": "MIT",
    "pydantic": "MIT",
    "rich": "MIT",
    "sqlalchemy": "MIT",
    "web3": "MIT",
    "requests": "Apache-2.0",
    "huggingface_hub": "Apache-2.0",
}

HELDOUT_BYTES = 45_000
CALIBRATION_BYTES = 25_000
MAX_SHIPPED_CHARS = 6_000  # one long topic must not fill a shipped text by itself
SHINGLE_WORDS = 12  # a shared run of this many words counts as the same text
MIN_CHARS = 40  # shorter docstrings are mostly names

# Tests, copies of other packages, what `_topics` reads already, and torch's code templates.
SKIPPED_FOLDERS = {
    *("test", "tests", "testing", "_testing", "idlelib", "lib2to3", "turtledemo"),
    *("site-packages", "dist-packages", "_vendor", "pydoc_data", "_inductor"),
}


@dataclass(frozen=True)
class Document:
    """One cleaned text; `source` is "python" or a package, `name` is unique and stable."""

    source: str
    name: str
    text: str


@dataclass(frozen=True)
class Corpus:
    """Three disjoint splits.  `train` is in a fixed pseudo-random order."""

    train: list[Document]
    calibration: list[Document]
    heldout: list[Document]

    def characters_by_source(self) -> dict[str, int]:
        """Size of the training split per source, the largest first."""
        sizes: Counter[str] = Counter()
        for document in self.train:
            sizes[document.source] += len(document.text)
        return dict(sizes.most_common())


def build() -> Corpus:
    """Read, clean, deduplicate and split everything; about a minute."""
    python = [*_topics(), *_builtin_docstrings(), *_docstrings("python", _stdlib_folder())]
    site = Path(sysconfig.get_path("purelib"))
    packaged = [doc for name in PACKAGES for doc in _docstrings(name, _package(site, name))]
    return _split(_deduplicate([*python, *packaged]))


def versions() -> dict[str, str]:
    """What the corpus depends on: the interpreter and the packages, with their versions."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": sys.version.split()[0], **found}


# Reading


def _stdlib_folder() -> Path:
    return Path(sysconfig.get_path("stdlib"))


def _package(site: Path, name: str) -> Path:
    folder = site / name
    if not folder.is_dir():
        raise FileNotFoundError(f"the corpus needs the package {name!r}: install it and retry")
    return folder


def _topics() -> Iterator[Document]:
    topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    for name in sorted(topics):
        yield Document("python", f"topic:{name}", topics[name])


def _builtin_docstrings() -> Iterator[Document]:
    """Docstrings of the modules linked into the interpreter (`str`, `math`, `itertools` ...)."""
    for module_name in sorted(sys.builtin_module_names):
        module = importlib.import_module(module_name)
        for name, value in sorted(vars(module).items()):
            yield from _described(f"builtin:{module_name}.{name}", value)
            if inspect.isclass(value):
                for member, attribute in sorted(vars(value).items()):
                    yield from _described(f"builtin:{module_name}.{name}.{member}", attribute)


def _described(name: str, value: object) -> Iterator[Document]:
    documented = inspect.isclass(value) or inspect.isroutine(value)
    docstring = getattr(value, "__doc__", None) if documented else None
    if isinstance(docstring, str):
        yield Document("python", name, docstring)


def _docstrings(source: str, folder: Path) -> Iterator[Document]:
    """Docstrings under `folder`, from source: nothing is imported, so nothing can run."""
    for path in sorted(folder.rglob("*.py")):
        relative = path.relative_to(folder)
        if SKIPPED_FOLDERS.intersection(relative.parts) or "test" in path.stem:
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):  # templates and deliberately broken files
            continue
        for name, text in _strings(tree):
            yield Document(source, f"{source}:{relative.as_posix()}:{name}", text)


def _strings(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield getattr(node, "name", "<module>"), docstring
        elif isinstance(node, ast.Call) and "add_" in ast.unparse(node.func):
            yield from _attached(node)


def _attached(call: ast.Call) -> Iterator[tuple[str, str]]:
    """Docstrings attached to C functions: `add_newdoc(...)` (numpy), `add_docstr(...)` (torch)."""
    for node in ast.walk(call):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) > 200:
            yield f"line {node.lineno}", inspect.cleandoc(node.value)


# Cleaning

_PLAIN_PUNCTUATION = str.maketrans(
    {"\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{EM DASH}": "--"}
    | dict.fromkeys("\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}", '"')
)
_ROLE = re.compile(r":[a-z][\w:+-]*:`~?([^`<]+?)(?:\s*<[^`>]*>)?`")
_NOISE = re.compile(
    r"^\s*>>>|^\s*In \[|^\s*\.\. |^[\s+|=-]*(?:={4,}|\+-|-{4,}\s+-{2,})|\||https?://|[{}\\]", re.M
)
_HEADING = re.compile(r"^\w[\w ]*\n[-=~^*]{3,}$")


def clean(text: str) -> str:
    """Plain paragraphs of `text`; empty if nothing readable is left."""
    text = _ROLE.sub(r"\1", inspect.cleandoc(text)).translate(_PLAIN_PUNCTUATION)
    text = text.replace("``", "`").replace("::\n", ":\n")
    paragraphs = [p.rstrip() for p in re.split(r"\n[ \t]*\n", text)]
    kept = [p for p in paragraphs if _readable(p)]
    # A heading whose section was dropped would teach the model to announce nothing.
    full = [p for p, after in zip(kept, [*kept, ""][1:], strict=True) if not _orphan(p, after)]
    return "\n\n".join(full).strip("\n")


def _readable(paragraph: str) -> bool:
    """Prose and signatures pass; doctests, tables, directives, code and numbers do not."""
    if not paragraph or _NOISE.search(paragraph) or not paragraph.isascii():
        return False
    if _HEADING.match(paragraph):
        return True
    wordlike = sum(c.isalpha() or c.isspace() for c in paragraph)
    return wordlike >= 0.85 * len(paragraph)


def _orphan(paragraph: str, after: str) -> bool:
    return bool(_HEADING.match(paragraph)) and (not after or bool(_HEADING.match(after)))


def _deduplicate(documents: list[Document]) -> list[Document]:
    """Clean; drop repeated paragraphs (case and spacing aside), then what has become too short."""
    seen: set[str] = set()
    names: dict[str, int] = {}
    kept = []
    for document in documents:
        paragraphs = []
        for paragraph in clean(document.text).split("\n\n"):
            key = " ".join(_words(paragraph))
            if len(key) < MIN_CHARS or key not in seen:
                paragraphs.append(paragraph)
            if len(key) >= MIN_CHARS:
                seen.add(key)
        text = "\n\n".join(paragraphs).strip("\n")
        key = " ".join(_words(text))
        if len(text) < MIN_CHARS or f"document {key}" in seen:
            continue
        seen.add(f"document {key}")
        names[document.name] = names.get(document.name, 0) + 1
        unique = f"{document.name}#{names[document.name]}"
        kept.append(Document(document.source, unique, text))
    return kept


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


# Splitting


def _split(documents: list[Document]) -> Corpus:
    """Order by the hash of the name; ship Python's first documents, train on the rest."""
    ordered = sorted(documents, key=lambda d: hashlib.sha256(d.name.encode()).digest())
    eligible = [d for d in ordered if d.source == "python" and len(d.text) <= MAX_SHIPPED_CHARS]
    heldout = _take(eligible, HELDOUT_BYTES)
    calibration = _take(eligible[len(heldout) :], CALIBRATION_BYTES)
    shipped = {document.name for document in [*heldout, *calibration]}
    shingles = {s for document in [*heldout, *calibration] for s in _shingles(document.text)}
    train = [
        document
        for document in ordered
        if document.name not in shipped and shingles.isdisjoint(_shingles(document.text))
    ]
    # Calibration must not have seen the held-out text either.
    unseen = {s for document in heldout for s in _shingles(document.text)}
    calibration = [d for d in calibration if unseen.isdisjoint(_shingles(d.text))]
    return Corpus(train, calibration, heldout)


def _take(documents: list[Document], budget_bytes: int) -> list[Document]:
    taken: list[Document] = []
    for document in documents:
        budget_bytes -= len(document.text)  # ASCII: characters are bytes
        if budget_bytes < 0:
            break
        taken.append(document)
    return taken


def _shingles(text: str) -> set[int]:
    words = _words(text)
    last = len(words) - SHINGLE_WORDS + 1
    return {hash(tuple(words[i : i + SHINGLE_WORDS])) for i in range(last)}
