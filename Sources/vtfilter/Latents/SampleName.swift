import TensorFiles

/// What the samples of a video are called: letters and digits of any script, `-` and `_`, as dots
/// and slashes mean something in a stream.
package struct SampleName {
    /// The name.
    package let text: String

    /// The member names of a sample must fit the 100 bytes of a tar header.
    private static let maximumBytes = 60

    /// The name of a file without its folder and ending. Where that loses something (other
    /// characters become `_`, long names are cut), a fingerprint of the whole name follows, so that
    /// videos of different names have samples of different names.
    package init(ofVideo url: String) {
        let file = url == "-" ? "" : url.split(separator: "/").last ?? ""
        let dot = file.lastIndex(of: ".") ?? file.startIndex
        let stem = String(dot == file.startIndex ? file : file[..<dot])
        let clean = SampleName.clean(stem)
        if stem.isEmpty {
            text = "clip"
        } else if clean == stem, clean.utf8.count <= SampleName.maximumBytes {
            text = clean
        } else {
            text = SampleName.cut(clean, fingerprint: stem)
        }
    }

    /// A name for a video of a set: its path below the set's folder, without the ending, and a fingerprint of
    /// all of it, so that two paths never share one, and what comes and goes beside it changes nothing.
    package init(ofMember path: String) {
        let file = path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex
        let dot = path[file...].lastIndex(of: ".").flatMap { $0 == file ? nil : $0 }
        text = SampleName.cut(
            SampleName.clean(String(path[..<(dot ?? path.endIndex)])), fingerprint: path, digits: 16
        )
    }

    /// A name that somebody chose: as it is, but for characters that cannot be.
    package init(chosen name: String) {
        let clean = SampleName.clean(name)
        text =
            clean.isEmpty
            ? "clip"
            : clean.utf8.count <= SampleName.maximumBytes
                ? clean : SampleName.cut(clean, fingerprint: name)
    }

    /// The key of the sample of a clip.
    package func key(clip index: Int) -> String {
        let number = String(index)
        return "\(text)_" + String(repeating: "0", count: max(6 - number.count, 0)) + number
    }

    private static func clean(_ name: String) -> String {
        var clean = String.UnicodeScalarView()
        for scalar in name.unicodeScalars {
            let properties = scalar.properties
            let isMark = [.nonspacingMark, .spacingMark].contains(properties.generalCategory)
            let isKept =
                properties.isAlphabetic || properties.numericType != nil
                || isMark && !clean.isEmpty || scalar == "-" || scalar == "_"
            clean.append(isKept ? scalar : "_")
        }
        return String(clean)
    }

    /// The beginning of a name, and a fingerprint of all of it; 16 digits tell millions of names apart.
    private static func cut(
        _ clean: String, fingerprint name: String, digits: Int = 8
    ) -> String {
        var start = String.UnicodeScalarView()
        for scalar in clean.unicodeScalars {
            start.append(scalar)
            if String(start).utf8.count > maximumBytes - 1 - digits {
                start.removeLast()
                break
            }
        }
        return "\(String(start))-\(FileDigest.sha256(text: name).prefix(digits))"
    }
}
