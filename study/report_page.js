"use strict";
// Draws the figures that lie in the page as JSON, in the size that the window has.
(() => {
  const touch = window.matchMedia("(pointer: coarse)").matches;
  const config = {
    responsive: true,
    displaylogo: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "zoomIn2d", "zoomOut2d"],
    displayModeBar: touch ? false : "hover",
  };

  // The size of text, from a telephone's width to a projector's.
  const fontSize = (width) => Math.max(12, Math.min(22, 10.5 + width / 170));

  const adapt = (layout, width) => {
    const size = fontSize(width);
    const adapted = { ...layout, autosize: true, font: { ...layout.font, size } };
    // A finger on a figure scrolls the page.
    if (touch) adapted.dragmode = false;
    const narrow = width < 560;
    adapted.legend = { ...layout.legend, font: { size: narrow ? 11 : 0.92 * size } };
    adapted.margin = { ...layout.margin, l: narrow ? 4 : 20, r: narrow ? 8 : 20 };
    if (layout.annotations) {
      adapted.annotations = layout.annotations.map((note) => ({
        ...note,
        font: { ...note.font, size: ((note.font && note.font.size) || 15) * (size / 15) },
      }));
    }
    return adapted;
  };

  for (const div of document.querySelectorAll(".plot")) {
    const figure = JSON.parse(document.getElementById("data-" + div.dataset.figure).textContent);
    Plotly.newPlot(div, figure.data, adapt(figure.layout, div.clientWidth), config);
    let drawnAt = div.clientWidth;
    new ResizeObserver(() => {
      const width = div.clientWidth;
      if (width > 0 && Math.abs(width - drawnAt) > 40) {
        drawnAt = width;
        Plotly.react(div, div.data, adapt(figure.layout, width), config);
      }
    }).observe(div);
  }

  const button = document.getElementById("copy");
  if (button) {
    const area = document.getElementById("front-csv");
    const say = (text) => {
      button.textContent = text;
      window.setTimeout(() => { button.textContent = "Copy as CSV"; }, 2000);
    };
    // Where the browser has no clipboard for the page, as in some frames, the old way works.
    const select = () => {
      area.select();
      say(document.execCommand("copy") ? "Copied" : "Press Ctrl+C");
    };
    button.addEventListener("click", () => {
      if (navigator.clipboard && window.isSecureContext) {
        navigator.clipboard.writeText(area.value).then(() => say("Copied"), select);
      } else {
        select();
      }
    });
  }
})();
