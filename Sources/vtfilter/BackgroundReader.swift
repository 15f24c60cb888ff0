import Synchronization
import VideoIO

/// Reads a video on a thread of its own, ahead of whoever takes its frames.
final class BackgroundReader: @unchecked Sendable {
    private let reader: VideoReader  // only the thread touches it
    private let queue: BoundedQueue<RGBFrame>
    private let state = Mutex<(any Error)?>(nil)
    private var thread: BackgroundThread?

    init(_ reader: VideoReader, into queue: BoundedQueue<RGBFrame>) {
        self.reader = reader
        self.queue = queue
        thread = BackgroundThread { [self] in
            do {
                while let frame = try self.reader.next() {
                    _ = self.reader.takeAudio()
                    if !queue.push(frame) { break }
                }
            } catch {
                state.withLock { $0 = error }
            }
            queue.finish()
        }
    }

    /// Waits for the end of reading.
    func join() {
        thread?.join()
        thread = nil
    }

    /// Why reading ended before the end of the input, after whole frames were delivered.
    var fault: (any Error)? { state.withLock { $0 } }
}
