import Glibc
import Synchronization

/// What time is spent on, as `Workspace.clock` tells it apart.
package enum Stage: Int, CaseIterable, Sendable {
    /// Norms with their modulation.
    case norms
    /// Attention within frames: projections and attention proper.
    case spatialAttention
    /// Attention through time.
    case temporalAttention
    /// The MLPs of the blocks.
    case mlp
    /// Products by themselves: embeddings, the Q-Former, the latents' ends.
    case linear
    /// Attention by itself: the Q-Former's.
    case attention
    /// The latents' convolutions, and those of losses' networks.
    case convolution
    /// Activations brought into the form that products take, and back.
    case packing
    /// Everything else.
    case other
}

/// Scratch memory of one worker, and a count of what it did. One task uses it at a time.
package final class Workspace {
    /// Pieces of scratch memory that are in use at the same time.
    package enum Slot: Int, CaseIterable {
        /// Rows that an op gathers or normalises.
        case rows
        /// Rows with positions added.
        case timed
        /// Queries, keys and values.
        case qkv
        /// The middle of an MLP.
        case hidden
        /// The result of a branch, before it is added.
        case branch
        /// Attention scores, as numbers and as bfloat16.
        case scores, weights
        /// Activations in the form that products take.
        case operand
        /// Weights on their way from a narrow form.
        case widened
        /// The product library's own.
        case library
    }

    private var buffers = [AlignedBuffer?](repeating: nil, count: Slot.allCases.count)
    /// Nanoseconds by stage; time inside a stage within another counts for the inner one only.
    package private(set) var nanoseconds = [UInt64](repeating: 0, count: Stage.allCases.count)
    /// Multiplications and additions of products and attention.
    package var operations: UInt64 = 0
    private var stage: Stage?
    private var since: UInt64 = 0

    private let reserve: MemoryReserve?
    /// What the product library keeps from call to call.
    var library: AnyObject?

    /// - Parameter reserve: what its memory comes out of.
    package init(_ reserve: MemoryReserve? = nil) { self.reserve = reserve }

    /// Bytes of the memory that is held; any thread may ask, also while a task runs.
    package var byteCount: Int { held.load(ordering: .relaxed) }
    private let held = Atomic(0)

    /// Memory for `count` floats, valid until the slot is asked for again.
    package func floats(_ slot: Slot, _ count: Int) -> UnsafeMutablePointer<Float> {
        guard let memory = floatsIfAny(slot, count) else {
            // Computations claim it (`Device.computing`).
            Exhaustion.end("no memory for \(count) floats of scratch")
        }
        return memory
    }

    /// The same for who can do without a result.
    func floatsIfAny(_ slot: Slot, _ count: Int) -> UnsafeMutablePointer<Float>? {
        if let buffer = buffers[slot.rawValue], buffer.count >= count { return buffer.pointer }
        held.subtract(4 * (buffers[slot.rawValue]?.count ?? 0), ordering: .relaxed)
        buffers[slot.rawValue] = nil
        guard let grown = reserve?.buffer(count: count) ?? AlignedBuffer(count: count) else {
            return nil
        }
        buffers[slot.rawValue] = grown
        held.add(4 * grown.count, ordering: .relaxed)
        return grown.pointer
    }

    /// Memory for `count` elements of another type.
    package func memory<Element>(
        _ slot: Slot, _ count: Int, of type: Element.Type
    ) -> UnsafeMutablePointer<Element> {
        let words = (count * MemoryLayout<Element>.stride + 3) / 4
        return UnsafeMutableRawPointer(floats(slot, words))
            .bindMemory(to: Element.self, capacity: count)
    }

    /// Runs `body` and counts its time for `stage`.
    package func measure<Result>(_ stage: Stage, _ body: () throws -> Result) rethrows -> Result {
        let outer = self.stage
        turn(to: stage)
        defer { turn(to: outer) }
        return try body()
    }

    private func turn(to next: Stage?) {
        let now = Workspace.now
        if let stage { nanoseconds[stage.rawValue] += now &- since }
        (stage, since) = (next, now)
    }

    /// Begins counting anew.
    package func resetCounts() {
        nanoseconds = [UInt64](repeating: 0, count: Stage.allCases.count)
        operations = 0
    }

    private static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
