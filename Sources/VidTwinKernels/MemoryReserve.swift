import ForkSafety
import Glibc

/// Address space that is held for buffers to come, so that they are had in the middle of a
/// computation, where there is nobody to tell, whatever other threads take meanwhile. Buffers are cut
/// from it, so that nothing is asked for; the rest is never touched, and so is no memory.
package final class MemoryReserve: Sendable {
    /// What small objects, the code of products and libraries take besides.
    package static let headroom = 32 << 20

    private struct Held: @unchecked Sendable {
        var place: UnsafeMutableRawPointer?
        var bytes = 0

        /// The last pages, for so many bytes; nil where there are too few.
        mutating func cut(_ bytes: Int) -> (pages: UnsafeMutableRawPointer, bytes: Int)? {
            guard let place, bytes > 0, bytes <= self.bytes else { return nil }
            let rest = (self.bytes - bytes) & ~4095
            let piece = (place + rest, self.bytes - rest)
            (self.place, self.bytes) = (rest == 0 ? nil : place, rest)
            return piece
        }

        /// Keeps the first `rest` bytes.
        mutating func shrink(to rest: Int) {
            let rest = max(rest, 0) & ~4095
            guard let place, rest < bytes else { return }
            munmap(place + rest, bytes - rest)
            (self.place, bytes) = (rest == 0 ? nil : place, rest)
        }
    }
    private let held = Guarded(Held())

    package init() {}

    deinit { held.withLock { $0.shrink(to: 0) } }

    /// Whether the process could get so many bytes now, in one piece. Nothing is kept or touched.
    package static func isAvailable(_ bytes: Int) -> Bool {
        guard let place = map(bytes) else { return false }
        munmap(place, max(bytes, 1))
        return true
    }

    private static func map(_ bytes: Int) -> UnsafeMutableRawPointer? {
        let place = mmap(
            nil, max(bytes, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        return place == MAP_FAILED ? nil : place
    }

    /// Holds at least `bytes` for buffers; false where they are not to be had beside the headroom.
    package func hold(_ bytes: Int) -> Bool {
        held.withLock { held in
            if held.bytes < bytes {
                held.shrink(to: 0)
                let whole = min(bytes, .max / 2) + 4095 & ~4095
                guard let place = MemoryReserve.map(whole) else { return false }
                madvise(place, whole, Int32(MADV_HUGEPAGE))
                held = Held(place: place, bytes: whole)
            }
            return MemoryReserve.isAvailable(MemoryReserve.headroom)
        }
    }

    /// A buffer out of what is held, or new memory where that does not suffice.
    package func buffer(count: Int) -> AlignedBuffer? {
        held.withLock { held in
            if let (pages, bytes) = held.cut(4 * count) {
                return AlignedBuffer(pages: pages, bytes: bytes, count: count)
            }
            if let buffer = AlignedBuffer(count: count) { return buffer }
            held.shrink(to: 0)
            return AlignedBuffer(count: count)
        }
    }

    package func beforeFork() { held.lock() }
    package func afterFork() { held.unlock() }
}
