package import VidTwinKernels

/// Where tensors live and ops run: a pool of threads and the memory they recycle.
///
/// Any number of models and sessions may share one; ops of different callers take turns.
public final class Device: @unchecked Sendable {
    private let pool: ThreadPool
    private let recycled = Guarded(Recycled())
    private let reserve = MemoryReserve()
    /// One for each thread of the pool, which runs one task at a time.
    private var workspaces: [Workspace]

    /// - Parameter threads: how many threads compute, at least 1; nil takes every CPU that the
    ///   process may run on. Results are the same bytes for any number.
    public init(threads: Int? = nil) {
        pool = ThreadPool(threadCount: threads)
        let reserve = reserve
        workspaces = (0..<pool.threadCount).map { _ in Workspace(reserve) }
        Fork.join(self)
    }

    deinit { Fork.leave(self) }

    /// Threads that compute.
    public var threads: Int { pool.threadCount }

    /// Runs `body(task, workspace)` for every task in `0..<count`, sharing them among the threads;
    /// the workspace is the task's alone until it ends. The time counts for `stage`.
    package func parallel(
        _ count: Int, _ stage: Stage = .other, _ body: (_ task: Int, _ workspace: Workspace) -> Void
    ) {
        pool.parallel(count) { task, worker in
            let workspace = workspaces[worker]
            workspace.measure(stage) { body(task, workspace) }
        }
    }

    /// What the threads did since the last call: seconds by stage, summed over threads, and the
    /// multiplications and additions of products and attention.
    ///
    /// - Precondition: nothing runs.
    package func takeCounts() -> (seconds: [Stage: Double], operations: Double) {
        var (seconds, operations): ([Stage: Double], Double) = ([:], 0)
        for workspace in workspaces {
            for stage in Stage.allCases {
                seconds[stage, default: 0] +=
                    Double(workspace.nanoseconds[stage.rawValue]) * 1e-9
            }
            operations += Double(workspace.operations)
            workspace.resetCounts()
        }
        return (seconds, operations)
    }

    /// Memory of at least `count` floats, uninitialised: what an earlier tensor of that size left.
    func takeBuffer(_ count: Int) -> AlignedBuffer {
        let size = (max(count, 1) + 15) / 16 * 16
        if let buffer = recycled.withLock({ $0.take(size) }) { return buffer }
        if let buffer = reserve.buffer(count: size) { return buffer }
        recycled.withLock { $0.dropAll() }
        guard let buffer = reserve.buffer(count: size) else {
            fatalError("no memory for a tensor of \(count) floats")
        }
        return buffer
    }

    func giveBack(_ buffer: AlignedBuffer) { recycled.withLock { $0.put(buffer) } }

    /// Gives what is kept for tensors to come back to the system, where those will have other sizes.
    package func releaseKept() { recycled.withLock { $0.dropAll() } }

    /// Bytes of memory that is kept for tensors to come, and of scratch memory.
    package var keptBytes: (tensors: Int, scratch: Int) {
        (recycled.withLock { $0.byteCount }, workspaces.reduce(0) { $0 + $1.byteCount })
    }

    /// Makes sure that a computation finds its memory, which it could not do without half-way.
    ///
    /// - Parameters:
    ///   - tensors: bytes of all tensors that live at once.
    ///   - scratch: bytes of a thread's scratch memory.
    ///   - what: the computation, for words.
    /// - Throws: `ModelError.memory`.
    package func require(tensors: Int, scratch: Int, for what: @autoclosure () -> String) throws {
        func missing() -> Int {
            let kept = keptBytes
            return max(tensors - kept.tensors, 0) + max(scratch * threads - kept.scratch, 0)
        }
        if reserve.hold(missing()) { return }
        recycled.withLock { $0.dropAll() }
        let bytes = missing()
        if !reserve.hold(bytes) { throw ModelError.memory(what: what(), bytes: bytes) }
    }
}

/// Buffers that wait for the next tensor of their size; those that none wanted for a while go.
private struct Recycled {
    private var buffers: [Int: [(buffer: AlignedBuffer, since: Int)]] = [:]
    /// Buffers that were asked for.
    private var requests = 0
    private(set) var byteCount = 0

    /// Requests after which a buffer that was not wanted is given back: some clips' worth.
    private static let patience = 4096

    mutating func take(_ size: Int) -> AlignedBuffer? {
        requests += 1
        if requests % Recycled.patience == 0 { dropOld() }
        guard let last = buffers[size]?.popLast() else { return nil }
        byteCount -= 4 * size
        return last.buffer
    }

    mutating func put(_ buffer: AlignedBuffer) {
        byteCount += 4 * buffer.count
        buffers[buffer.count, default: []].append((buffer, requests))
    }

    mutating func dropAll() { (buffers, byteCount) = ([:], 0) }

    /// The last ones of a size are taken first, so the first ones wait longest.
    private mutating func dropOld() {
        for (size, waiting) in buffers {
            let old = waiting.prefix { requests - $0.since > Recycled.patience }.count
            if old == 0 { continue }
            byteCount -= 4 * size * old
            buffers[size] = old == waiting.count ? nil : Array(waiting.dropFirst(old))
        }
    }
}

extension Device: ForkParticipant {
    package func beforeFork() {
        recycled.lock()
        reserve.beforeFork()
    }

    /// In the child nothing runs, whatever a thread of the parent was in the middle of: its scratch
    /// memory is left as it is, and never touched again.
    package func afterFork(inChild: Bool) {
        reserve.afterFork()
        recycled.unlock()
        if !inChild { return }
        for workspace in workspaces { _ = Unmanaged.passRetained(workspace) }
        workspaces = workspaces.map { _ in Workspace(reserve) }
    }
}
