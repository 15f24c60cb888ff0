package import VidTwin
import VidTwinKernels

/// Sums of gradients over processes, in buckets that leave while the way back still runs.
///
/// The first way back shows after which of its steps a parameter's gradient is complete; buckets follow
/// that order, which is the same in all processes, and what is in a bucket is added up in the order of
/// ranks.
package final class GradientReduction {
    private struct Bucket {
        let members: [Int]
        /// The step of the way back after which the gradients of all members are complete.
        let step: Int
    }

    /// A bucket on its way.
    private struct Sending {
        let members: [Int]
        let buffer: AlignedBuffer
        let sum: Processes.Sum
    }

    private let parameters: [Parameter]
    private let processes: Processes
    private let bucketSize: Int
    private var plan: [Bucket]?
    private var sending: [Sending] = []
    /// Buckets of the plan that left.
    private var sent = 0
    private var isLast = false
    private var step = 0
    /// How often gradients were added to, by parameter: what was seen last.
    private var changes: [Int]
    private var lastStep: [Int]
    private var failure: (any Error)?

    /// Buckets on their way at once: each needs its memory twice.
    private static let most = 4

    /// Sums of these parameters' gradients, in buckets of `bucketSize` numbers; about 25 MB, or an eighth
    /// of all where that is less.
    package init(_ parameters: [Parameter], _ processes: Processes, bucketSize: Int? = nil) {
        (self.parameters, self.processes) = (parameters, processes)
        let all = parameters.reduce(0) { $0 + $1.count }
        self.bucketSize = bucketSize ?? max(min(25_000_000 / 4, all / 8), 1 << 16)
        changes = Array(repeating: 0, count: parameters.count)
        lastStep = Array(repeating: 0, count: parameters.count)
    }

    private func values(_ index: Int) -> TrainableValues {
        guard let values = parameters[index].trainable else {
            preconditionFailure("\(parameters[index].name) is frozen and has no gradient")
        }
        return values
    }

    /// The last part of a batch begins, after which gradients are complete.
    package func begin() {
        (isLast, step, sent) = (true, 0, 0)
        if plan == nil { for i in changes.indices { changes[i] = values(i).changes } }
    }

    /// A step of the way back is done.
    package func stepped() {
        guard isLast, failure == nil else { return }
        step += 1
        if let plan {
            do {
                while sent < plan.count, plan[sent].step <= step { try send(plan[sent]) }
            } catch { failure = error }
            progress()
        } else {
            for i in changes.indices where values(i).changes != changes[i] {
                (changes[i], lastStep[i]) = (values(i).changes, step)
            }
        }
    }

    /// Lets what is on its way go on.
    package func progress() { for one in sending { one.sum.progress() } }

    /// Waits until all gradients are sums over all processes.
    ///
    /// - Throws: `ModelError.memory`, `TrainingError`.
    package func finish() throws {
        isLast = false
        if let failure { throw failure }
        if plan == nil { try makePlan() }
        for bucket in (plan ?? []).dropFirst(sent) { try send(bucket) }
        while !sending.isEmpty { receive() }
        let all = Set((plan ?? []).flatMap(\.members))
        for i in parameters.indices where values(i).hasGradient {
            guard all.contains(i), values(i).changes == changes[i] else {
                throw TrainingError.failure(
                    "\(parameters[i].name): its gradient went on after it was sent")
            }
        }
    }

    private func makePlan() throws {
        let order = parameters.indices.filter { values($0).hasGradient }
            .sorted { (lastStep[$0], $0) < (lastStep[$1], $1) }
        var buckets: [Bucket] = []
        var (members, size) = ([Int](), 0)
        for (place, index) in order.enumerated() {
            members.append(index)
            size += parameters[index].count
            if size >= bucketSize || place == order.count - 1 {
                buckets.append(Bucket(members: members, step: lastStep[index]))
                (members, size) = ([], 0)
            }
        }
        plan = buckets
        var hash = StateHash()
        for bucket in buckets {
            hash.add(UInt64(bucket.members.count))
            for index in bucket.members { hash.add(UInt64(index)) }
        }
        try processes.compare(hash.value, "the order of gradients")
    }

    private func send(_ bucket: Bucket) throws {
        while sending.count >= GradientReduction.most { receive() }
        let count = bucket.members.reduce(0) { $0 + parameters[$1].count }
        guard let buffer = AlignedBuffer(count: count) else {
            throw ModelError.memory(what: "gradients on their way", bytes: 4 * count)
        }
        var at = 0
        for index in bucket.members {
            let values = values(index)
            (buffer.pointer + at).update(from: values.gradient.pointer, count: values.count)
            changes[index] = values.changes
            at += values.count
        }
        sending.append(
            Sending(
                members: bucket.members, buffer: buffer,
                sum: try processes.begin(buffer.pointer, count)))
        sent += 1
    }

    /// Takes the oldest sum in.
    private func receive() {
        let one = sending.removeFirst()
        one.sum.finish()
        var at = 0
        for index in one.members {
            let values = values(index)
            values.gradient.pointer.update(from: one.buffer.pointer + at, count: values.count)
            at += values.count
        }
    }
}
