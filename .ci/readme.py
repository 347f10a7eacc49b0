"Write README.md from nbs/index.ipynb, without Quarto; --check only says whether it is up to date."
import re
import sys
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

ROOT = Path(__file__).resolve().parent.parent
HEAD = "<!-- Written by `make notebooks` from nbs/index.ipynb: edit there. -->\n"


def visible(cell):
    "Whether a reader of the README should see this cell."
    return cell.cell_type == "markdown" or not re.match(r"#\| *(hide|default_exp)", cell.source)


def render():
    "The README's text: the index page with its code, its printed values, and no players."
    nb = nbformat.read(ROOT / "nbs" / "index.ipynb", 4)
    nb.cells = [c for c in nb.cells if visible(c)]
    for cell in nb.cells:
        if cell.cell_type == "markdown":  # links of the notebook are beside it, those of the README are above
            cell.source = re.sub(r"\]\((?!https?:|#)(?:\.\./)?([^)]+)\)", lambda m: f"]({m[1] if (ROOT / m[1]).exists() else 'nbs/' + m[1]})", cell.source)
        else:
            cell.source = re.sub(r"^#\|.*\n?", "", cell.source, flags=re.M)
            cell.outputs = [o for o in cell.outputs if "text/html" not in o.get("data", {}) or "text/plain" in o.get("data", {}) and "<audio" not in str(o["data"])]
            for output in cell.outputs: output.get("data", {}).pop("text/html", None)
    nb.metadata["language_info"] = {"name": "python"}
    body, _ = MarkdownExporter().from_notebook_node(nb)
    return HEAD + re.sub(r"\n{3,}", "\n\n", body).strip() + "\n"


if "--check" in sys.argv: sys.exit("README.md is not what nbs/index.ipynb says: run make notebooks" if render() != (ROOT / "README.md").read_text() else 0)
(ROOT / "README.md").write_text(render())
