import CDeflate

/// The entries of a zip file: stored or deflated, with or without zip64.
struct ZipArchive: Sendable {
    struct Entry: Sendable {
        let name: String
        /// Where the entry's bytes are, as stored.
        let range: Range<Int>
        /// Bytes after inflating.
        let size: Int
        let crc: UInt32
        let deflated: Bool
    }

    let file: MappedFile
    let entries: [String: Entry]

    private static let centralSignature = 0x0201_4b50
    private static let localSignature = 0x0403_4b50
    private static let endSignature = 0x0605_4b50
    private static let end64Signature = 0x0606_4b50
    private static let locator64Signature = 0x0706_4b50
    /// Deflate cannot shrink data further than this.
    private static let maximumRatio = 1032

    /// What an entry of the directory takes.
    private static let entryBytes = 256

    init(_ file: MappedFile, _ budget: ReadingBudget) throws(CheckpointError) {
        self.file = file
        let directory = try ZipArchive.directory(file)
        var entries: [String: Entry] = [:]
        var at = directory.range.lowerBound
        for index in 0..<directory.count {
            let (entry, next) = try ZipArchive.entry(file, at, directory.range, index)
            at = next
            try budget.spend(ZipArchive.entryBytes + entry.name.utf8.count, "zip directory")
            if entries.updateValue(entry, forKey: entry.name) != nil {
                throw .malformed(
                    path: file.path, place: entry.name, expected: "each name once",
                    found: "it twice")
            }
        }
        var end = 0
        for entry in entries.values.sorted(by: { $0.range.lowerBound < $1.range.lowerBound })
        where !entry.range.isEmpty {
            if entry.range.lowerBound < end {
                throw .malformed(
                    path: file.path, place: entry.name, expected: "entries apart from each other",
                    found: "one that begins within another")
            }
            end = entry.range.upperBound
        }
        self.entries = entries
    }

