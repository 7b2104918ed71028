// Draws the charts, in the colours of the page; moves one cursor and one time span through all of them.
{
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const specifications = read("specifications");
  const themes = read("themes");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const figures = [...document.querySelectorAll("figure[data-chart]")];
  const [first, last] = ["first", "last"].map((id) => document.getElementById(id));
  let results = [];
  let queue = Promise.resolve();

  const setEverywhere = (signals) =>
    results.forEach(({ view, spec }) => {
      if (!spec.usermeta?.isOverTime) return;
      Object.entries(signals).forEach(([name, value]) => view.signal(name, value));
      view.runAsync();
    });

  const followPointer = ({ view, spec }) => {
    if (!spec.usermeta?.isOverTime) return;
    view.addSignalListener("near", (_, near) => setEverywhere({ at: near.x ? near.x[0] : -1 }));
  };

  const readSpan = () => {
    const [start, end] = [first, last].map((input) => Number(input.value));
    return { start: Math.min(start, end), end: Math.max(start, end) };
  };

  const showSpan = () => {
    const { start, end } = readSpan();
    document.getElementById("span").textContent = `${start} s to ${end} s`;
    setEverywhere({ start, end });
  };

  const draw = async () => {
    results.forEach((result) => result.finalize());
    results = [];
    for (const [index, figure] of figures.entries()) {
      // `ast`: expressions are interpreted, because the page forbids to compile code.
      const options = { mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false,
        config: themes[Number(dark.matches)], tooltip: { disableDefaultStyle: true } };
      const result = await vegaEmbed(figure.querySelector(".plot"), specifications[index], options);
      followPointer(result);
      results.push(result);
    }
    showSpan();
    document.documentElement.dataset.drawn = dark.matches ? "dark" : "light";
  };

  // One drawing after the other: a change of theme may come while the first is under way.
  const redraw = () => { queue = queue.then(draw); };
  [first, last].forEach((input) => input.addEventListener("input", showSpan));
  document.getElementById("all").addEventListener("click", () => {
    [first.value, last.value] = [first.min, last.max];
    showSpan();
  });
  dark.addEventListener("change", redraw);
  redraw();
}
