import Synchronization
package import VidTwinKernels

/// Where tensors live and ops run: a pool of threads and the memory they recycle.
///
/// Any number of models and sessions may share one; ops of different callers take turns.
public final class Device: Sendable {
    package let pool: ThreadPool
    private let recycled = Mutex<[Int: [AlignedBuffer]]>([:])
    private let scratches: [Scratch]

    /// - Parameter threads: how many threads compute, at least 1; nil takes every CPU that the
    ///   process may run on. Results are the same bytes for any number.
    public init(threads: Int? = nil) {
        pool = ThreadPool(threadCount: threads)
        scratches = (0..<pool.threadCount).map { _ in Scratch() }
    }

    /// Threads that compute.
    public var threads: Int { pool.threadCount }

    /// Memory of at least `count` floats, uninitialised: what an earlier tensor of that size left.
    func takeBuffer(_ count: Int) -> AlignedBuffer {
        let size = Device.rounded(count)
        if let buffer = recycled.withLock({ $0[size]?.popLast() }) { return buffer }
        guard let buffer = AlignedBuffer(count: size) else {
            fatalError("no memory for a tensor of \(count) floats")
        }
        return buffer
    }

    func giveBack(_ buffer: AlignedBuffer) {
        recycled.withLock { $0[buffer.count, default: []].append(buffer) }
    }

    private static func rounded(_ count: Int) -> Int { (max(count, 1) + 15) / 16 * 16 }

    /// Scratch memory of a worker of `pool`, valid during one task.
    package func scratch(worker: Int, count: Int) -> UnsafeMutablePointer<Float> {
        scratches[worker].pointer(count: count)
    }

    /// Grows to the largest size asked for. One worker uses it at a time.
    private final class Scratch: @unchecked Sendable {
        private var buffer: AlignedBuffer?

        func pointer(count: Int) -> UnsafeMutablePointer<Float> {
            if let buffer, buffer.count >= count { return buffer.pointer }
            buffer = nil
            guard let grown = AlignedBuffer(count: count) else {
                fatalError("no memory for \(count) floats of scratch")
            }
            buffer = grown
            return grown.pointer
        }
    }
}
