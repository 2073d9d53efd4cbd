import Crypto
import JOSE

/// How the page looks: on a screen of any width, light or dark, and on paper.
///
/// Foreign text never gets in here: the text is a constant. The page's policy allows this text alone, by its hash, so it
/// has no attribute `style` either; bars get their lengths by attributes of SVG.
enum StyleSheet {
    /// CSP Level 3: nothing is loaded, run, embedded or submitted, and only this style sheet counts.
    static let policy = "default-src 'none'; style-src 'sha256-\(hash)'; base-uri 'none'; form-action 'none'"

    /// Base64 of SHA-256, as in the policy.
    private static let hash = String(decoding: Base64.encode(Array(SHA256.hash(data: Array(text.utf8)))), as: UTF8.self)

    /// Colours have a contrast of 4.5 to 1 (text) or 3 to 1 (bars) at least, which a test calculates (WCAG 2.2, 1.4.3 and
    /// 1.4.11). Nothing is said by colour alone: states are words, and bars have patterns.
    static let text = """

        :root {
          color-scheme: light dark;
          --paper: #fcfcfa; --raised: #f3f3ef; --ink: #1c2024; --muted: #565d66; --rule: #c9ccd1;
          --alarm: #a3161a; --notice: #7a4a00; --link: #1d4f91;
          --fill1: #2c66ad; --fill2: #137a6e; --fill3: #9a5b00; --fill4: #6f4a9e; --fill5: #59636e; --fill6: #a8325e;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --paper: #15181b; --raised: #1f2428; --ink: #e4e7ea; --muted: #a2abb4; --rule: #3d454d;
            --alarm: #ff9a91; --notice: #eebb66; --link: #8fbcf2;
            --fill1: #6ba4e6; --fill2: #4bb8a9; --fill3: #d9983a; --fill4: #b090dd; --fill5: #98a3ae; --fill6: #e57fa4;
          }
        }
        * { box-sizing: border-box; }
        html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
        body {
          margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 78rem;
          background: var(--paper); color: var(--ink);
          font: 1rem/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
          font-variant-numeric: tabular-nums; overflow-wrap: break-word;
        }
        bdi, code { overflow-wrap: anywhere; }
        @media (min-width: 48rem) { body { padding: 2.5rem 3rem 5rem; } }
        h1, h2, h3 { line-height: 1.2; font-weight: 600; text-wrap: balance; }
        h1 { font-size: 1.75rem; margin: 0 0 0.25rem; letter-spacing: -0.01em; }
        h2 { font-size: 1.25rem; margin: 0 0 0.75rem; }
        h3 { font-size: 1rem; margin: 1.75rem 0 0.5rem; }
        p { margin: 0 0 0.75rem; max-width: 68ch; }
        ul { margin: 0 0 0.75rem; padding-left: 1.25rem; max-width: 80ch; }
        li { margin: 0.25rem 0; }
        a { color: var(--link); text-underline-offset: 0.15em; }
        code { font-family: ui-monospace, "DejaVu Sans Mono", Consolas, monospace; font-size: 0.875em; }
        section { margin-top: 2.5rem; padding-top: 1.25rem; border-top: 1px solid var(--rule); }
        nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; padding: 0; margin: 1rem 0 0; list-style: none; }
        nav li { margin: 0; }
        .muted, footer { color: var(--muted); }
        .alarm { color: var(--alarm); }
        .notice { color: var(--notice); }
        strong.alarm, strong.notice { font-weight: 600; }
        .unseen {
          font: 0.75em/1 ui-monospace, "DejaVu Sans Mono", monospace; white-space: nowrap;
          border: 1px solid var(--muted); border-radius: 2px; padding: 0 0.2em; margin: 0 0.1em;
        }
        .missing { border-left: 3px solid var(--notice); padding: 0.1rem 0 0.1rem 0.75rem; }

        .figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 1rem 1.5rem; }
        .figures, .figures p { margin: 1.25rem 0 0; }
        .figures p { display: flex; flex-direction: column; margin: 0; border-top: 2px solid var(--ink); padding-top: 0.4rem; }
        .figures strong { font-size: 1.5rem; line-height: 1.2; font-weight: 600; }
        .figures span { color: var(--muted); font-size: 0.875rem; line-height: 1.35; }

        dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: 0.3rem 1.25rem; margin: 0 0 0.75rem; }
        dt { color: var(--muted); }
        dd { margin: 0; min-width: 0; }
        @media (max-width: 32rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 0.5rem; } }

        .scroll { overflow-x: auto; margin: 0 0 1rem; }
        .scroll:focus-visible, a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
        table { border-collapse: collapse; width: 100%; font-size: 0.875rem; line-height: 1.4; }
        caption { text-align: left; font-weight: 600; padding: 0 0 0.4rem; max-width: min(68ch, calc(100vw - 2rem)); }
        th, td { text-align: left; vertical-align: top; padding: 0.35rem 1rem 0.35rem 0; border-bottom: 1px solid var(--rule); }
        th:last-child, td:last-child { padding-right: 0; }
        thead th { color: var(--muted); font-weight: 600; vertical-align: bottom; border-bottom: 1px solid var(--muted); }
        tbody th { font-weight: 400; }
        td.number, th.number { text-align: right; white-space: nowrap; }
        time { white-space: nowrap; }
        th, td { min-width: 4.5rem; max-width: 22rem; }
        td.number, th.number { min-width: 3rem; }
        @media (max-width: 60rem) {
          th, td { min-width: 8rem; }
          td:has(div) { min-width: 11rem; }
          td:has(code) { min-width: 18rem; }
          td.number, th.number { min-width: 5rem; }
        }
        td.bar { min-width: 9rem; width: 30%; vertical-align: middle; }

        figure { margin: 0 0 1.25rem; }
        figcaption { font-weight: 600; font-size: 0.875rem; margin: 0 0 0.5rem; max-width: 68ch; }
        .chart { display: grid; grid-template-columns: auto 1fr; gap: 0 0.5rem; font-size: 0.75rem; color: var(--muted); }
        .axis { display: flex; flex-direction: column; justify-content: space-between; text-align: right; height: 180px; line-height: 1; }
        .legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; padding: 0; margin: 0.5rem 0 0; list-style: none; font-size: 0.875rem; max-width: none; }
        .legend li { display: flex; align-items: center; gap: 0.4rem; margin: 0; }
        .swatch { display: inline-flex; flex: none; }
        svg { display: block; overflow: visible; }
        td.bar svg { overflow: hidden; }
        svg text { fill: var(--muted); font-size: 12px; }
        .grid { stroke: var(--rule); stroke-width: 1; }
        .today { stroke: var(--ink); stroke-width: 1; }
        .mark { fill: var(--paper); stroke: var(--ink); stroke-width: 1.5; }
        .ground { fill: var(--paper); }
        .fill1, .ink1 { fill: var(--fill1); }
        .ink2 { fill: var(--fill2); } .ink3 { fill: var(--fill3); } .ink4 { fill: var(--fill4); }
        .ink5 { fill: var(--fill5); } .ink6 { fill: var(--fill6); }
        .fill2 { fill: url(#pattern2); stroke: var(--fill2); } .fill3 { fill: url(#pattern3); stroke: var(--fill3); }
        .fill4 { fill: url(#pattern4); stroke: var(--fill4); } .fill5 { fill: url(#pattern5); stroke: var(--fill5); }
        .fill6 { fill: url(#pattern6); stroke: var(--fill6); }
        .fill1 { stroke: var(--fill1); }

        footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--rule); font-size: 0.875rem; }

        @page { size: A4; margin: 15mm 14mm 16mm; }
        @media print {
          :root {
            --paper: #ffffff; --raised: #ffffff; --ink: #000000; --muted: #444444; --rule: #999999;
            --alarm: #8f0d12; --notice: #6b4000; --link: #000000;
            --fill1: #2c66ad; --fill2: #137a6e; --fill3: #9a5b00; --fill4: #6f4a9e; --fill5: #59636e; --fill6: #a8325e;
          }
          body { max-width: none; padding: 0; font-size: 9.5pt; line-height: 1.4; }
          nav { display: none; }
          h1 { font-size: 18pt; } h2 { font-size: 13pt; } h3 { font-size: 10.5pt; }
          h1, h2, h3, caption, figcaption { break-after: avoid; }
          tr, figure, li, .figures { break-inside: avoid; }
          thead { display: table-header-group; }
          section { margin-top: 14pt; padding-top: 8pt; }
          table, figcaption, .legend { font-size: 8pt; }
          .figures { grid-template-columns: repeat(4, 1fr); }
          .figures strong { font-size: 14pt; }
          .scroll { overflow: visible; }
          th, td { min-width: 0; max-width: none; padding-right: 0.6rem; }
          td.number, th.number { min-width: 0; }
          td.bar { min-width: 6rem; }
          td:has(div), td:has(code) { min-width: 0; }
        }

        """
}
