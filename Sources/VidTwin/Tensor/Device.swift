package import VidTwinKernels

/// Where tensors live and ops run: a pool of threads and the memory they recycle.
///
/// Any number of models and sessions may share one; ops of different callers take turns.
public final class Device: @unchecked Sendable {
    private let pool: ThreadPool
    private let recycled = Guarded<[Int: [AlignedBuffer]]>([:])
    /// One for each thread of the pool, which runs one task at a time.
    private var workspaces: [Workspace]

    /// - Parameter threads: how many threads compute, at least 1; nil takes every CPU that the
    ///   process may run on. Results are the same bytes for any number.
    public init(threads: Int? = nil) {
        pool = ThreadPool(threadCount: threads)
        workspaces = (0..<pool.threadCount).map { _ in Workspace() }
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
}

extension Device: ForkParticipant {
    package func beforeFork() { recycled.lock() }

    /// In the child nothing runs, whatever a thread of the parent was in the middle of: its scratch
    /// memory is left as it is, and never touched again.
    package func afterFork(inChild: Bool) {
        recycled.unlock()
        if !inChild { return }
        for workspace in workspaces { _ = Unmanaged.passRetained(workspace) }
        workspaces = workspaces.map { _ in Workspace() }
    }
}
