import Glibc

/// Uninitialised memory, in floats or what takes their place, aligned for vectors and, when large, for huge pages.
package final class AlignedBuffer: @unchecked Sendable {
    package let pointer: UnsafeMutablePointer<Float>
    /// In floats.
    package let count: Int

    /// - Parameter count: in floats; nil where the memory cannot be had.
    package init?(count: Int) {
        let (bytes, overflow) = max(count, 1).multipliedReportingOverflow(by: 4)
        let large = bytes >= AlignedBuffer.hugePage
        var raw: UnsafeMutableRawPointer?
        guard !overflow, bytes < Int.max / 2,
            posix_memalign(&raw, large ? AlignedBuffer.hugePage : 64, bytes) == 0, let raw
        else { return nil }
        if large { madvise(raw, bytes, Int32(MADV_HUGEPAGE)) }
        self.count = count
        pointer = raw.bindMemory(to: Float.self, capacity: max(count, 1))
    }

    deinit { free(pointer) }

    /// The same memory, for elements of another type.
    package func elements<Element>(of type: Element.Type) -> UnsafeMutablePointer<Element> {
        UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: type)
    }

    private static let hugePage = 1 << 21
}