    /// The bytes of an entry, checked against its checksum; for small entries. More than `limit`
    /// bytes are refused before anything is allocated.
    func contents(_ entry: Entry, limit: Int) throws(CheckpointError) -> [UInt8] {
        if entry.size > limit {
            throw .malformed(
                path: file.path, place: entry.name, expected: "at most \(limit) bytes",
                found: "\(entry.size)")
        }
        if !entry.deflated {
            let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[entry.range])
            try verify(entry, bytes)
            return Array(bytes)
        }
        var bytes = [UInt8](repeating: 0, count: entry.size)
        var failure: CheckpointError?
        bytes.withUnsafeMutableBytes { buffer in
            do throws(CheckpointError) { try inflate(entry, into: buffer) } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Inflates a deflated entry and checks it; `destination` has the entry's size.
    func inflate(_ entry: Entry, into destination: UnsafeMutableRawBufferPointer)
        throws(CheckpointError)
    {
        guard let decompressor = libdeflate_alloc_decompressor() else {
            throw .file(path: file.path, problem: "no memory to inflate \(entry.name)")
        }
        defer { libdeflate_free_decompressor(decompressor) }
        let source = UnsafeRawBufferPointer(rebasing: file.bytes[entry.range])
        var written = 0
        let result = libdeflate_deflate_decompress(
            decompressor, source.baseAddress, source.count, destination.baseAddress,
            destination.count, &written)
        guard result == LIBDEFLATE_SUCCESS, written == entry.size else {
            throw .malformed(
                path: file.path, place: entry.name,
                expected: "deflated data of \(entry.size) bytes",
                found: result == LIBDEFLATE_SUCCESS ? "\(written) bytes" : "damaged data")
        }
        try verify(entry, UnsafeRawBufferPointer(destination))
    }

    /// Compares the checksum of an entry's (inflated) bytes.
    func verify(_ entry: Entry, _ bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
        let found = libdeflate_crc32(0, bytes.baseAddress, bytes.count)
        if found != entry.crc {
            throw .checksum(
                path: file.path, place: entry.name, expected: entry.crc, found: found)
        }
    }

    // MARK: - The directory

    /// Finds the central directory: from the end of the file, through the zip64 records if any.
    private static func directory(
        _ file: MappedFile
    ) throws(CheckpointError) -> (range: Range<Int>, count: Int) {
        let size = file.bytes.count
        var end = size - 22
        while end >= max(0, size - 22 - 65535) {
            if file.number(end, UInt32.self) == endSignature,
                let comment = file.number(end + 20, UInt16.self), end + 22 + comment == size
            {
                break
            }
            end -= 1
        }
        guard end >= max(0, size - 22 - 65535) else {
            throw .malformed(
                path: file.path, place: "end of the file", expected: "a zip directory",
                found: "none: the file is cut off or not a zip")
        }
        var count = file.number(end + 10, UInt16.self) ?? 0
        var length = file.number(end + 12, UInt32.self) ?? 0
        var start = file.number(end + 16, UInt32.self) ?? 0
        var directoryEnd = end
        if let locator = file.number(end - 20, UInt32.self), locator == locator64Signature {
            guard let record = file.number(end - 12, UInt64.self), record < end,
                file.number(record, UInt32.self) == end64Signature,
                let count64 = file.number(record + 32, UInt64.self),
                let length64 = file.number(record + 40, UInt64.self),
                let start64 = file.number(record + 48, UInt64.self)
            else {
                throw .malformed(
                    path: file.path, place: "end of the file",
                    expected: "a zip64 directory record", found: "none where it is said to be")
            }
            (count, length, start, directoryEnd) = (count64, length64, start64, record)
        }
        guard start <= directoryEnd, length <= directoryEnd - start, count <= length / 46 else {
            throw .malformed(
                path: file.path, place: "zip directory",
                expected: "\(count) entries within \(directoryEnd) bytes",
                found: "\(length) bytes at \(start)")
        }
        return (start..<start + length, count)
    }

    private static func entry(
        _ file: MappedFile, _ at: Int, _ directory: Range<Int>, _ index: Int
    ) throws(CheckpointError) -> (Entry, next: Int) {
        func malformed(_ expected: String, _ found: String, _ name: String? = nil)
            -> CheckpointError
        {
            .malformed(
                path: file.path, place: name ?? "zip directory entry \(index)",
                expected: expected, found: found)
        }
        func field<Word: FixedWidthInteger>(_ offset: Int, _ type: Word.Type) -> Int {
            file.number(at + offset, type) ?? 0
        }
        guard at <= directory.upperBound - 46, field(0, UInt32.self) == centralSignature else {
            throw malformed("an entry at byte \(at)", "none")
        }
        let (nameLength, extraLength) = (field(28, UInt16.self), field(30, UInt16.self))
        let next = at + 46 + nameLength + extraLength + field(32, UInt16.self)
        guard next <= directory.upperBound else {
            throw malformed("an entry within the directory", "one that ends at byte \(next)")
        }
        let nameBytes = file.bytes[at + 46..<at + 46 + nameLength]
        guard let name = String(validating: nameBytes, as: UTF8.self) else {
            throw malformed("a name in UTF-8", "other bytes")
        }
        var (packed, size, offset) = (
            field(20, UInt32.self), field(24, UInt32.self), field(42, UInt32.self)
        )
        let (flags, method) = (field(8, UInt16.self), field(10, UInt16.self))
        if flags & 1 != 0 { throw malformed("an entry in clear", "an encrypted one", name) }
        guard method == 0 || method == 8 else {
            throw malformed("a stored or deflated entry", "compression method \(method)", name)
        }
        // zip64: 64-bit values stand in the extra field for those that are all ones.
        var extra = at + 46 + nameLength
        let extraEnd = extra + extraLength
        while extra + 4 <= extraEnd {
            let (id, length) = (
                file.number(extra, UInt16.self) ?? 0, file.number(extra + 2, UInt16.self) ?? 0
            )
            guard extra + 4 + length <= extraEnd else { break }
            if id == 1 {
                var value = extra + 4
                func wide(_ narrow: inout Int) throws(CheckpointError) {
                    guard narrow == 0xffff_ffff else { return }
                    guard value + 8 <= extra + 4 + length,
                        let number = file.number(value, UInt64.self)
                    else { throw malformed("zip64 sizes", "too few or too large ones", name) }
                    narrow = number
                    value += 8
                }
                try wide(&size)
                try wide(&packed)
                try wide(&offset)
            }
            extra += 4 + length
        }
        guard file.number(offset, UInt32.self) == localSignature,
            let localName = file.number(offset + 26, UInt16.self),
            let localExtra = file.number(offset + 28, UInt16.self)
        else { throw malformed("an entry header at byte \(offset)", "none", name) }
        let start = offset + 30 + localName + localExtra
        guard start <= file.bytes.count, packed <= file.bytes.count - start else {
            throw malformed(
                "\(packed) bytes from \(start) on", "the end of the file at \(file.bytes.count)",
                name)
        }
        guard localName == nameLength,
            file.bytes[offset + 30..<offset + 30 + localName].elementsEqual(nameBytes),
            file.number(offset + 8, UInt16.self) == method
        else { throw malformed("the same name and method in both headers", "others", name) }
        if method == 0 {
            guard packed == size else {
                throw malformed("\(packed) bytes, as stored", "\(size)", name)
            }
        } else if size / maximumRatio > packed + 1 {
            throw malformed(
                "at most \(maximumRatio) times the \(packed) deflated bytes", "\(size)", name)
        }
        let entry = Entry(
            name: name, range: start..<start + packed, size: size,
            crc: UInt32(truncatingIfNeeded: field(16, UInt32.self)), deflated: method == 8)
        return (entry, next)
    }
}
