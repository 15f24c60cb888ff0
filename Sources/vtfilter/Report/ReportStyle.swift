/// The look of the evaluation's page, and what it does when it is touched.
enum ReportStyle {
    static let css = """
        :root { color-scheme: light dark; --ink: #1a1d21; --soft: #59626e; --paper: #f4f5f7;
          --card: #fff; --line: #dfe3e8; --accent: #0b5cad; --bar: #5b9bd8; --band: #0b5cad2e;
          --bad: #a8321f; --bad-back: #fdeeea; --other: #b3541e; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e8ebef; --soft: #a0a9b5;
          --paper: #101317; --card: #191d23; --line: #313841; --accent: #7bb8f5; --bar: #4183c4;
          --band: #7bb8f53d; --bad: #ff9d8a; --bad-back: #35201d;
          --other: #f0a35e; } }
        * { box-sizing: border-box; }
        html { -webkit-text-size-adjust: 100%; }
        body { margin: 0; background: var(--paper); color: var(--ink);
          font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
        main { max-width: 76rem; margin: 0 auto; padding: 2rem clamp(1rem, 4vw, 2.5rem) 4rem; }
        header p { margin: .2rem 0 0; color: var(--soft); }
        h1 { font-size: clamp(1.5rem, 1.1rem + 2vw, 2.1rem); line-height: 1.2; margin: 0;
          letter-spacing: -.015em; overflow-wrap: anywhere; }
        h2 { font-size: 1.2rem; line-height: 1.3; margin: 2.8rem 0 .9rem; }
        h3 { font-size: .95rem; margin: 1.4rem 0 .6rem; color: var(--soft); font-weight: 600; }
        p { margin: 0 0 .8rem; } a { color: var(--accent); } code { font-size: .85em; }
        .soft, figcaption, .unit { color: var(--soft); }
        .card, .chart, .moment, details { background: var(--card); border: 1px solid var(--line);
          border-radius: .6rem; }
        .cards { display: grid; gap: 1rem; margin-top: 1.6rem;
          grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); }
        .card { padding: 1rem 1.15rem; } .card h2 { margin: 0; font-size: .95rem; }
        .card h2 span { font-weight: 400; color: var(--soft); }
        .card .big { font-size: 2.3rem; line-height: 1.25; font-weight: 650; letter-spacing: -.02em;
          font-variant-numeric: tabular-nums; }
        .big small { font-size: 1rem; font-weight: 400; color: var(--soft); letter-spacing: 0;
          margin-left: .25rem; }
        dl { margin: .5rem 0 0; display: grid; grid-template-columns: 1fr auto; gap: .1rem .8rem;
          font-size: .9rem; }
        dt { color: var(--soft); } dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }
        .about { grid-template-columns: minmax(6rem, max-content) 1fr; gap: .4rem 1.2rem; }
        .about dd { overflow-wrap: anywhere; text-align: left; }
        .trouble { margin-top: 1rem; padding: .8rem 1.15rem; border-radius: .6rem; color: var(--bad);
          background: var(--bad-back); overflow-wrap: anywhere; }
        .trouble h2 { margin: 0; font-size: 1rem; } .trouble ul { margin: .3rem 0 0;
          padding-left: 1.2rem; }
        .charts { display: grid; gap: 1rem;
          grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); }
        figure { margin: 0; min-width: 0; }
        .chart { padding: .9rem 1.1rem .7rem .8rem; }
        .chart figcaption { font-size: .9rem; margin: 0 0 .7rem .3rem; display: flex; gap: .5rem;
          flex-wrap: wrap; } .chart b { color: var(--ink); }
        .chart output { margin-left: auto; font-variant-numeric: tabular-nums; }
        .plot { display: grid; grid-template: 1.3rem 9rem 1.5rem / 3.2rem 1fr; font-size: .75rem;
          color: var(--soft); font-variant-numeric: tabular-nums; }
        .y, .x { position: relative; } .y span, .x span { position: absolute; white-space: nowrap; }
        .y span { right: .5rem; transform: translateY(50%); line-height: 1; }
        .x span { top: .35rem; transform: translateX(-50%); line-height: 1; }
        .x span:last-child { transform: translateX(-100%); }
        .x span:first-child { transform: none; }
        .unit { grid-area: 1 / 1 / 2 / 3; padding-left: .3rem; line-height: 1; }
        .y { grid-area: 2 / 1; } .plot svg { grid-area: 2 / 2; } .x { grid-area: 3 / 2; }
        .across { text-align: right; font-size: .75rem; color: var(--soft); }
        .plot svg { width: 100%; height: 100%; display: block; overflow: visible; }
        .axis { stroke: var(--line); stroke-width: 1; vector-effect: non-scaling-stroke; }
        .mean, .cursor { stroke: var(--ink); stroke-width: 1; stroke-dasharray: 3 3;
          vector-effect: non-scaling-stroke; } .cursor { stroke-dasharray: none; opacity: .5; }
        .bar { fill: var(--bar); } .band { fill: var(--band); }
        .curve { fill: none; stroke: var(--accent); stroke-width: 1.75; stroke-linejoin: round;
          vector-effect: non-scaling-stroke; }
        .k1 { --accent: var(--other); } .curve.k1 { stroke-dasharray: 6 3; }
        .band.k1 { fill: var(--other); opacity: .2; }
        .dots { fill: none; stroke: var(--accent); stroke-width: 5; stroke-linecap: round;
          vector-effect: non-scaling-stroke; }
        .keys { display: flex; flex-wrap: wrap; gap: 0 .9rem; }
        .key::before { content: ""; display: inline-block; width: 1.3rem; vertical-align: middle;
          border-top: 2px solid var(--accent); margin-right: .35rem; }
        .key.k1::before { border-top-style: dashed; }
        .marks { grid-area: 1 / 2; position: relative; line-height: 1; }
        .marks span { position: absolute; white-space: nowrap; padding: 0 .3rem; color: var(--ink); }
        .clips { display: grid; gap: 1rem; }
        .films { display: grid; grid-template-columns: repeat(4, 1fr); gap: 2px; width: 100%;
          padding: 0; border: 0; background: none; font: inherit; cursor: pointer; }
        .films > span { display: block; min-width: 0; }
        .films i { display: block; font-style: normal; font-size: .75rem; color: var(--soft);
          line-height: 1; padding: .6rem .2rem .5rem; }
        .film { display: block; overflow: hidden; }
        .film img { display: block; width: 100%; animation: film var(--time) steps(var(--frames)) infinite; }
        @keyframes film { to { transform: translateY(-100%); } }
        .films[aria-pressed=true] img { animation-play-state: paused; }
        pre { overflow-x: auto; font-size: .8rem; line-height: 1.45; margin: 0 0 1rem; }
        .by { display: flex; flex-wrap: wrap; align-items: center; gap: .4rem .6rem; }
        .by button { font: inherit; font-size: .9rem; color: var(--ink); background: var(--card);
          border: 1px solid var(--line); border-radius: 2rem; padding: .3rem .95rem; cursor: pointer; }
        .by button[aria-pressed=true] { background: var(--accent); border-color: var(--accent);
          color: var(--card); }
        .pictures { display: grid; gap: 1rem;
          grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); }
        .moment { overflow: hidden; } .moment figcaption { padding: .6rem .9rem .8rem;
          font-size: .9rem; overflow-wrap: anywhere; }
        .moment b { color: var(--ink); }
        .triple { display: grid; grid-template-columns: 1fr 1fr 1fr; gap: 2px; width: 100%;
          padding: 0; border: 0; background: none; font: inherit; cursor: zoom-in; }
        .triple span { display: block; min-width: 0; }
        .triple i { display: block; font-style: normal; font-size: .75rem; color: var(--soft);
          line-height: 1; padding: .6rem .2rem .5rem; }
        .triple img { width: 100%; display: block; }
        .triple[aria-expanded=true] { grid-template-columns: 1fr; cursor: zoom-out; }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; font-size: .95rem; }
        th, td { text-align: left; padding: .5rem .8rem; border-bottom: 1px solid var(--line);
          vertical-align: middle; }
        tbody tr:last-child td { border-bottom: 0; }
        th { color: var(--soft); font-weight: 600; font-size: .85rem; white-space: nowrap; }
        td:first-child { min-width: 8rem; overflow-wrap: anywhere; }
        .n { text-align: right; font-variant-numeric: tabular-nums; }
        th button { font: inherit; color: inherit; background: none; border: 0; padding: .2rem 0;
          cursor: pointer; } th button::after { content: " \\2195"; opacity: .45; }
        th[aria-sort] button { color: var(--ink); }
        th[aria-sort] button::after { content: " \\2191"; opacity: 1; }
        th[aria-sort=descending] button::after { content: " \\2193"; }
        .line { width: 30%; } .spark { width: 100%; height: 2rem; display: block; }
        details { margin-top: .8rem; padding: 0 1.1rem; } details .chart { border: 0; padding: .5rem 0; }
        summary { cursor: pointer; padding: .7rem 0; font-weight: 600; overflow-wrap: anywhere; }
        :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
        @media (max-width: 40rem) { .line { display: none; } main { padding-top: 1.2rem; }
          tr { display: grid; grid-template-columns: repeat(auto-fit, minmax(4.5rem, 1fr));
            border-bottom: 1px solid var(--line); padding: .4rem .5rem; }
          tbody tr:last-child { border-bottom: 0; }
          th, td { padding: .25rem .4rem; border-bottom: 0; font-size: .9rem; }
          td:first-child, th:first-child { grid-column: 1 / -1; }
          .films { grid-template-columns: 1fr 1fr; }
          .about { grid-template-columns: 1fr; gap: 0; } .about dd { margin-bottom: .5rem; } }
        """

