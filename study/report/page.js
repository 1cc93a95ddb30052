"use strict";
// Draws the figures that lie in the page as packed JSON, in the size that the window has.
(async () => {
  const unpacked = (id) => {
    const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (one) => one.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };

  const touch = window.matchMedia("(pointer: coarse)").matches;
  const NARROW = 560;
  const config = {
    responsive: true,
    displaylogo: false,
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  };

  // The size of text, from a telephone's width to a projector's.
  const fontSize = (width) => Math.max(12, Math.min(22, 10.5 + width / 170));

  const adapted = (layout, width) => {
    const size = fontSize(width);
    const narrow = width < NARROW;
    const changes = {
      "font.size": size,
      "legend.font.size": narrow ? 11 : 0.92 * size,
      "margin.l": narrow ? 4 : 20,
      "margin.r": narrow ? 8 : 20,
    };
    (layout.annotations || []).forEach((note, index) => {
      const own = (note.font && note.font.size) || 15;
      changes[`annotations[${index}].font.size`] = Math.max(11, (own * size) / 15);
    });
    return changes;
  };

  // Of a figure whose traces hold many lines of `points` points: the one under the pointer is thick.
  const followPointer = async (div, points) => {
    const line = { color: "#000000", width: 4 };
    const marker = { color: "#000000", size: 8 };
    const own = div.data.length;
    const mode = "lines+markers";
    const quiet = { hoverinfo: "skip", showlegend: false };
    await Plotly.addTraces(div, { x: [], y: [], mode, line, marker, ...quiet });
    let last = "";
    div.on("plotly_hover", (event) => {
      const { curveNumber, pointNumber } = event.points[0];
      const start = Math.floor(pointNumber / points) * points;
      if (curveNumber === own || last === `${curveNumber} ${start}`) return;
      last = `${curveNumber} ${start}`;
      const { x, y } = div.data[curveNumber];
      const whole = [start, start + points];
      Plotly.restyle(div, { x: [x.slice(...whole)], y: [y.slice(...whole)] }, [own]);
    });
  };

  const draw = async (div) => {
    const figure = JSON.parse(await unpacked("data-" + div.dataset.figure));
    const layout = { ...figure.layout, autosize: true };
    // A finger on a figure scrolls the page.
    if (touch) layout.dragmode = false;
    let width = div.clientWidth;
    const narrow = width < NARROW;
    // A long legend must leave room for the figure under it.
    const entries = figure.data.filter((trace) => trace.showlegend !== false).length;
    if (narrow && entries > 5) div.style.height = `${div.clientHeight + 20 * entries}px`;
    await Plotly.newPlot(div, figure.data, layout, {
      ...config,
      displayModeBar: touch || narrow ? false : "hover",
    });
    await Plotly.relayout(div, adapted(figure.layout, width));
    const meta = figure.layout.meta;
    if (meta && meta.points_a_line) await followPointer(div, meta.points_a_line);
    new ResizeObserver(() => {
      if (div.clientWidth > 0 && Math.abs(div.clientWidth - width) > 40) {
        width = div.clientWidth;
        Plotly.relayout(div, adapted(figure.layout, width));
      }
    }).observe(div);
  };
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

  const plots = document.querySelectorAll(".plot");
  if (plots.length > 0) {
    const plotly = document.createElement("script");
    plotly.textContent = await unpacked("plotly");
    document.body.append(plotly);
    plots.forEach(draw);
  }
})();
