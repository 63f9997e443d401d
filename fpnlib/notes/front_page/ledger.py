"""The ledger as a table that the reader sorts by any column."""

from typing import Any

import anywidget
import traitlets

from fpnlib.claims import Verdicts

_VIEW = """
function render({ model, el }) {
  el.classList.add("fpnlib-ledger");
  el.innerHTML = model.get("table");
  const rows = [...el.querySelectorAll("tr")];
  const heads = [...rows.shift().cells];
  const body = el.querySelector("tbody");
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.textContent = head.textContent;
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach(other => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = row => row.cells[column].textContent;
      const order = (a, b) => isNaN(key(a)) || isNaN(key(b))
        ? key(a).localeCompare(key(b), "en", { numeric: true }) : Number(key(a)) - Number(key(b));
      body.append(...rows.sort((a, b) => (up ? 1 : -1) * order(a, b)));
    });
  });
}
export default { render };
"""

_LOOK = """
.fpnlib-ledger table { border-collapse: collapse; color: var(--jp-content-font-color1, black); }
.fpnlib-ledger td { padding: 4px 8px; vertical-align: top; }
.fpnlib-ledger button { font: inherit; font-weight: bold; color: inherit; background: none; border: none;
  padding: 4px; cursor: pointer; text-align: left; }
.fpnlib-ledger button:focus-visible { outline: 2px solid currentColor; }
.fpnlib-ledger th[aria-sort="ascending"] button::after { content: " ▲"; }
.fpnlib-ledger th[aria-sort="descending"] button::after { content: " ▼"; }
"""


class SortableLedger(anywidget.AnyWidget):
    """Verdicts whose headings are buttons: press one to sort by it, again to turn the order round."""

    _esm = _VIEW
    _css = _LOOK
    table = traitlets.Unicode().tag(sync=True)

    def __init__(self, verdicts: Verdicts) -> None:
        super().__init__(table=verdicts._repr_html_())
        self._verdicts = verdicts

    def __repr__(self) -> str:
        return repr(self._verdicts)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        shown = super()._repr_mimebundle_(**options)
        data, metadata = shown if isinstance(shown, tuple) else (shown or {}, {})
        # The plain table is what a saved notebook keeps.
        return {**data, "text/plain": repr(self), "text/html": self.table}, metadata
