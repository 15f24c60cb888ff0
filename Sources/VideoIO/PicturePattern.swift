import TensorFiles

/// The names of numbered pictures: a path with `%d` or `%03d` in its last part, as ffmpeg has them.
struct PicturePattern {
    private let folder: String
    private let prefix, suffix: [UInt8]
    private let width: Int
    private let isPadded: Bool

    /// Nil for a path without a number, or with two.
    init?(_ path: String) {
        let bytes = path.pathBytes
        let start = (bytes.lastIndex(of: UInt8(ascii: "/")) ?? -1) + 1
        folder = String(pathBytes: bytes[..<start])
        var (parts, part): ([[UInt8]], [UInt8]) = ([], [])
        var rest = bytes[start...]
        var digits: [UInt8] = []
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                part.append(byte)
                continue
            }
            if rest.first == UInt8(ascii: "%") {
                part.append(byte)
                rest.removeFirst()
                continue
            }
            digits = Array(rest.prefix { (0x30...0x39).contains($0) })
            rest = rest.dropFirst(digits.count)
            guard rest.popFirst() == UInt8(ascii: "d") else { return nil }
            parts.append(part)
            part = []
        }
        guard parts.count == 1, let width = digits.isEmpty ? 0 : Int(String(pathBytes: digits)),
            width <= 18
        else { return nil }
        (prefix, suffix, self.width) = (parts[0], part, width)
        isPadded = digits.first == 0x30
    }

    /// The path of a picture.
    func path(_ number: Int) -> String {
        var digits = Array(String(number).utf8)
        let fill: UInt8 = isPadded ? 0x30 : 0x20
        while digits.count < width { digits.insert(fill, at: 0) }
        return folder + String(pathBytes: prefix + digits + suffix)
    }

    /// The numbers of the pictures that are there, in order.
    ///
    /// - Throws: `VideoIOError.badInput` where the folder cannot be read.
    func numbers() throws(VideoIOError) -> [Int] {
        var numbers: [Int] = []
        for name in try InputFile.names(in: folder.isEmpty ? "." : folder).map(\.pathBytes) {
            guard name.count > prefix.count + suffix.count, name.starts(with: prefix),
                name.suffix(suffix.count).elementsEqual(suffix)
            else { continue }
            let digits = name[prefix.count..<name.count - suffix.count].drop { $0 == 0x20 }
            guard digits.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = Int(String(pathBytes: digits)),
                path(number) == folder + String(pathBytes: name)
            else { continue }
            numbers.append(number)
        }
        return numbers.sorted()
    }
}

/// Pictures that are read one after the other, as a video.
struct PictureSequence {
    let paths: [String]
    /// What follows the last of them, where it should not: a gap in the numbers.
    let gap: String?

    /// The pictures of a pattern, from the lowest number on; or one picture.
    ///
    /// - Throws: `VideoIOError.badInput` where there is none.
    init(_ url: String) throws(VideoIOError) {
        guard let pattern = PicturePattern(url) else {
            (paths, gap) = ([url], nil)
            return
        }
        let numbers = try pattern.numbers()
        guard let first = numbers.first else {
            throw .badInput(
                url: url, problem: "expected pictures of such names, found none")
        }
        let whole = zip(numbers, first...).prefix { $0 == $1 }.map(\.0)
        paths = whole.map(pattern.path)
        gap =
            whole.count == numbers.count
            ? nil
            : "\(pattern.path(first + whole.count)) is missing; the pictures go on with "
                + "\(pattern.path(numbers[whole.count]))"
    }
}
