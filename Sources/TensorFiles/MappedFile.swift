import Glibc
import ForkSafety
import Synchronization

/// A regular file, mapped into memory for reading, or copied there.
package final class MappedFile: @unchecked Sendable {
    let path: String
    /// The whole file; empty files have no base address.
    let bytes: UnsafeRawBufferPointer
    /// Whether the bytes are a copy, which stays as it is whatever becomes of the file.
    let isCopied: Bool

    /// Opens a file; `copied` reads all of it now. A mapped one that becomes shorter ends the process by
    /// SIGBUS when what was there is read.
    ///
    /// - Throws: `CheckpointError.file`, `.kind` for an empty one.
    init(path: String, copied: Bool = false) throws(CheckpointError) {
        (self.path, isCopied) = (path, copied)
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
        let access = copied ? PROT_READ | PROT_WRITE : PROT_READ
        let flags = copied ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_PRIVATE
        guard let base = mmap(nil, size, access, flags, copied ? -1 : descriptor, 0),
            base != MAP_FAILED
        else {
            throw .file(path: path, problem: "mapping failed: \(String(cString: strerror(errno)))")
        }
        bytes = UnsafeRawBufferPointer(start: base, count: size)
        if copied {
            try MappedFile.fill(base, size, from: descriptor, path)
        } else if MappedFile.isRemembered.load(ordering: .relaxed) {
            let range = Int(bitPattern: base)..<Int(bitPattern: base) + size
            MappedFile.mappings.withLock { $0[ObjectIdentifier(self)] = (range, path) }
        }
    }

    deinit {
        if !isCopied, MappedFile.isRemembered.load(ordering: .relaxed) {
            MappedFile.mappings.withLock { $0[ObjectIdentifier(self)] = nil }
        }
        munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
    }

    private static func fill(
        _ base: UnsafeMutableRawPointer, _ size: Int, from descriptor: Int32, _ path: String
    ) throws(CheckpointError) {
        var done = 0
        while done < size {
            let count = Glibc.read(descriptor, base + done, size - done)
            if count > 0 { done += count }
            if count < 0, errno != EINTR {
                throw .file(path: path, problem: String(cString: strerror(errno)))
            }
            if count == 0 {
                throw .file(
                    path: path,
                    problem: "expected \(size) bytes, found \(done): it became shorter meanwhile")
            }
        }
    }

    /// `path(at:)` knows the files that are opened from now on. A library leaves its host's signals
    /// alone, and has no use for it.
    package static func remember() { isRemembered.store(true, ordering: .relaxed) }
    private static let isRemembered = Atomic(false)

    /// Files that are mapped now.
    private static let mappings = Guarded<[ObjectIdentifier: (range: Range<Int>, path: String)]>
        .ofProcess([:])

    /// The path of the mapped file that an address is in: what a handler of SIGBUS asks. The signal
    /// comes of the very instruction that reads the bytes, on whose thread no lock is held then.
    package static func path(at address: UnsafeRawPointer) -> String? {
        let place = Int(bitPattern: address)
        return mappings.withLock { $0.values.first { $0.range.contains(place) }?.path }
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
