import FoundationEssentials
import TensorFiles

/// What all pages have in common: one file, no network, light and dark, for desktop and phone.
struct ReportPage {
    /// In the browser's list of pages.
    let title: HTML
    let heading: HTML
    let subtitle: HTML
    let body: HTML

    var html: HTML {
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta http-equiv="Content-Security-Policy" content="\(HTML(markup: policy))">
        <link rel="icon" href="data:,">
        <title>\(title)</title>
        <style>
        \(HTML(markup: ReportStyle.css))
        </style>
        </head>
        <body>
        <main>
        <header><h1>\(heading)</h1><p>\(subtitle)</p></header>
        \(body)
        </main>
        <script>\(HTML(markup: ReportStyle.script))</script>
        </body>
        </html>

        """
    }

    /// What a browser may do with the page: show it, and run the one script that is its own.
    private var policy: String {
        let digest = Data(FileDigest.bytes(of: ReportStyle.script)).base64EncodedString()
        return "default-src 'none'; script-src 'sha256-\(digest)'; style-src 'unsafe-inline'; "
            + "img-src data:; base-uri 'none'; form-action 'none'"
    }

    /// The address of a JPEG picture that the page itself holds.
    static func source(_ jpeg: [UInt8]) -> HTML {
        HTML(markup: "data:image/jpeg;base64,\(Data(jpeg).base64EncodedString())")
    }

    /// A card with a large number and lines below it.
    static func card(
        _ name: HTML, _ value: String, unit: String, note: String, _ lines: [(String, String)]
    ) -> HTML {
        var out: HTML = "<section class=card><h2>\(name)</h2><div class=big>\(value)"
        out += "<small>\(unit)</small></div><div class=soft>\(note)</div><dl>"
        for (name, value) in lines { out += "<dt>\(name)</dt><dd>\(value)</dd>" }
        return out + "</dl></section>"
    }
}
