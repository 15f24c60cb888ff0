import ForkSafety
import VideoIO

/// Reads a video on a thread of its own, ahead of whoever takes its frames.
final class BackgroundReader: StreamInput, @unchecked Sendable {
    /// What was read.
    let queue: BoundedQueue<StreamItem>
    private let reader: VideoReader  // only the thread touches it
    private let rate: Rational?
    private let gap: Double
    private let state = Guarded<(any Error)?>(nil)
    private var thread: BackgroundThread?

    /// Prepares reading, by time at `rate` where there is one; it runs ahead by `capacity` frames.
    /// `gap` is the longest time in seconds that one frame is repeated for.
    init(_ reader: VideoReader, rate: Rational?, gap: Double, capacity: Int) {
        (self.reader, self.rate, self.gap) = (reader, rate, gap)
        queue = BoundedQueue(capacity: capacity)
    }

    /// - Throws: `VideoIOError.failure` where no thread is to be had.
    func start() throws {
        thread = try BackgroundThread { [self] in
            do {
                var sampler = FrameSampler(reader, rate: rate, gap: gap)
                var open = true
                while open, let frame = try sampler.next() {
                    open = queue.push(StreamItem(frame, after: reader.takeCopied()))
                }
                _ = queue.push(StreamItem(after: reader.takeCopied()))
            } catch {
                state.withLock { $0 = error }
            }
            queue.finish()
        }
    }

    func close() {
        queue.close()
        thread?.join()
        thread = nil
    }

    /// Why reading ended before the end of the input, after whole frames were delivered, or why it
    /// gave none: known when the queue has ended.
    var fault: (any Error)? { state.withLock { $0 } ?? reader.emptiness }
}
