import ForkSafety
import VideoIO

/// What a stream reads from on a thread of its own.
package protocol StreamInput {
    /// Begins to read ahead.
    func start() throws
    /// Nobody takes more of it.
    func close()
}

/// Where the results of a stream go: one thread at a time.
package protocol StreamOutput {
    /// A result.
    associatedtype Item: Sendable

    /// Writes a result, and returns how many frames of the stream are done with it.
    func write(_ item: Item) throws -> Int

    /// Removes what was written so far (nothing can be taken back from a pipe).
    func abandon()

    /// Ends an output: by a signal, after a fault of the input, or with the last result.
    ///
    /// - Throws: `Interrupted`, the fault, or what is wrong with an output of nothing.
    func conclude(signal: Int32?, fault: (any Error)?) throws
}

/// The life of a stream, whatever comes in and goes out: a thread reads, one writes, the caller's
/// computes, with a clip or two between them.
///
/// A fault of the input is thrown after the results before it are written. Any other leaves no file,
/// though whole clips before it are on a pipe already. The first signal ends the input.
package struct StreamJob {
    private let interruption: Interruption
    private let progress: Progress
    private let ahead: Int

    /// A job that a signal ends, where `ahead` results may wait to be written.
    package init(interruption: Interruption, progress: Progress, ahead: Int) {
        (self.interruption, self.progress, self.ahead) = (interruption, progress, ahead)
    }

    /// Owned by one thread at a time: first the caller's, then the writing one's, then the caller's.
    private struct Handed<Value>: @unchecked Sendable {
        let value: Value
    }

    /// Nobody takes results any more.
    private struct Unwanted: Error {}

    /// Runs to the end of the input, to the first fault or to a signal.
    ///
    /// - Parameters:
    ///   - input: what is read ahead, if anything is.
    ///   - output: what is written; opened when the job begins.
    ///   - compute: takes the input to its end and passes each result on; returns the input's fault.
    /// - Throws: the first fault of reading, computing or writing, or `Interrupted`.
    package func run<Output: StreamOutput>(
        reading input: (any StreamInput)? = nil, writing output: @autoclosure () throws -> Output,
        _ compute: ((Output.Item) throws -> Void) throws -> (any Error)?
    ) throws {
        let opened: Output
        do { opened = try output() } catch {
            progress.end()
            throw error
        }
        let queue = BoundedQueue<Output.Item>(capacity: ahead)
        let writeFault = Guarded<(any Error)?>(nil)
        let writing: BackgroundThread
        defer { input?.close() }
        do {
            try input?.start()
            let write = Handed(value: opened.write)
            writing = try BackgroundThread {
                do {
                    while let item = queue.pop() { progress.wrote(try write.value(item)) }
                } catch {
                    writeFault.withLock { $0 = error }
                    queue.close()
                    interruption.reading.cancel()
                }
            }
        } catch {
            interruption.reading.cancel()
            progress.end()
            opened.abandon()
            throw error
        }
        let computed = Result {
            try compute { if !queue.push($0) { throw Unwanted() } }
        }
        if case .failure = computed { interruption.reading.cancel() }
        queue.finish()
        writing.join()
        progress.end()
        do {
            // What the user can mend comes first: a reader that left explains all the rest.
            if let fault = writeFault.withLock({ $0 }) { throw fault }
            _ = try computed.get()
        } catch {
            opened.abandon()
            throw error
        }
        try opened.conclude(signal: interruption.signal, fault: try computed.get())
    }
}
