import Glibc

/// A regular file, mapped into memory for reading.
final class MappedFile: @unchecked Sendable {
    let path: String
    /// The whole file; empty files have no base address.
    let bytes: UnsafeRawBufferPointer

    init(path: String) throws(CheckpointError) {
        self.path = path
        let descriptor = path.withPathBytes { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        if descriptor < 0 {
            throw .file(path: path, problem: String(cString: strerror(errno)))
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .file(path: path, problem: String(cString: strerror(errno)))
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw .file(path: path, problem: "expected a regular file, found another kind")
        }
        let size = Int(status.st_size)
        if size == 0 { throw .kind(path: path, found: "an empty file") }
        guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0),
            base != UnsafeMutableRawPointer(bitPattern: -1)
        else {
            throw .file(path: path, problem: "mapping failed: \(String(cString: strerror(errno)))")
        }
        bytes = UnsafeRawBufferPointer(start: base, count: size)
    }

    deinit {
        munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
    }

    /// Brings pages in at once, rather than one fault at a time.
    func prefetch(_ range: Range<Int>) { advise(range, MappedFile.populate) }

    /// Lets the kernel drop the pages of a range, which has been used.
    func release(_ range: Range<Int>) { advise(range, Int32(MADV_DONTNEED)) }

    private static let populate: Int32 = 22  // MADV_POPULATE_READ, Linux 5.14; ignored before

    private func advise(_ range: Range<Int>, _ advice: Int32) {
        guard let base = bytes.baseAddress, range.count >= 1 << 16 else { return }
        let start = range.lowerBound / 4096 * 4096
        madvise(UnsafeMutableRawPointer(mutating: base + start), range.upperBound - start, advice)
    }

    /// The little-endian number at an offset, nil past the end.
    func number<Word: FixedWidthInteger>(_ offset: Int, _: Word.Type) -> Int? {
        guard offset >= 0, offset <= bytes.count - MemoryLayout<Word>.size else { return nil }
        return Int(
            exactly: Word(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Word.self)))
    }
}
