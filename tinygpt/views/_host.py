"""The two hosts that every interactive view shares: a page that needs no kernel, and a live widget."""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import io
import json
import re
import struct
import zlib
from importlib import resources
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    import anywidget
    from IPython.display import DisplayHandle
    from matplotlib.figure import Figure

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)
_SCRIPT = re.compile(
    r'(data-view="(\w+)">(?:(?!data-view=).)*?atob\(")([A-Za-z0-9+/=]+)("\), \(c\))', re.DOTALL
)
WIDTH = 736  # of a still picture on a page, in CSS pixels
_WIDGET = "application/vnd.jupyter.widget-view+json"
# The module travels deflated, a third of its size, and becomes an inline script: nothing to fetch or to eval.
_FRAGMENT = """<div class="tinygpt-view" data-tinygpt="{id}" data-view="{view}"><img alt="" \
src="data:image/png;base64,{still}" width="{width}" style="image-rendering:pixelated"><pre>{text}</pre></div>
<script type="module">
const bytes = Uint8Array.from(atob("{source}"), (c) => c.charCodeAt(0));
const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
const script = document.createElement("script");
script.type = "module";
script.textContent = (await new Response(stream).text()) + {call};
document.head.append(script);
</script>"""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,"><title>{title}</title>
<style>html{{background:Canvas;color:CanvasText}}h1{{position:absolute;clip-path:inset(50%)}}</style></head>
<body><main><h1>{title}</h1>
{fragment}
</main></body></html>
"""


@functools.cache
def module(name: str) -> str:
    """Returns one self-contained ES module: `name`.js behind what it imports, without comments.

    Args:
        name: A module of this folder, such as "attention".

    Returns:
        The source of a module with no imports and only a default export, for an anywidget.
    """
    seen: list[str] = []

    def source(name: str) -> str:
        seen.append(name)
        text = resources.files(__package__).joinpath(f"{name}.js").read_text(encoding="utf-8")
        before = "".join(source(other) for other in _IMPORT.findall(text) if other not in seen)
        return before + _IMPORT.sub("", text)

    text = re.sub(r"^export (?!default)", "", source(name), flags=re.MULTILINE)
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(_tight(line) for line in lines if line and not line.startswith("//")) + "\n"


def _tight(line: str) -> str:
    """A line without the spaces around signs, outside of strings; with a template in it, as it is."""
    if "`" in line:
        return line
    parts = re.split(r'("(?:[^"\\]|\\.)*")', line)
    parts[::2] = [re.sub(r" *([=>?:&|{},;*<]) *", r"\1", part) for part in parts[::2]]
    return "".join(parts)


@functools.cache
def _widget_class(name: str) -> type[anywidget.AnyWidget]:
    import anywidget
    import traitlets

    return type(
        name.capitalize(),
        (anywidget.AnyWidget,),
        {
            "_esm": module(name),
            "name": traitlets.Unicode().tag(sync=True),
            "payload": traitlets.Bytes().tag(sync=True),
            "selected": traitlets.List().tag(sync=True),
        },
    )


@functools.cache
def _static_module(name: str) -> bytes:
    return module(name).replace("export default live(mount);\n", "").encode()


def with_present_scripts(page: str) -> str:
    """Returns HTML in which every stored view runs this package's script, not the one it was stored with.

    Args:
        page: what `fragment` gave, or any page that holds such pieces.
    """

    def present(found: re.Match[str]) -> str:
        source = _static_module(found[2])
        # Not every zlib packs the same source into the same bytes: one that is up to date stays.
        same = zlib.decompress(base64.b64decode(found[3])) == source
        packed = found[3] if same else base64.b64encode(zlib.compress(source, 9)).decode()
        return found[1] + packed + found[4]

    return _SCRIPT.sub(present, page)


class View:
    """An interactive picture with two hosts: a static bundle (HTML, PNG, text) and a live widget.

    A subclass names its ES module and supplies `_header`, `_data`, `_text` and `_figure`.
    """

    _module: ClassVar[str]
    # 224 colours are enough for cividis and text, and a third of the bytes in a stored notebook.
    _colours: ClassVar[int] = 224

    def __init__(self) -> None:
        self._widget: anywidget.AnyWidget | None = None
        self._listeners: list[Callable[[Any], object]] = []
        self._selected: list[Any] = []
        self._shown: list[DisplayHandle] = []

    def _header(self) -> dict[str, Any]:
        raise NotImplementedError

    def _data(self) -> bytes:
        raise NotImplementedError

    def _text(self) -> str:
        raise NotImplementedError

    def _figure(self) -> Figure:
        raise NotImplementedError

    def _still(self) -> tuple[bytes, int] | None:
        """A PNG small enough to stand in the HTML, and its width in pixels; None takes the still picture.

        An untrusted notebook shows it: JupyterLab prefers HTML without its scripts to the PNG beside it.
        """
        return None

    def _answer(self, question: dict[str, Any]) -> tuple[dict[str, Any], bytes] | None:
        """Answers a question of the live view: a message and one buffer."""
        return None

    def _packed(self) -> tuple[str, bytes]:
        """Returns an id made from the content, and the payload that `unpack` in host.js reads."""
        header = json.dumps(self._header(), ensure_ascii=False, allow_nan=False).encode()
        content = struct.pack("<I", len(header)) + header + self._data()
        return hashlib.sha256(content).hexdigest()[:12], zlib.compress(content, 9)

    @functools.cached_property
    def _id(self) -> str:
        return self._packed()[0]

    def fragment(self) -> str:
        """Returns the view as a piece of HTML: module, data and, where no script runs, a picture and text."""
        return self._html(*(self._still() or (self.png(), WIDTH)))

    def _html(self, still: bytes, width: int) -> str:
        payload = base64.b64encode(self._packed()[1]).decode()
        call = f'start("{self._id}", "{payload}", mount)'
        return _FRAGMENT.format(
            id=self._id,
            text=html.escape(self._text()),
            still=base64.b64encode(still).decode(),
            width=width,
            view=self._module,
            source=base64.b64encode(zlib.compress(_static_module(self._module), 9)).decode(),
            call=json.dumps(call),
        )

    def html(self) -> str:
        """Returns a page that stands on its own: no kernel, no network."""
        return _PAGE.format(title=html.escape(self._text().splitlines()[0]), fragment=self.fragment())

    def png(self) -> bytes:
        """Returns the view's still picture."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from PIL import Image

        figure = self._figure()
        FigureCanvasAgg(figure)
        file = io.BytesIO()
        figure.savefig(file, format="png")
        image = Image.open(file).convert("RGB").quantize(self._colours, dither=Image.Dither.NONE)
        small = io.BytesIO()
        image.save(small, "png", optimize=True)
        return small.getvalue()

    def save(self, path: str | PathLike[str]) -> None:
        """Writes `html()` to `path`, or the still picture where `path` ends in .png."""
        content = self.png() if str(path).endswith(".png") else self.html().encode()
        with open(path, "wb") as file:
            file.write(content)

    @property
    def widget(self) -> anywidget.AnyWidget:
        """The live widget, made when first asked for."""
        if self._widget is None:
            self._widget = _widget_class(self._module)(
                name=self._id, payload=self._packed()[1], selected=self._selected
            )
            self._widget.on_msg(self._on_message)
            self._widget.observe(self._on_selected, "selected")
        return self._widget

    def on_select(self, listener: Callable[[Any], object]) -> None:
        """Calls `listener(selected)` whenever the reader locks something in the live view.

        Args:
            listener: Takes the new `selected`. While a cell runs, calls wait until it has ended.
        """
        self._listeners.append(listener)

    def _on_selected(self, change: Any) -> None:
        self._selected = list(change["new"])
        for listener in self._listeners:
            listener(tuple(self._selected))

    def _on_message(self, widget: Any, question: dict[str, Any], buffers: list[bytes]) -> None:
        answer = self._answer(question)
        if answer is not None:
            widget.send(answer[0], buffers=[answer[1]])

    def __repr__(self) -> str:
        return self._text().splitlines()[0]

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        png = self.png()  # it takes longest, so it is made once
        return {
            "text/html": self._html(*(self._still() or (png, WIDTH))),
            "image/png": base64.b64encode(png).decode(),
            "text/plain": self._text(),
        }

    def _ipython_display_(self) -> None:
        """Shows the live widget where there is a kernel, then the static bundle, hidden while that lives."""
        from IPython import get_ipython
        from IPython.display import display

        if getattr(get_ipython(), "kernel", None) is not None:
            bundle = self.widget._repr_mimebundle_()
            data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
            display({_WIDGET: data[_WIDGET]}, metadata=metadata, raw=True)
        self._shown.append(display(self._repr_mimebundle_(), raw=True, display_id=True))

    def _refresh(self) -> None:
        """Replaces the static bundle wherever it is shown, for a view whose content grows."""
        for handle in self._shown:
            handle.update(self._repr_mimebundle_(), raw=True)
