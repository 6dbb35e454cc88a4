"""Sphinx: the pages of this folder, the docstrings, and an executed gallery.

It needs the installed package and its `docs` extra, and no network.
"""

import re
import sys
from html import escape
from pathlib import Path

from docutils.utils.math.latex2mathml import tex2mathml
from jinja2 import Template

import sklearn_optland
from sklearn_optland.utils.discovery import _public_modules

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for gallery_style

project = "sklearn-optland"
author = "The sklearn_optland developers"
version = release = sklearn_optland.__version__
copyright = f"the sklearn_optland developers, BSD-3-Clause; version {version}"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "myst_parser",
    "numpydoc",
]
exclude_patterns = ["_build", "templates", "examples", "tasks"]
templates_path = ["templates"]
smartquotes = False  # "saga" is a value of a parameter
toc_object_entries_show_parents = "hide"
default_role = "literal"  # as scikit-learn's docstrings use single backticks
html_math_renderer = "mathml"  # browsers draw it: neither JavaScript nor a network

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

# Docstrings that come from scikit-learn refer to its own pages.
suppress_warnings = ["ref.ref"]

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False  # templates/class.rst has them
copybutton_exclude = ".linenos, .gp, .go"  # prompts and output

sphinx_gallery_conf = {
    "examples_dirs": ["tasks", "examples"],
    "gallery_dirs": ["auto_tasks", "auto_examples"],
    "backreferences_dir": "api/backreferences",
    "doc_module": ("sklearn_optland",),
    "within_subsection_order": "gallery_style.ByNumber",
    "reset_modules": ("gallery_style.use",),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "thumbnail_size": (480, 320),
    "remove_config_comments": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "sklearn-optland"
html_static_path = ["static"]
html_css_files = ["optland.css"]
html_logo = html_favicon = "static/logo.svg"
html_show_sourcelink = False
ALONE = "index", "install", "benchmarks", "changelog", "contributing", "design"
html_sidebars = {page: [] for page in ALONE}  # there is no section to navigate
html_theme_options = {
    "show_toc_level": 2,
    "header_links_before_dropdown": 7,
    "logo": {"text": "sklearn-optland"},
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}


def write_api_page():
    """Write api/index.rst: a table of what is public in each module, as its `__all__` says."""
    template = Template((HERE / "templates" / "api.rst").read_text(encoding="utf-8"))
    page = HERE / "api" / "index.rst"
    page.parent.mkdir(exist_ok=True)
    page.write_text(template.render(modules=list(_public_modules())), encoding="utf-8")


def skip_metadata_requests(app, what, name, obj, skip, options):
    """Leave out what scikit-learn adds to every class: `set_fit_request` and its like."""
    return True if re.fullmatch("set_.*_request|get_metadata_routing", name) else None


def describe(app, pagename, templatename, context, doctree):
    """Give each page the description that search engines show: its first paragraph."""
    from docutils.nodes import paragraph

    first = doctree and next(doctree.findall(paragraph), None)
    if first:
        text = escape(" ".join(first.astext().split())[:200], quote=True)
        context["metatags"] = (
            f'{context.get("metatags", "")}<meta name="description" content="{text}">'
        )


def fold_tables(text):
    """Fold the tables of benchmarks/README.md: headings, pictures and verdicts stay in sight."""
    block = r"<!-- table .*? -->\n(.*?):\n\n(.*?)<!-- end -->"
    return re.sub(block, r":::{dropdown} \1\n\2:::", text, flags=re.DOTALL)


def write_benchmark_pages():
    """Write a page for each problem of benchmarks/README.md; benchmarks.md has what is before."""
    text = (HERE.parent / "benchmarks" / "README.md").read_text(encoding="utf-8")
    folder = HERE / "auto_benchmarks"
    folder.mkdir(exist_ok=True)
    for section in re.split("^## ", text, flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        if title in ("The first page", "Data"):
            continue
        page = re.sub("^#(#+ )", r"\1", f"# {fold_tables(section)}", flags=re.MULTILINE)
        page = page.replace("](figures/", "](../../benchmarks/figures/")
        name = title.lower().replace(" ", "-")
        (folder / f"{name}.md").write_text(page, encoding="utf-8")


def fold_included_tables(app, path, page, content):
    content[0] = fold_tables(content[0])


def link_to_scikit_learn(app, env, node, content):
    """Let references to sklearn.* lead to scikit-learn's pages: intersphinx needs a network."""
    from docutils.nodes import reference

    target = node.get("reftarget", "")
    if not target.startswith(("sklearn.", "skops.")):
        return None
    site = {
        "sklearn": f"https://scikit-learn.org/stable/modules/generated/{target}.html",
        "skops": f"https://skops.readthedocs.io/en/stable/modules/classes.html#{target}",
    }[target.partition(".")[0]]
    link = reference("", "", internal=False, refuri=site)
    link += content
    return link


def mathml(node, **options):
    """MathML of a formula. docutils takes the 12 of TeX's short \\tfrac12 for one argument."""
    formula = re.sub(r"\\([dt]?frac)(\d)(\d)", r"\\\1{\2}{\3}", node.astext())
    return tex2mathml(formula, **options)


def draw_inline(translator, node):
    """Write a formula in the line."""
    from docutils.nodes import SkipNode

    translator.body.append(mathml(node))
    raise SkipNode


def draw_display(translator, node):
    """Write a formula of its own."""
    from docutils.nodes import SkipNode

    translator.body.append(f'<div class="math">{mathml(node, as_block=True)}</div>')
    raise SkipNode


def setup(app):
    write_api_page()  # before Sphinx looks for pages
    write_benchmark_pages()
    app.connect("autodoc-skip-member", skip_metadata_requests)
    app.connect("missing-reference", link_to_scikit_learn)
    app.connect("html-page-context", describe)
    app.connect("include-read", fold_included_tables)
    app.add_html_math_renderer("mathml", (draw_inline, None), (draw_display, None))
