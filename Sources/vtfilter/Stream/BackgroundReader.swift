import Synchronization
import VideoIO

/// A frame on its way, with the packets of other tracks that came before it. The frame is nil for
/// those after the last one.
struct StreamItem: Sendable {
    let frame: RGBFrame?
    let copied: [CopiedPacket]
}

/// Reads a video on a thread of its own, ahead of whoever takes its frames.
final class BackgroundReader: @unchecked Sendable {
    /// What was read.
    let queue: BoundedQueue<StreamItem>
    private let reader: VideoReader  // only the thread touches it
    private let state = Mutex<(any Error)?>(nil)
    private var thread: BackgroundThread?

    /// Starts reading, by time at `rate` where there is one; runs ahead by `capacity` frames. `gap`
    /// is the longest time in seconds that one frame is repeated for.
    ///
    /// - Throws: `VideoIOError.failure` where no thread is to be had.
    init(_ reader: VideoReader, rate: Rational?, gap: Double, capacity: Int) throws {
        self.reader = reader
        queue = BoundedQueue(capacity: capacity)
        thread = try BackgroundThread { [self] in
            do {
                var sampler = FrameSampler(self.reader, rate: rate, gap: gap)
                var open = true
                while open, let frame = try sampler.next() {
                    open = queue.push(StreamItem(frame: frame, copied: self.reader.takeCopied()))
                }
                _ = queue.push(StreamItem(frame: nil, copied: self.reader.takeCopied()))
            } catch {
                state.withLock { $0 = error }
            }
            queue.finish()
        }
    }

    /// Nobody takes frames any more.
    func close() {
        queue.close()
        join()
    }

    /// Waits for the end of reading.
    func join() {
        thread?.join()
        thread = nil
    }

    /// Why reading ended before the end of the input, after whole frames were delivered.
    var fault: (any Error)? { state.withLock { $0 } }
}
