import ForkSafety
import Glibc
package import VidTwinKernels

/// Where tensors live and ops run: a pool of threads and the memory they recycle.
///
/// Any number of models and sessions may share one; ops of different callers take turns.
public final class Device: @unchecked Sendable {
    private let pool: ThreadPool
    private let recycled = Guarded(Recycled())
    private let reserve = MemoryReserve()
    private let running = Guarded<[Computation]>([])
    /// Held by who claims memory for a computation, one at a time.
    /// (Its value means nothing; of an empty one a thread sanitizer sees what lies behind it.)
    private let admission = Guarded(0)
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
        let caller = pthread_self()
        pool.parallel(count) { task, worker in
            let workspace = workspaces[worker]
            workspace.measure(stage) { body(task, workspace) }
            if let failure = TaskFailure.take() { failed(failure, caller) }
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
            // Reached by what no `computing` claims: see docs/RELIABILITY.md.
            Exhaustion.end("no memory for a tensor of \(count) floats")
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

    /// Looks that a computation would find its memory now, and keeps it for the next one that does.
    ///
    /// - Parameters:
    ///   - tensors: bytes of all tensors that live at once.
    ///   - scratch: bytes of a thread's scratch memory.
    ///   - what: the computation, for words.
    /// - Throws: `ModelError.memory`.
    package func require(tensors: Int, scratch: Int, for what: @autoclosure () -> String) throws {
        func missing() -> Int {
            let (kept, claimed) = (keptBytes, claims())
            let tensors = claimed.tensors.addingReportingOverflow(tensors)
            let scratch = max(claimed.scratch, scratch)
            return max((tensors.overflow ? .max / 4 : tensors.partialValue) - kept.tensors, 0)
                + max(scratch * threads - kept.scratch, 0)
        }
        if reserve.hold(missing()) { return }
        recycled.withLock { $0.dropAll() }
        let bytes = missing()
        if !reserve.hold(bytes) { throw ModelError.memory(what: what(), bytes: bytes) }
    }
}

/// A computation that a thread has begun: what it claims, and whether a task of it failed.
private struct Computation {
    let thread: pthread_t
    let tensors, scratch: Int
    var failure: TaskFailure?
}

extension Device {
    /// Runs a computation that surely has its memory; where a task fails all the same, as the code of
    /// a product may find no memory, the result is thrown away. Where there is memory for one
    /// computation and not for two, the second one waits for the first.
    ///
    /// - Parameters: as `require` has them.
    /// - Throws: `ModelError.memory`, `ModelError.computation`; what `body` throws.
    package func computing<Result>(
        tensors: Int, scratch: Int, for what: @autoclosure () -> String,
        _ body: () throws -> Result
    ) throws -> Result {
        let claim = Computation(thread: pthread_self(), tensors: tensors, scratch: scratch)
        while try !admit(claim, for: what()) { usleep(2000) }
        let result = Swift.Result { try body() }
        let ended = running.withLock { running in
            running.lastIndex { $0.thread == claim.thread }.map { running.remove(at: $0) }
        }
        switch ended?.failure {
        case .memory: throw ModelError.memory(what: what(), bytes: 0)
        case .library:
            throw ModelError.computation(
                "\(ProductSupport.title) failed in the middle of \(what())")
        case nil: return try result.get()
        }
    }

    /// Notes a computation if there is memory for it; false where there will be when another one ends.
    private func admit(_ claim: Computation, for what: @autoclosure () -> String) throws -> Bool {
        try admission.withLock { _ in
            do {
                try require(tensors: claim.tensors, scratch: claim.scratch, for: what())
            } catch {
                let isAlone = running.withLock { $0.allSatisfy { $0.thread == claim.thread } }
                if isAlone { throw error }
                return false
            }
            running.withLock { $0.append(claim) }
            return true
        }
    }

    /// Takes down that a task failed of what `thread` computes.
    private func failed(_ failure: TaskFailure, _ thread: pthread_t) {
        let isKnown = running.withLock { running in
            guard let at = running.lastIndex(where: { $0.thread == thread }) else { return false }
            if running[at].failure == nil { running[at].failure = failure }
            return true
        }
        if !isKnown { Exhaustion.end("a product failed: \(failure)") }
    }

    /// What computations that run have claimed: all tensors, and the scratch memory that they share.
    private func claims() -> (tensors: Int, scratch: Int) {
        running.withLock { running in
            running.reduce(into: (0, 0)) {
                $0.0 = $0.0.addingReportingOverflow($1.tensors).partialValue
                $0.1 = max($0.1, $1.scratch)
            }
        }
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
        admission.lock()
        recycled.lock()
        running.lock()
        reserve.beforeFork()
    }

    /// In the child nothing runs, whatever a thread of the parent was in the middle of: its scratch
    /// memory is left as it is, and never touched again.
    package func afterFork(inChild: Bool) {
        reserve.afterFork()
        running.unlock()
        recycled.unlock()
        admission.unlock()
        if !inChild { return }
        running.withLock { $0 = [] }
        for workspace in workspaces { _ = Unmanaged.passRetained(workspace) }
        workspaces = workspaces.map { _ in Workspace(reserve) }
    }
}
