import Synchronization
import VidTwin
import VideoIO

/// Reading, computing and writing at the same time: a thread each for reading and writing, with a
/// clip or two between them; the caller's thread computes.
final class Pipeline: Sendable {
    /// Owned by one thread at a time: first the opener's, then the writing one's.
    private struct Handed<Value>: @unchecked Sendable {
        let value: Value
    }

    private let reader: Handed<VideoReader>
    private let rate: Rational?
    private let gap: Double
    private let shows: Bool
    private let writer: Handed<VideoWriter>
    private let interruption: Interruption
    private let progress: Progress

    init(
        reader: VideoReader, rate: Rational?, gap: Double, writer: VideoWriter, showsInput: Bool,
        interruption: Interruption, progress: Progress
    ) {
        (self.rate, self.gap) = (rate, gap)
        shows = showsInput
        self.reader = Handed(value: reader)
        self.writer = Handed(value: writer)
        self.interruption = interruption
        self.progress = progress
    }

    /// Runs to the end of the input, or to the first fault; whole frames are written before a
    /// fault of the input is thrown. Reading and writing run ahead by two clips of `clip` frames.
    func run(clip: Int, _ session: Session) throws {
        let output = BoundedQueue<StreamItem>(capacity: 2 * clip)
        let writeFault = Mutex<(any Error)?>(nil)
        let (reading, writing): (BackgroundReader, BackgroundThread)
        do {
            reading = try BackgroundReader(
                reader.value, rate: rate, gap: gap, capacity: 2 * clip)
            let input = reading.queue
            do {
                writing = try BackgroundThread { [self] in
                    do { try write(from: output) } catch {
                        writeFault.withLock { $0 = error }
                        output.close()
                        input.close()
                        interruption.reading.cancel()
                    }
                }
            } catch {
                interruption.reading.cancel()
                reading.close()
                throw error
            }
        } catch {
            progress.end()
            writer.value.abandon()
            throw error
        }
        let input = reading.queue
        var computeFault: (any Error)?
        do { try compute(from: input, into: output, session) } catch {
            computeFault = error
            input.close()
            interruption.reading.cancel()
        }
        output.finish()
        writing.join()
        reading.close()  // which may wait for room for a frame that nobody takes
        progress.end()
        // What the user can mend comes first: a reader that left explains all the rest.
        if let fault = writeFault.withLock({ $0 }) {
            writer.value.abandon()
            throw fault
        }
        if let computeFault {
            // Whole clips before the fault are on a pipe already; a file is left out as a whole.
            writer.value.abandon()
            throw computeFault
        }
        try writer.value.conclude(
            signal: interruption.signal, fault: reading.fault ?? reader.value.emptiness)
    }

    private func write(from queue: BoundedQueue<StreamItem>) throws {
        let writer = writer.value
        while let item = queue.pop() {
            try writer.write(item.copied)
            if let frame = item.frame {
                try writer.write(frame)
                progress.wrote()
            }
        }
    }

    private func compute(
        from input: BoundedQueue<StreamItem>, into output: BoundedQueue<StreamItem>,
        _ session: Session
    ) throws {
        var waiting: [StreamItem] = []
        var rest: [CopiedPacket] = []
        func send(_ pictures: [Picture]) {
            for (item, picture) in zip(waiting, pictures) {
                guard let frame = item.frame else { continue }
                let shown = shows ? Picture.sideBySide([frame.picture, picture]) : picture
                let result = RGBFrame(shown, like: frame)
                _ = output.push(StreamItem(frame: result, copied: item.copied))
            }
            waiting.removeFirst(pictures.count)
        }
        while let item = input.pop() {
            guard let frame = item.frame else {
                rest = item.copied
                break
            }
            waiting.append(item)
            send(try session.push(frame.picture))
            if interruption.signal != nil { return }
        }
        if interruption.signal != nil { return }
        send(try session.finish())
        _ = output.push(StreamItem(frame: nil, copied: rest))
    }
}
