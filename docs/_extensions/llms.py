"""``llms.txt`` (https://llmstxt.org): the pages of the site, a line each, for language models."""

from pathlib import Path

from docutils import nodes

SECTIONS = {
    "Guide": ("user_guide/", "coming_from"),
    "Classes and functions": ("generated/skae",),
    "Examples": ("gallery/plot",),
    "About": ("benchmarks", "architecture", "changes"),
}
LONGEST = 160  # characters of what a page is said to be about


def about(env, name):
    """The first sentence of a page."""
    for paragraph in env.get_doctree(name).findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if " " in text and not isinstance(paragraph.parent, nodes.Admonition):
            sentence = text.partition(". ")[0]
            return sentence if len(sentence) <= LONGEST else f"{sentence[:LONGEST].rstrip()}..."
    return ""


def write(app, exception):
    if exception or app.builder.format != "html":
        return
    env, base = app.env, app.config.html_baseurl.rstrip("/")
    lines = ["# skae", "", f"> {about(env, 'index')}."]
    for section, starts in SECTIONS.items():
        lines += ["", f"## {section}", ""]
        for name in sorted(env.found_docs):
            if name.startswith(starts) and not name.endswith("/index"):
                title = env.titles[name].astext()
                lines.append(f"- [{title}]({base}/{name}.html): {about(env, name)}")
    (Path(app.outdir) / "llms.txt").write_text("\n".join(lines) + "\n")


def setup(app):
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
