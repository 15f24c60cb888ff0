/// Text from outside (names of files, what files say) for terminals, logs and pages.
extension String {
    /// The text in one line, with nothing in it that a terminal would obey or that is shown in
    /// another order than it stands: such characters, and bytes that are no text, are spelled out.
    package var visible: String { shown(keeping: [], by: String.spelled) }

    /// The same for text of several lines, whose foreign parts are `visible` already.
    package var visibleLines: String { shown(keeping: ["\n", "\t"], by: String.spelled) }

    /// JSON's text with such characters as `\uXXXX`: the same value for those who read it.
    package var visibleJSON: String {
        shown(keeping: ["\n"]) { scalar in
            String(scalar).utf16.map { unit in
                let digits = String(unit, radix: 16)
                return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }.joined()
        }
    }

    private func shown(
        keeping kept: Set<Unicode.Scalar>, by spelling: (Unicode.Scalar) -> String
    ) -> String {
        if unicodeScalars.allSatisfy({ kept.contains($0) || !$0.isTreacherous }) { return self }
        var text = ""
        for scalar in unicodeScalars {
            if kept.contains(scalar) || !scalar.isTreacherous {
                text.unicodeScalars.append(scalar)
            } else {
                text += spelling(scalar)
            }
        }
        return text
    }

    private static func spelled(_ scalar: Unicode.Scalar) -> String {
        if let byte = escapedByte(scalar) { return "\\x" + String(byte, radix: 16) }
        switch scalar {
        case "\n": return "\\n"
        case "\r": return "\\r"
        case "\t": return "\\t"
        default: return "\\u{\(String(scalar.value, radix: 16))}"
        }
    }
}

extension Unicode.Scalar {
    /// Whether it moves the cursor, changes the order of what is shown, or cannot be seen.
    fileprivate var isTreacherous: Bool {
        switch value {
        case 0x20...0x7e: false
        case 0..<0x20, 0x7f..<0xa0: true  // control characters
        case 0xad, 0x61c, 0x180e, 0x200b, 0x200e, 0x200f, 0x2028...0x202e, 0x2060...0x206f: true
        case 0xfeff, 0xfff9...0xfffb, 0xe0000...0xe0fff: true
        case 0x10_ff80...0x10_ffff: true  // bytes of a path
        default: false
        }
    }
}