    static let script = """
        for (const table of document.querySelectorAll('table.sortable')) {
          const heads = [...table.tHead.rows[0].cells];
          heads.forEach((head, column) => {
            const button = head.querySelector('button');
            if (button) button.onclick = () => {
              const up = head.getAttribute('aria-sort') !== 'ascending';
              heads.forEach(other => other.removeAttribute('aria-sort'));
              head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
              const key = row => row.cells[column].dataset.value ?? '';
              const rows = [...table.tBodies[0].rows].sort((a, b) => {
                const order = column === 0 ? key(a).localeCompare(key(b)) : key(a) - key(b);
                return up ? order : -order;
              });
              table.tBodies[0].append(...rows);
            };
          });
        }
        const choices = [...document.querySelectorAll('.by button')];
        for (const choice of choices) choice.onclick = () => {
          choices.forEach(other => other.setAttribute('aria-pressed', other === choice));
          for (const part of document.querySelectorAll('.moments'))
            part.hidden = part.dataset.metric !== choice.value;
        };
        for (const triple of document.querySelectorAll('.triple')) triple.onclick = () =>
          triple.setAttribute('aria-expanded', triple.getAttribute('aria-expanded') !== 'true');
        // Moving pictures stand still when they are touched, or where less movement is wanted.
        for (const films of document.querySelectorAll('.films')) {
          const hold = still => films.setAttribute('aria-pressed', still);
          films.onclick = () => hold(films.getAttribute('aria-pressed') !== 'true');
          if (matchMedia('(prefers-reduced-motion: reduce)').matches) hold(true);
        }
        for (const link of document.querySelectorAll('td a')) link.onclick = () => {
          document.getElementById(link.hash.slice(1)).open = true;
        };
        for (const chart of document.querySelectorAll('.chart[data-last]')) {
          const [svg, output] = [chart.querySelector('svg'), chart.querySelector('output')];
          const curves = [...chart.querySelectorAll('.curve')].map(curve => [curve.dataset.name,
            curve.getAttribute('points').split(' ').map(point => point.split(',').map(Number))]);
          const { low, high, last, digits, word = 'frame' } = chart.dataset;
          const reading = output.textContent;
          const cursor = document.createElementNS('http://www.w3.org/2000/svg', 'line');
          cursor.setAttribute('class', 'cursor');
          svg.onpointermove = event => {
            const box = svg.getBoundingClientRect();
            const at = (event.clientX - box.left) / box.width * 100;
            const near = (a, b) => Math.abs(a[0] - at) <= Math.abs(b[0] - at) ? a : b;
            const found = curves.map(([name, points]) => [name, ...points.reduce(near)]);
            const x = found.map(([, x]) => [x]).reduce(near)[0];
            for (const [name, value] of [['x1', x], ['x2', x], ['y1', 0], ['y2', 100]])
              cursor.setAttribute(name, value);
            svg.append(cursor);
            const values = found.filter(one => one[1] === x).map(([name, , y]) =>
              (curves.length > 1 ? `${name} ` : '')
              + (+low + (100 - y) / 100 * (high - low)).toFixed(digits));
            output.textContent = `${word} ${Math.round(x / 100 * last)}: ${values.join(', ')}`;
          };
          svg.onpointerleave = () => { cursor.remove(); output.textContent = reading; };
        }
        """
}
