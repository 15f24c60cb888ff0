/// The look of the evaluation's page, and what it does when it is touched.
enum ReportStyle {
    static let css = """
        :root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6470; --paper: #fff;
          --line: #d9dee4; --accent: #0b63c5; --bar: #6aa3e0; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa4b2;
          --paper: #14171b; --line: #333a43; --accent: #6cb0ff; --bar: #3d78b8; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--paper); color: var(--ink);
          font: 16px/1.5 system-ui, sans-serif; }
        main { max-width: 70rem; margin: 0 auto; padding: 1rem; }
        h1 { font-size: 1.6rem; margin: .5rem 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
        h3 { font-size: 1rem; margin: 1rem 0 .3rem; color: var(--soft); }
        dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0; }
        dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; }
        th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
        .n { text-align: right; font-variant-numeric: tabular-nums; }
        th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0;
          padding: 0; cursor: pointer; }
        th[aria-sort] button::after { content: " \\2191"; }
        th[aria-sort=descending] button::after { content: " \\2193"; }
        a { color: var(--accent); overflow-wrap: anywhere; }
        .grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr));
          gap: 1rem; }
        figure { margin: 0; } figcaption { color: var(--soft); font-size: .85rem;
          overflow-wrap: anywhere; }
        svg { width: 100%; height: auto; } svg text { font-size: 10px; fill: var(--soft); }
        .bar rect { fill: var(--bar); } .axis { stroke: var(--line); }
        .curve { fill: none; stroke: var(--accent); stroke-width: 1.5; }
        .moments .grid { grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }
        .triple { display: grid; grid-template-columns: 1fr 1fr 1fr; gap: 2px; }
        .triple img { width: 100%; display: block; }
        summary { cursor: pointer; padding: .3rem 0; } select { font: inherit; }
        """

    static let script = """
        for (const table of document.querySelectorAll('table.sortable')) {
          const heads = [...table.tHead.rows[0].cells];
          heads.forEach((head, column) => head.querySelector('button').onclick = () => {
            const up = head.getAttribute('aria-sort') !== 'ascending';
            heads.forEach(other => other.removeAttribute('aria-sort'));
            head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
            const key = row => row.cells[column].dataset.value ?? '';
            const rows = [...table.tBodies[0].rows].sort((a, b) => {
              const order = column === 0 ? key(a).localeCompare(key(b)) : key(a) - key(b);
              return up ? order : -order;
            });
            table.tBodies[0].append(...rows);
          });
        }
        const choice = document.getElementById('metric');
        if (choice) choice.onchange = () => {
          for (const part of document.querySelectorAll('.moments'))
            part.hidden = part.dataset.metric !== choice.value;
        };
        """
}
