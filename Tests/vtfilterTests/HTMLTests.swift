import Testing
import vtfilter

@Suite struct `Markup` {
    @Test func `what is interpolated is text, unless it is markup`() {
        let name = "<b onclick='x'>\"a\" & b</b>"
        let item: HTML = "<li title=\"\(name)\">\(name)</li>"
        let text = "&lt;b onclick=&#39;x&#39;&gt;&quot;a&quot; &amp; b&lt;/b&gt;"
        #expect(item.markup == "<li title=\"\(text)\">\(text)</li>")
        let list: HTML = "<ul>\([item, item].joined(separator: "<br>"))</ul>"
        #expect(list.markup == "<ul>\(item.markup)<br>\(item.markup)</ul>")
        #expect(("\(1) \(0.5) \(true)" as HTML).markup == "1 0.5 true")
    }

    @Test func `text that moves a cursor or turns lines is visible`() {
        let html: HTML = "<i>\("a\u{1b}[2J\u{202e}b\n")</i>"
        #expect(!html.markup.unicodeScalars.contains { $0.value < 32 || $0.value == 0x202e })
    }
}
