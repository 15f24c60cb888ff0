import Glibc

/// Uninitialised memory, in floats or what takes their place, aligned for vectors and, when large, for huge pages.
///
/// Large memory is mapped by itself, so that it goes back to the system when it is freed.
package final class AlignedBuffer: @unchecked Sendable {
    package let pointer: UnsafeMutablePointer<Float>
    /// In floats.
    package let count: Int
    /// Bytes that are mapped; 0 where the memory is the heap's.
    private let mapped: Int

    /// Pages that begin with the buffer, and go with it.
    init(pages: UnsafeMutableRawPointer, bytes: Int, count: Int) {
        (self.count, mapped) = (count, bytes)
        pointer = pages.bindMemory(to: Float.self, capacity: max(count, 1))
    }

    /// - Parameter count: in floats; nil where the memory cannot be had, or nothing would be left beside it
    ///   for small objects, whose lack of memory nobody can answer.
    package init?(count: Int) {
        let (bytes, overflow) = max(count, 1).multipliedReportingOverflow(by: 4)
        guard !overflow, bytes < Int.max / 2 else { return nil }
        var raw: UnsafeMutableRawPointer?
        if bytes >= AlignedBuffer.hugePage {
            mapped = (bytes + AlignedBuffer.page - 1) / AlignedBuffer.page * AlignedBuffer.page
            raw = AlignedBuffer.map(mapped)
        } else {
            mapped = 0
            if posix_memalign(&raw, 64, bytes) != 0 { return nil }
        }
        guard let raw else { return nil }
        if bytes >= AlignedBuffer.small, !MemoryReserve.isAvailable(MemoryReserve.headroom) {
            if mapped > 0 { munmap(raw, mapped) } else { free(raw) }
            return nil
        }
        self.count = count
        pointer = raw.bindMemory(to: Float.self, capacity: max(count, 1))
    }

    /// Bytes below which what is left is not looked at.
    private static let small = 1 << 16

    deinit {
        if mapped > 0 { munmap(pointer, mapped) } else { free(pointer) }
    }

    /// The same memory, for elements of another type.
    package func elements<Element>(of type: Element.Type) -> UnsafeMutablePointer<Element> {
        UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: type)
    }

    /// Makes every element zero. What is mapped by itself is no memory until it is written again.
    package func zero() {
        if mapped > 0, madvise(pointer, mapped, Int32(MADV_DONTNEED)) == 0 { return }
        pointer.update(repeating: 0, count: max(count, 1))
    }

    private static let hugePage = 1 << 21
    private static let page = 4096

    /// Whole pages that begin where a huge page does: more is mapped, and what is over given back.
    private static func map(_ bytes: Int) -> UnsafeMutableRawPointer? {
        let whole = bytes + hugePage
        guard
            let place = mmap(
                nil, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            place != MAP_FAILED
        else { return nil }
        let before = -Int(bitPattern: place) & (hugePage - 1)
        if before > 0 { munmap(place, before) }
        munmap(place + before + bytes, whole - before - bytes)
        madvise(place + before, bytes, Int32(MADV_HUGEPAGE))
        return place + before
    }
}
