"""Links within the built site and of the README: each leads to a file, and to a part of it.

``python .ci/links.py docs/_build/html``; links to other sites are not tried.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

README = Path(__file__).parents[1] / "README.md"


class Page(HTMLParser):
    """What a page links to, and what can be linked to in it."""

    def __init__(self, path):
        super().__init__()
        self.links, self.parts = [], {""}
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        """Take the links and the names of a tag."""
        attrs = dict(attrs)
        self.links += [attrs[name] for name in ("href", "src") if attrs.get(name)]
        self.parts |= {attrs[name] for name in ("id", "name") if attrs.get(name)}


def main(folder):
    """Print the links that lead nowhere; how many they are."""
    folder = Path(folder).resolve()
    found = (path for path in folder.rglob("*.html") if "_static" not in path.parts)
    pages = {path: Page(path) for path in found}
    broken = n_links = 0
    for link in re.findall(r"\]\(([^)\s]+)\)", README.read_text()):
        if "://" not in link and not (README.parent / link.partition("#")[0]).exists():
            broken += 1
            print(f"README.md: {link}")
    for path, page in pages.items():
        if "_modules" in path.parts:  # sources, whose links back are sphinx's own
            continue
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or url.netloc:  # of another site
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            found = target.exists()
            if found and target in pages and not target.name.startswith("search"):
                found = unquote(url.fragment) in pages[target].parts
            n_links += 1
            if not found:
                broken += 1
                print(f"{path.relative_to(folder)}: {link}")
    print(f"{n_links} links in {len(pages)} pages, {broken} lead nowhere")
    return broken > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
